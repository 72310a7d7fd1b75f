"""Corrections of what is held of a person (GDPR article 16), as an operator states them.

A statement is an event of the type CORRECTION: its traits are the right values, None for what is wrong and has no right
value here; `context.correction` has the names of those whose correction is lifted, and why. No client can send one.
"""

from typing import Any

from models.events.event import Event

CORRECTION = "correction"


def correction_context(lift: list[str], reason: str) -> dict[str, Any]:
    """The context of a statement."""
    return {"correction": {"lift": lift, "reason": reason}}


def lifted(event: Event) -> list[str]:
    """Names of the traits whose correction a statement lifts."""
    told = event.context.get("correction")
    names = told.get("lift") if isinstance(told, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []
