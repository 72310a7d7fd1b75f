"""Which refused messages are about a person: those that name one of their identifiers, in whatever spelling."""

import re
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

import msgspec

from models.identity.identifiers import IdentifierNormaliser, Normalise
from models.privacy.needles import is_alone

PART_CHARS_MIN = 6  # a shorter value is looked for as a whole text only: "7" is in too many

_NAMESPACES = frozenset({"user_id", "anonymous_id", "email", "phone", "device_id", "idfa", "gaid", "advertising_id"})
_KEYS = frozenset(
    {"userId", "anonymousId", "previousId", "user_id", "anonymous_id", "previous_id", "id", "value", "type"}
    | {"email", "phone", "advertisingId", "deviceId", "idfa", "gaid"}
)
_QUOTED = re.compile(r'"([^"\\]+)"')
_STATED_MAX = 200  # values of one message that are looked at
_TYPES_MAX = 16


def mentions(body: bytes, identifiers: Collection[str], normalise: Normalise, alone: bool = False) -> bool:
    """Whether a message (JSON, or what was meant to be) names one of these normalised identifiers. `alone`: not as a
    part of a longer text, as the search of all stores tells it (`models.privacy.needles`)."""
    try:
        texts = list(_texts(msgspec.json.decode(body)))
    except (ValueError, RecursionError):
        texts = [body.decode(errors="replace")]
    values = {identifier.partition(":")[2].casefold() for identifier in identifiers}
    parts = [value for value in values if len(value) >= PART_CHARS_MIN]
    for text in texts:
        folded = text.casefold()
        if folded in values or any(part in folded and (not alone or is_alone(part, folded)) for part in parts):
            return True
    namespaces = {identifier.partition(":")[0] for identifier in identifiers}
    return any(normalise(namespace, text) in identifiers for text in texts for namespace in namespaces)


def named_in(body: bytes, normaliser: IdentifierNormaliser) -> set[str]:
    """The normalised identifiers that a message (JSON) states: where messages state them, in traits that identify, or
    in any text with an @. Of one that cannot be decoded any quoted text may be one."""
    traits = normaliser.settings.trait_identifiers
    try:
        stated = list(islice(_stated(msgspec.json.decode(body), "", _KEYS.union(traits)), _STATED_MAX))
    except (ValueError, RecursionError):
        quoted = _QUOTED.finditer(body.decode(errors="replace"))
        stated = [("", found[1]) for found in islice(quoted, _STATED_MAX)]
    types = [value for key, value in stated if key == "type"][:_TYPES_MAX]
    namespaces = _NAMESPACES.union(types, traits.values())
    values = [value for key, value in stated if key != "type"]
    found = {normaliser.normal_form(namespace, value) for value in values for namespace in namespaces}
    return {identifier for identifier in found if identifier}


def _stated(value: Any, key: str, keys: Collection[str]) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for inner_key, inner in value.items():
            yield from _stated(inner, inner_key, keys)
    elif isinstance(value, list):
        for inner in value:
            yield from _stated(inner, key, keys)
    elif isinstance(value, str | int) and not isinstance(value, bool) and (key in keys or "@" in str(value)):
        yield key, str(value)


def _texts(value: Any) -> Iterable[str]:
    """All texts and whole numbers in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
