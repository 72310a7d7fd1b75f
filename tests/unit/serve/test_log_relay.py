"""The relay passes on our structured lines and nothing else."""

import io
from pathlib import Path

from serve.log_relay import LogRelay


def test_only_whole_structured_lines_are_passed_on_once(tmp_path: Path) -> None:
    logs = tmp_path / "session_1" / "logs"
    logs.mkdir(parents=True)
    (tmp_path / "session_latest").symlink_to(tmp_path / "session_1")
    output = io.StringIO()
    relay = LogRelay(tmp_path, output)
    file = logs / "worker-1.err"
    file.write_text('{"time":"1"}\nTraceback: jane@example.com\n{"time":"2')
    (logs / "raylet.err").write_text('{"time":"other"}\n')
    relay.pass_on()
    assert output.getvalue() == '{"time":"1"}\n'
    with file.open("a") as more:
        more.write('"}\n')
    (logs / "worker-2.err").write_text('{"time":"3"}\n')
    relay.pass_on()
    relay.pass_on()
    assert output.getvalue() == '{"time":"1"}\n{"time":"2"}\n{"time":"3"}\n'
    file.write_text('{"time":"4"}\n')  # begun anew
    relay.start()
    relay.stop()
    assert output.getvalue().endswith('{"time":"4"}\n')
