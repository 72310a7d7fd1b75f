"""What `onefold privacy verify` is made of: a row for each duty, and what comes of trying it.

A row's check does the thing against a real service, looks at what came of it, and returns in a few words what it saw.
It raises `Broken` where the duty is not met; whatever else it raises counts as not met too. A capability that is not
there is not met.
"""

import time
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import msgspec

from pipelines.batch_client import ApiError
from serve.verify_scene import CommandFailed, Scene


class Broken(Exception):
    """A duty is not met; the message says what was seen instead."""


class Row(NamedTuple):
    """A duty, what meets it, how that is tried, and the trial itself."""

    duty: str
    capability: str
    test: str
    check: Callable[[Scene], str]


class Outcome(msgspec.Struct, frozen=True):
    """What came of a row. `seen`: in a few words, what the check saw."""

    duty: str
    capability: str
    test: str
    result: Literal["pass", "fail"]
    seen: str
    seconds: float


def expect(holds: bool, otherwise: str) -> None:
    """Raises Broken with `otherwise` unless it holds."""
    if not holds:
        raise Broken(otherwise)


def run_rows(rows: Iterable[Row], scene: Scene, told: Callable[[Outcome], None]) -> list[Outcome]:
    """Tries every row, one after the other, whatever came of those before; `told` hears of each as it is done."""
    outcomes = []
    for row in rows:
        started = time.monotonic()
        result: Literal["pass", "fail"] = "fail"
        try:
            seen = row.check(scene)
            result = "pass"
        except (Broken, CommandFailed) as error:
            seen = str(error)
        except ApiError as error:
            seen = f"the service answered {error.status}: {error.message}"
        except Exception as error:
            seen = f"the check could not be done: {type(error).__name__}: {error}"
        outcome = Outcome(row.duty, row.capability, row.test, result, seen, round(time.monotonic() - started, 2))
        told(outcome)
        outcomes.append(outcome)
    return outcomes
