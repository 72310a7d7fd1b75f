"""`python -m bench.fuzz_http --minutes 10`: the HTTP API under requests that nobody would send (Schemathesis).

Starts a service in a temporary directory and has Schemathesis make requests from its OpenAPI document, right and wrong
ones: first each operation by itself, at the edges of what its schema allows, then chains of calls in which one takes
what another has answered. Every answer is compared with the document. Streams, which never end, are opened and
dropped here. Exit code 1 on a finding: an answer of 5xx, one that is not as documented, a wrong request that is taken,
no answer within 10 s, memory that grows, an error in the log. Schemathesis prints each with a command that repeats it.
"""

import argparse
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import httpx

from bench.fuzz_place import HANG_S, Place, Watch, place, report

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)
PHASES = "examples,coverage,fuzzing,stateful"
STREAMS = ("/v1/segments/stream", "/v1/segments/{segment_id}/stream")
_HOOKS = "bench.fuzz_http_hooks"
_CONFIG = """
[checks]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "429"]

# Of a batch, each message is taken or refused by itself, and the answer to what was taken says what was not.
[[operations]]
include-path-regex = "^/v1/(batch|b|import)$"
checks.negative_data_rejection.enabled = false
"""


def schemathesis(where: Place, phases: str, seconds: float, number: int) -> list[str]:
    """Runs Schemathesis for so long, with the seed `number`, and prints what it says. Returns what it found."""
    folder = where.data_dir.parent
    config = folder / "schemathesis.toml"
    config.write_text(_CONFIG)
    options = [f"--url={where.url}", f"--header=Authorization: Bearer {where.key}", f"--checks={','.join(CHECKS)}"]
    options += [f"--phases={phases}", f"--seed={number}", f"--max-time={seconds:.0f}", f"--request-timeout={HANG_S:g}"]
    options += ["--continue-on-failure", "--suppress-health-check=all", "--warnings=off", "--generation-database=none"]
    options += [f"--exclude-path={path}" for path in STREAMS]
    program = [str(Path(sys.executable).with_name("schemathesis")), "--no-color", f"--config-file={config}", "run"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": _HOOKS, "ONEFOLD_BENCH_FUZZ_KEY_ID": where.key_id}
    done = subprocess.run([*program, *options, f"{where.url}/openapi.json"], env=environment, cwd=folder, check=False)
    return [f"schemathesis, seed {number}: see above"] if done.returncode else []


class StreamCallers(threading.Thread):
    """Opens streams with what fits and what does not, reads a little, and drops them."""

    def __init__(self, where: Place, number: int) -> None:
        super().__init__(daemon=True)
        self._where = where
        self._choose = random.Random(number)
        self._ended = threading.Event()
        self.opened = 0
        self.found: list[str] = []

    def run(self) -> None:
        choose = self._choose
        values = ("", "shoppers", "nobody", "0", "-1", "\u2603" * 50, "a" * 5_000, "0:1,1:99999999999999999999", "%00")
        with httpx.Client(base_url=self._where.url, headers=bearer(self._where), timeout=HANG_S) as client:
            while not self._ended.wait(0.2):
                path = choose.choice(STREAMS).replace("{segment_id}", choose.choice(["shoppers", "nobody"]))
                query = {choose.choice(["cursor", "after", "segments", "x"]): choose.choice(values)}
                headers = {"Last-Event-ID": choose.choice(["", "0:1", "%%%"])} if choose.random() < 0.5 else {}
                try:
                    with client.stream("GET", path, params=query, headers=headers) as response:
                        if response.status_code >= 500:
                            self.found.append(f"{path} answered {response.status_code} to {query} {headers}")
                        elif response.status_code == 200:
                            next(response.iter_bytes(), b"")
                    self.opened += 1
                except httpx.ReadTimeout:
                    self.found.append(f"{path} did not answer within {HANG_S:g} s to {query} {headers}")

    def end(self) -> None:
        """Stops, and waits for it."""
        self._ended.set()
        self.join()


def bearer(where: Place) -> dict[str, str]:
    """The header that shows the key."""
    return {"Authorization": f"Bearer {where.key}"}


def fuzz(where: Place, phases: str, seconds: float, number: int) -> list[str]:
    """Everything, for about so long. Returns what was found."""
    streams = StreamCallers(where, number)
    streams.start()
    with Watch(where) as watch:
        found = schemathesis(where, phases, seconds, number)
    streams.end()
    print(f"{streams.opened} streams opened")
    return found + streams.found + watch.findings()


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzzes the HTTP API of a service of its own.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phases", default=PHASES, help="of Schemathesis")
    given = parser.parse_args()
    with place() as where:
        return report(fuzz(where, given.phases, given.minutes * 60, given.seed))


if __name__ == "__main__":
    sys.exit(main())
