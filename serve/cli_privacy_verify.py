"""`onefold privacy verify`: tries every mechanical duty of data protection on a service of its own."""

import tempfile
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from serve.cli_common import FAILED, AsJson, emit
from serve.verify_rows import Outcome

verify_app = typer.Typer(no_args_is_help=True)


@verify_app.command("verify")
def verify(as_json: AsJson = False) -> None:
    """Try every duty of data protection on a service of its own. Exit code 1 if one is not met."""
    from serve.verify_duties import ROWS
    from serve.verify_rows import run_rows
    from serve.verify_scene import Scene

    progress = Console(stderr=True)

    def told(outcome: Outcome) -> None:
        if progress.is_terminal:
            progress.print(f"{outcome.result}  {outcome.duty}  {outcome.seconds:.1f} s", highlight=False)

    with tempfile.TemporaryDirectory(prefix="onefold-verify-") as folder, Scene(Path(folder)) as scene:
        outcomes = run_rows(ROWS, scene, told)
    failed = sum(outcome.result == "fail" for outcome in outcomes)
    summary = {"duties": len(outcomes), "failed": failed, "data": outcomes}
    emit(as_json, summary, lambda console: _print(console, outcomes, failed))
    if failed:
        raise typer.Exit(FAILED)


def _print(console: Console, outcomes: list[Outcome], failed: int) -> None:
    drawn = Table("DUTY", "CAPABILITY", "TEST", "RESULT", "SEEN", box=None, pad_edge=False, header_style="bold")
    for outcome in outcomes:
        drawn.add_row(outcome.duty, outcome.capability, outcome.test, outcome.result.upper(), outcome.seen)
    console.print(drawn)
    console.print()
    console.print(f"{len(outcomes) - failed} of {len(outcomes)} duties met", highlight=False)
