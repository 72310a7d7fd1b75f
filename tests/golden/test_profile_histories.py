"""Stored histories and the documents that they make: a change of meaning shows here, for ever.

tests/golden/profile/NAME.json holds the events, NAME.expected.json the document. Set ONEFOLD_GOLDEN_UPDATE=1
to write the expected documents anew, and read the difference before committing it.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.events.event import Event
from models.profile.document import document
from models.profile.policy import ProfilePolicy
from models.profile.reduce import merge
from models.profile.state import Profile, decode_profile, encode_profile
from tests.strategies.profile_strategies import fold

HISTORIES = Path(__file__).parent / "profile"
NAMES = sorted(path.name.removesuffix(".json") for path in HISTORIES.glob("*.json") if "expected" not in path.name)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ms(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def read_history(name: str) -> tuple[dict[str, Any], list[Event], ProfilePolicy]:
    stored = json.loads((HISTORIES / f"{name}.json").read_text())
    events = []
    for number, given in enumerate(stored["events"]):
        at = ms(given.pop("at"))
        identifiers = tuple(given.pop("identifiers", stored["identifiers"]))
        events.append(
            Event(
                message_id=given.pop("id", f"{name}-{number}"),
                name=given.pop("name", ""),
                timestamp=at,
                received_at=at,
                source=given.pop("source", "web"),
                identifiers=identifiers,
                route=identifiers[-1],
                **given,
            )
        )
    return stored, events, msgspec.convert(stored.get("policy", {}), ProfilePolicy)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", ["in order", "reversed", "split"])
def test_history_makes_its_document(name: str, order: str) -> None:
    stored, events, policy = read_history(name)
    if order == "split":
        profile = fold(events[::2], policy, created_at=ms(stored["created_at"]))
        other: Profile = fold(events[1::2], policy, created_at=ms(stored["created_at"]) + 1)
        merge(profile, other, policy)
    else:
        events = events if order == "in order" else events[::-1]
        profile = fold(events, policy, created_at=ms(stored["created_at"]))
    profile = decode_profile(encode_profile(profile))
    profile.memberships = {segment: ms(at) for segment, at in stored.get("memberships", {}).items()}
    made = json.loads(json.dumps(document(profile, ms(stored["now"]), stored.get("segments", {}))))
    path = HISTORIES / f"{name}.expected.json"
    if os.environ.get("ONEFOLD_GOLDEN_UPDATE") and order == "in order":
        path.write_text(json.dumps(made, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    assert made == json.loads(path.read_text())
