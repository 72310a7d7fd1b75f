"""Tasks in processes of this machine, and what is noted of them."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.task_runner import Processes, Stages, WorkerDied


def test_tasks_run_in_other_processes_and_a_dead_one_is_told() -> None:
    with Processes() as runner:
        found = dict(runner.run(os.path.join, [(1, ("a", "b")), (2, ("c", "d"))]))
        assert found == {1: "a/b", 2: "c/d"}
        ((_, process),) = runner.run(os.getpid, [(0, ())])
        assert process != os.getpid()
        with pytest.raises(ZeroDivisionError):
            list(runner.run(divmod, [(0, (1, 0))]))
        with pytest.raises(WorkerDied, match="run the same command again"):
            list(runner.run(os._exit, [(0, (1,))]))


def test_workers_end_with_their_parent() -> None:
    lines = (
        "import os",
        "from pipelines.task_runner import Processes",
        "print(*Processes().run(os.getpid, [(0, ())]), flush=True)",
        "input()",
    )
    command = [sys.executable, "-c", "; ".join(lines)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        _, worker = ast.literal_eval(parent.stdout.readline())
        os.kill(worker, 0)  # is there
        parent.kill()
    for _ in range(200):
        if not _runs(worker):
            return
        time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlived its parent")


def _runs(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []

    class Once:
        def run(self, function, calls):  # type: ignore[no-untyped-def]
            for name, arguments in calls:
                yield name, function(*arguments)

    def stages() -> Stages:
        return Stages(tmp_path, Once(), lambda *progress: told.append(progress))

    assert stages().many("double", lambda x: 2 * x, {3: (30,), 4: (40,)}) == [60, 80]
    assert stages().many("double", lambda x: 1 // 0, {4: (40,), 3: (30,)}) == [80, 60]
    assert stages().one("name", lambda: ["a", 1]) == ["a", 1]
    assert stages().one("name", lambda: 1 // 0) == ["a", 1]
    assert told[:3] == [("double", 0, 2), ("double", 1, 2), ("double", 2, 2)]
    (tmp_path / "double-00003.arrow").touch()
    (tmp_path / "other-00003.arrow").touch()
    stages().drop("double")
    assert [path.name for path in tmp_path.glob("*.arrow")] == ["other-00003.arrow"]
