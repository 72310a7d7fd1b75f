"""What every command shares: its options, where it finds the service and the key, how it prints, how it fails.

Exit codes, the same for all commands:

    0  done
    1  failed; the message says why
    2  the command line, a file it names or the settings are wrong
    3  the service does not run or does not answer
    4  there is no such thing (profile, segment, key)
    5  the key is missing, not valid, or does not allow this
    6  done in part: some rows or messages were refused, and are listed
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.batch_client import ApiClient, ApiError
from serve import instance
from serve.cli_tenant import chosen_tenant
from serve.data_dir import ADMIN_KEY_FILE
from serve.settings import Loaded, Settings, load

DONE, FAILED, USAGE, NOT_RUNNING, NOT_FOUND, REFUSED, PARTLY = range(7)
_PATIENCE_S = 5.0
_WIDTH = 200
_EXIT_CODES = {0: NOT_RUNNING, 401: REFUSED, 403: REFUSED, 404: NOT_FOUND, 429: FAILED, 503: NOT_RUNNING}

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Data directory. (default: onefold-data)")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file. (default: the data directory's)")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Url = Annotated[
    str | None,
    typer.Option("--url", envvar="ONEFOLD_URL", help="Address of the service. (default: the one running here)"),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", envvar="ONEFOLD_KEY", help="API key. (default: the one that init left in the data directory)"
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Most entries to print.")]


class CommandError(Exception):
    """A command cannot go on. `code` is the stable word for programs."""

    def __init__(self, message: str, exit_code: int = FAILED, code: str = "failed") -> None:
        super().__init__(message)
        self.message, self.exit_code, self.code = message, exit_code, code


def settings_of(data_dir: Path | None, config: Path | None, **flags: Any) -> Loaded:
    """The settings in force. Raises SettingsError."""
    given = {"data_dir": None if data_dir is None else str(data_dir), "tenant": chosen_tenant(), **flags}
    return load(given, file=config)


def connect(data_dir: Path | None, config: Path | None, url: str | None, key: str | None) -> ApiClient:
    """A client of the service: the one at `url`, else the one that runs on the data directory."""
    return ApiClient(*locate(data_dir, config, url, key), patience_s=_PATIENCE_S)


def locate(data_dir: Path | None, config: Path | None, url: str | None, key: str | None) -> tuple[str, str]:
    """Base URL and key for `connect`. Raises CommandError if no service runs here and none is named."""
    if url and key:
        return url, key
    settings = settings_of(data_dir, config).settings
    if not url:
        record = instance.running(settings.service_path)
        if record is None:
            raise CommandError(
                f"no service runs on {settings.service_path}: start it with `onefold serve`, or give --url",
                NOT_RUNNING,
                "not_running",
            )
        url = record.local_http
    return url, key or stored_key(settings)


def stored_key(settings: Settings) -> str:
    """The key that init left for the command line; empty if there is none."""
    try:
        return (settings.data_path / ADMIN_KEY_FILE).read_text().strip()
    except OSError:
        return ""


def exit_code_of(error: ApiError) -> int:
    """The exit code for an answer of the service."""
    return _EXIT_CODES.get(error.status, USAGE if error.status == 400 else FAILED)


def emit(as_json: bool, data: Any, human: Callable[[Console], None]) -> None:
    """Prints `data` as JSON, or lets `human` print it for people."""
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n")
    else:
        console = Console()
        if not console.is_terminal:
            console.width = _WIDTH  # a pipe or a file has no edge to wrap at
        human(console)


def emit_line(data: Any) -> None:
    """Prints one JSON value on one line: for streams."""
    sys.stdout.write(msgspec.json.encode(data).decode() + "\n")
    sys.stdout.flush()


def table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Prints rows under columns, or `empty` if there are none. What has a style is a Text."""
    if not rows:
        console.print(empty)
        return
    drawn = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # As they are: brackets are no markup.
        drawn.add_row(*(value if isinstance(value, Text) else Text(str(value)) for value in row))
    console.print(drawn)


def fail(message: str, code: str, exit_code: int, as_json: bool) -> int:
    """Tells on standard error what went wrong. Returns the exit code."""
    if as_json:
        sys.stderr.write(msgspec.json.encode({"code": code, "message": message}).decode() + "\n")
    else:
        Console(stderr=True).print(Text.assemble(("onefold: ", "bold red"), message), soft_wrap=True)
    return exit_code


def drop_pipe() -> None:
    """Standard output's reader is gone (`| head`): nothing more is written, the interpreter's last flush included."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
