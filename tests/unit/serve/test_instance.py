"""One service for one data directory: the lock, the record, and finding and ending what belongs to it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serve.instance import MARK, Busy, Claim, Record, end, mark, processes, running, streaming

ROOT = Path(__file__).parents[3]
RECORD = Record(
    pid=os.getpid(),
    started_at=1,
    version="1",
    shards=2,
    replicas=1,
    http_url="http://127.0.0.1:1",
    grpc_address="127.0.0.1:2",
    local_http="http://127.0.0.1:1",
    local_grpc="127.0.0.1:2",
)
SLEEP = "import signal, time; print(1, flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    children: list[subprocess.Popen[bytes]] = []
    yield children
    for child in children:
        child.kill()
        child.wait()


def spawn(code: str, children: list[subprocess.Popen[bytes]], **variables: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([sys.executable, "-c", code], env=os.environ | variables, stdout=subprocess.PIPE)
    children.append(child)
    assert child.stdout is not None
    child.stdout.readline()  # it runs
    return child


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    with Claim(tmp_path) as claim:
        with pytest.raises(Busy) as caught:
            Claim(tmp_path)
        assert caught.value.pid == 0  # it has not said yet
        claim.tell(RECORD)
        assert running(tmp_path) == RECORD
        with pytest.raises(Busy) as caught:
            Claim(tmp_path)
        assert caught.value.pid == os.getpid()
    assert running(tmp_path) is None
    Claim(tmp_path).release()


def test_a_killed_holder_holds_nothing_and_its_record_does_not_count(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    code = (
        "import time; from pathlib import Path\n"
        "from serve.instance import Claim, Record\n"
        f"Claim(Path({str(tmp_path)!r})).tell(Record(1, 1, '1', 1, 1, 'u', 'g', 'u', 'g'))\n"
        "print(1, flush=True); time.sleep(60)"
    )
    child = spawn(code, started, PYTHONPATH=str(ROOT))
    assert running(tmp_path) is not None
    child.kill()
    child.wait()
    assert (tmp_path / "run" / "service.json").exists()
    assert running(tmp_path) is None
    Claim(tmp_path).release()


def test_a_service_that_stops_waits_for_its_streams(tmp_path: Path) -> None:
    with Claim(tmp_path) as claim:
        assert not claim.wait_for_streams(60)
        with streaming(tmp_path), streaming(tmp_path):
            assert claim.wait_for_streams(0.05)  # they do not end, and it does not wait for ever
        with ThreadPoolExecutor(1) as pool, streaming(tmp_path):
            waiting = pool.submit(claim.wait_for_streams, 60)
            with pytest.raises(TimeoutError):
                waiting.result(0.1)
        assert waiting.result()


def test_processes_are_found_by_their_mark_and_ended(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "ours-too"
    mine = spawn(SLEEP, started, **{MARK: mark(ours)})
    stubborn = spawn(STUBBORN, started, **{MARK: mark(ours)})
    other = spawn(SLEEP, started, **{MARK: mark(theirs)})
    assert processes(ours) == sorted([mine.pid, stubborn.pid])
    before = time.monotonic()
    assert end(processes(ours), grace_s=0.5) == [stubborn.pid]
    assert time.monotonic() - before < 5
    assert mine.wait(5) == -signal.SIGTERM
    assert stubborn.wait(5) == -signal.SIGKILL
    assert other.poll() is None
    assert processes(ours) == []
    assert end([mine.pid], grace_s=0.1) == []  # ended already
