"""`python -m bench.kill`: what survives `kill -9`.

Starts a service in a directory of its own, lets writers note what was acknowledged, and kills processes of the service
at random: shards most of all, replicas, Ray's own processes, and everything at once. Then compares all that the
service holds with the acknowledgements. Exit code 1 if an event was lost or doubled, or anything differs.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.kill_load import Oracle, Writer, differences, last_word
from bench.processes import title
from pipelines.batch_client import ApiClient, ApiError

WRITERS = 4
# What is killed how often, by title. "service" is the process that the operator started, "everything" the whole tree.
WEIGHTS = {
    "ray::ShardActor": 60,
    "ray::ServeReplica": 12,
    "other": 8,
    "raylet": 3,
    "gcs_server": 2,
    "service": 3,
    "everything": 12,
}
_UNAIDED = ("ray::ShardActor", "ray::ServeReplica")  # come back while everything else goes on
_PAUSE_S = (0.3, 2.5)  # between two kills
_START_S = 180.0
_BACK_S = 120.0  # in this time everything must go on again


@dataclass
class Report:
    """What a run did and found."""

    kills: dict[str, int] = field(default_factory=dict)  # by kind
    starts: int = 0  # of the whole service
    acknowledged: int = 0
    repetitions: int = 0  # batches sent again for lack of an answer
    seconds: float = 0.0
    foreign: dict[int, int] = field(default_factory=dict)  # answers that were not the service's own, by status
    unavailable_s_max: float = 0.0  # the longest time without an acknowledgement
    wrong: list[str] = field(default_factory=list)


class Service:
    """A service in a directory of its own, run by the command line."""

    def __init__(self, data_dir: Path, shards: int, http_port: int, grpc_port: int) -> None:
        self._data_dir = data_dir
        self.url = f"http://127.0.0.1:{http_port}"
        ports = ("--http-port", str(http_port), "--grpc-port", str(grpc_port))
        self.key = Path(self.cli("init", "--shards", str(shards), *ports)["admin_key_file"]).read_text().strip()
        self._pid = 0

    def start(self) -> None:
        """Starts it, and returns when it is ready."""
        self._pid = int(self.cli("serve", "--detach")["pid"])

    def stop(self) -> None:
        """Stops it in order, and ends what is left."""
        self._run("stop")

    def processes(self) -> list[int]:
        """Ids of all its processes, itself first."""
        return _tree(self._pid)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serve", *arguments, "--json", "--data-dir", str(self._data_dir)]
        return subprocess.run(command, capture_output=True, text=True, timeout=_START_S, check=False)

    def cli(self, *arguments: str) -> Any:
        """What a command prints. Raises RuntimeError if it fails."""
        done = self._run(*arguments)
        if done.returncode:
            raise RuntimeError(f"onefold {arguments[0]} exited with {done.returncode}: {done.stderr[-2000:]}")
        return json.loads(done.stdout)


def run(service: Service, kills: int, seed: int, tell: Callable[[str], None]) -> Report:
    """Kills `kills` times and compares. The service is stopped at the end."""
    choose = random.Random(seed)
    report = Report()
    oracle = Oracle()
    stop = threading.Event()
    started = time.monotonic()
    service.start()
    report.starts = 1
    with ApiClient(service.url, service.key, timeout_s=15, patience_s=2) as client:
        writers = [Writer(number, seed, client, oracle, stop) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        watch = _Progress(oracle)
        try:
            for number in range(kills):
                watch.sleep(choose.uniform(*_PAUSE_S))
                last = number == kills - 1
                what = "everything" if last else choose.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
                _kill(service, what, choose)
                report.kills[what] = report.kills.get(what, 0) + 1
                if any(writer.refusal for writer in writers):
                    break
                tell(f"kill {number + 1} of {kills}: {what}; {len(oracle.message_ids)} events acknowledged")
                if what not in _UNAIDED:
                    _bring_back(service, watch, what, report, tell)
            watch.until_progress(_BACK_S)
        finally:
            stop.set()
        for writer in writers:
            writer.join()
        report.wrong += [f"a writer was refused: {writer.refusal}" for writer in writers if writer.refusal]
        report.repetitions = sum(writer.repetitions for writer in writers)
        report.foreign = dict(sum((writer.foreign for writer in writers), Counter()))
        report.unavailable_s_max = round(watch.longest_s, 1)
    with ApiClient(service.url, service.key) as client:
        sequence = _say(client, oracle, last_word())
        report.wrong += differences(client, oracle, sequence)
    report.acknowledged = len(oracle.message_ids)
    report.seconds = round(time.monotonic() - started, 1)
    service.stop()
    return report


class _Progress:
    """Watches that acknowledgements go on."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._count = 0
        self._since = time.monotonic()
        self.longest_s = 0.0

    def sleep(self, seconds: float) -> None:
        """Waits, watching."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.05)
            self._look()

    def until_progress(self, timeout_s: float) -> bool:
        """Waits for the next acknowledgement; whether one came."""
        before = len(self._oracle.message_ids)
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            self.sleep(0.1)
            if len(self._oracle.message_ids) > before:
                return True
        return False

    def _look(self) -> None:
        now = time.monotonic()
        count = len(self._oracle.message_ids)
        if count != self._count:
            self.longest_s = max(self.longest_s, now - self._since)
            self._count, self._since = count, now


def _kill(service: Service, what: str, choose: random.Random) -> list[int]:
    """Kills one process of that kind, or all; waits for one that is being started. Returns the ids."""
    until = time.monotonic() + _BACK_S
    while True:
        processes = service.processes()
        victims = processes
        if what == "service":
            victims = processes[:1]
        elif what != "everything":
            fitting = [pid for pid in processes[1:] if _kind(title(pid)) == what]
            victims = [choose.choice(fitting)] if fitting else []
        if victims:
            break
        if time.monotonic() > until:
            raise RuntimeError(f"no {what} was started again within {_BACK_S:g} s")
        time.sleep(0.05)
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return victims


def _kind(name: str) -> str:
    """The key of WEIGHTS that a process title falls under."""
    return next((kind for kind in WEIGHTS if name.startswith(kind)), "other")


def _bring_back(service: Service, watch: _Progress, what: str, report: Report, tell: Callable[[str], None]) -> None:
    """Starts the service again if it needs that: as an operator's supervisor would."""
    if what not in ("service", "everything"):
        if watch.until_progress(_BACK_S):
            return
        report.wrong.append(f"the service did not come back by itself within {_BACK_S:g} s after a kill of {what}")
    for pid in service.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    service.start()
    report.starts += 1
    tell(f"the service was started again in {time.monotonic() - began:.1f} s")
    if not watch.until_progress(_BACK_S):
        report.wrong.append(f"nothing was acknowledged for {_BACK_S:g} s after a restart")


def _say(client: ApiClient, oracle: Oracle, messages: list[dict[str, Any]]) -> str:
    """Sends messages and returns the token of their acknowledgement."""
    answer = client.post("/v1/batch", {"batch": messages})
    oracle.acknowledge(messages)
    return str(answer["sequence"])


def _tree(root: int) -> list[int]:
    """A process and all its descendants, ancestors first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                stat = Path("/proc", entry, "stat").read_text()
                children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--http-port", type=int, default=18480)
    parser.add_argument("--grpc-port", type=int, default=18451)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onefold-kill-") as directory:
        service = Service(Path(directory, "data"), arguments.shards, arguments.http_port, arguments.grpc_port)
        try:
            report = run(
                service, arguments.kills, arguments.seed, lambda line: print(line, file=sys.stderr, flush=True)
            )
        except (ApiError, RuntimeError) as error:
            print(f"the service did not come back: {error}", file=sys.stderr)
            return 1
        finally:
            service.stop()
    print(json.dumps(asdict(report), indent=2))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
