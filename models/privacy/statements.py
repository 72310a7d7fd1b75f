"""What an event says of consent: signals of every kind, as one answer for each category or purpose.

    context.consent.categoryPreferences   {category: true or false}, as Segment's consent-aware clients send it
    context.consent.tcString              IAB TCF 2.2 or 2.3
    context.consent.gppString             IAB GPP
    context.consent.gpc                   true: Global Privacy Control, as browsers send it with every request

An operator's own statement, by the API, is an event of the type "consent" whose context.consent.decisions say it.
What cannot be read is a no to all that it could have granted; of two answers in one event the no holds.
"""

from typing import Any

from models.events.event import Event
from models.privacy.bits import InvalidSignal
from models.privacy.gpp import decode_gpp
from models.privacy.purposes import NO_AUTOMATED_DECISIONS, RESTRICTED, SPECIAL, STATEMENT, Purposes
from models.privacy.signals import Decision, from_tcf, purposes_of
from models.privacy.tcf import decode_tcf

_INVERTED = (RESTRICTED, NO_AUTOMATED_DECISIONS)  # where true is what restricts


def stated(event: Event, purposes: Purposes) -> dict[str, bool]:
    """The answers of an event, by category or purpose."""
    given = event.context.get("consent")
    if not isinstance(given, dict):
        return {}
    found: dict[str, bool] = {}
    if event.type == STATEMENT:
        decisions = given.get("decisions")
        return {str(name): value is True for name, value in decisions.items()} if isinstance(decisions, dict) else {}
    categories = given.get("categoryPreferences")
    if isinstance(categories, dict):
        found = {name: value is True for name, value in categories.items() if name not in SPECIAL}
    for decision in _signals(given, purposes):
        found[decision.purpose] = decision.granted and found.get(decision.purpose, True)
    return found


def methods(event: Event) -> list[str]:
    """The kinds of signals that an event carries, for the ledger."""
    given = event.context.get("consent")
    if event.type == STATEMENT:
        return ["api"]
    if not isinstance(given, dict):
        return []
    names = {"categoryPreferences": "categories", "tcString": "tcf", "gppString": "gpp", "gpc": "gpc"}
    return [method for name, method in names.items() if given.get(name)]


def restricts(value: Any, category: str) -> int:
    """How much an answer restricts, to compare two by."""
    return int((value is True) == (category in _INVERTED))


def _signals(given: dict[str, Any], purposes: Purposes) -> list[Decision]:
    by_tcf, opted_out = purposes.by_tcf(), purposes.opted_out()
    found: list[Decision] = []
    text = given.get("tcString")
    if text is not None and by_tcf:
        try:
            consent = decode_tcf(text) if isinstance(text, str) else None
        except InvalidSignal:
            consent = None
        for purpose, numbers in by_tcf.items():
            decided = [] if consent is None else from_tcf(consent, dict.fromkeys(numbers, purpose))
            found += decided or [Decision(purpose, False, "consent")]
    text = given.get("gppString")
    if text is not None and (by_tcf or opted_out):
        try:
            signals = decode_gpp(text) if isinstance(text, str) else None
        except InvalidSignal:
            signals = None
        if signals is None:
            found += [Decision(purpose, False, "consent") for purpose in dict.fromkeys([*by_tcf, *opted_out])]
        else:
            found += purposes_of(signals, {}, opted_out)
            for purpose, numbers in by_tcf.items():
                found += [d for d in purposes_of(signals, dict.fromkeys(numbers, purpose), ()) if d.purpose == purpose]
    if given.get("gpc") is True:
        found += [Decision(purpose, False, "opt_out") for purpose in opted_out]
    return found
