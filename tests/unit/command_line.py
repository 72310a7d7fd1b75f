"""The command `onefold` in the test's process."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from serve.cli import run

Call = Callable[..., tuple[int, str, str]]
"""Runs a command: its exit code, and what it wrote to standard output and standard error."""


def command_line(directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Commands are run in a directory, and told nothing by the environment."""
    monkeypatch.chdir(directory)
    for variable in ("ONEFOLD_KEY", "ONEFOLD_URL", "ONEFOLD_CONFIG"):
        monkeypatch.delenv(variable, raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["onefold", *arguments])
        capsys.readouterr()
        return (run(), *capsys.readouterr())

    return call
