"""Rules of single fields, carried out at the door: left out, hashed, turned into a token, or made coarser.

A hash is an HMAC-SHA256 under a key of the data directory: the same value has the same one everywhere, so that it can
be joined on, and without the key nobody can try values out. A token is AES-SIV (RFC 5297) under another key: the same
value has the same one, and who has the key can turn it back. A value that a rule cannot make coarser is left out.
"""

import hashlib
import hmac
import ipaddress
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from models.events.clock import parse_time

KEY_BYTES = 64  # of both keys
HASH_PREFIX = "hmac_"
TOKEN_PREFIX = "tok_"  # nosec B105 # a prefix or a file name
_ROOTS = ("traits", "properties", "context", "integrations")
_TOKEN_KIND = [b"onefold token 1"]
_TOKEN_CHARS_MAX = 65_536
_HASH = re.compile(HASH_PREFIX + "[0-9a-f]{64}")
_YEAR = re.compile(r"\d{4}")
_json = msgspec.json.Encoder(order="deterministic")
_GONE = object()  # a value that is left out

Transform = Callable[[Any], Any]


class Keys(NamedTuple):
    """The secrets of a data directory that rules need."""

    hashing: bytes
    tokens: bytes


class FieldRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is done to a field before anything is kept of it."""

    field: str  # traits.ssn, properties.card.*, context.ip; traits are those of the context, too
    action: Literal["drop", "hash", "tokenise", "truncate"]
    sources: tuple[str, ...] = ()  # source ids; none for all
    # What truncate leaves: the first characters, an address's network (IPv4 /24, IPv6 /48), the year, two decimals.
    to: Literal["", "characters", "network", "year", "two_decimals"] = ""
    characters: int = 0

    def __post_init__(self) -> None:
        root, _, path = self.field.partition(".")
        if root not in _ROOTS or not all(path.split(".")) or "*" in path[:-1]:
            raise ValueError(
                f"field {self.field}: expected {', '.join(_ROOTS)}, a dot and the field's name, * at its end only"
            )
        if path.partition(".")[0] == "traits" and root == "context":
            raise ValueError(f"field {self.field}: traits of the context are traits: expected traits.NAME")
        if root == "context" and path.partition(".")[0] == "consent":
            raise ValueError(f"field {self.field}: signals of consent are always kept")
        if (self.action == "truncate") != bool(self.to):
            raise ValueError(f"field {self.field}: `to` says what truncate leaves, and is for truncate only")
        if (self.to == "characters") != (self.characters > 0):
            raise ValueError(f"field {self.field}: `characters`, 1 or more, is for to = characters")

    @property
    def root(self) -> str:
        """traits, properties, context or integrations."""
        return self.field.partition(".")[0]

    @property
    def steps(self) -> list[str]:
        """The names on the way to the field."""
        return self.field.split(".")[1:]


def changed(fields: dict[str, Any], steps: list[str], transform: Transform) -> dict[str, Any]:
    """The object with the value at these steps transformed, wherever it is; the same object if it is nowhere.

    A name may hold dots itself: "address.city" is found as one name, too.
    """
    found = fields
    for count in range(1, len(steps) + 1):
        name, rest = ".".join(steps[:count]), steps[count:]
        names = [each for each in fields if each.startswith(name[:-1])] if name.endswith("*") else [name]
        for each in names:
            if each not in fields:
                continue
            before = fields[each]
            after = _inside(before, rest, transform) if rest else transform(before)
            if after is before:
                continue
            found = dict(found) if found is fields else found
            if after is _GONE:
                found.pop(each, None)
            else:
                found[each] = after
    return found


def _inside(value: Any, steps: list[str], transform: Transform) -> Any:
    if isinstance(value, dict):
        return changed(value, steps, transform)
    if isinstance(value, list):
        items = [_inside(item, steps, transform) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def transform_of(rule: FieldRule, keys: Keys, note: Callable[[str], None], again: bool = False) -> Transform:
    """What a rule does to a value. `note` is called with the rule's field for each value that is left out.

    `again`: the message went through the door before, so hashes and tokens may be there already: what is none was
    there before its rule.
    """

    def transformed(value: Any) -> Any:
        if value is None:
            return value
        if rule.action == "hash":
            return value if again and _is_hash(value) else hashed(value, keys)
        if rule.action == "tokenise":
            return value if again and _is_token(value, keys) else token_of(value, keys)
        coarse = _GONE if rule.action == "drop" else coarser(value, rule)
        if coarse is _GONE:
            note(rule.field)
        return coarse

    return transformed


def hashed(value: Any, keys: Keys) -> str:
    """The keyed hash of a JSON value; of a text, of the text itself."""
    content = value.encode() if isinstance(value, str) else _json.encode(value)
    return HASH_PREFIX + hmac.new(keys.hashing, content, hashlib.sha256).hexdigest()


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def token_of(value: Any, keys: Keys) -> str:
    """The token of a JSON value."""
    sealed = AESSIV(keys.tokens).encrypt(_json.encode(value), _TOKEN_KIND)
    return TOKEN_PREFIX + urlsafe_b64encode(sealed).decode().rstrip("=")


def revealed(token: str, keys: Keys) -> Any:
    """The value that a token stands for. Raises ValueError if it is none of this key's."""
    text = token.removeprefix(TOKEN_PREFIX)
    if len(text) < len(token) <= _TOKEN_CHARS_MAX and text.isascii():
        try:
            sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return msgspec.json.decode(AESSIV(keys.tokens).decrypt(sealed, _TOKEN_KIND))
        except (ValueError, InvalidTag):
            pass
    raise ValueError("expected a token of this service, as it stands in the field")


def _is_token(value: Any, keys: Keys) -> bool:
    try:
        revealed(value if isinstance(value, str) else "", keys)
    except ValueError:
        return False
    return True


def coarser(value: Any, rule: FieldRule) -> Any:
    """The value as `truncate` leaves it; done again it stays the same. What it cannot be done to is left out."""
    if rule.to == "two_decimals":
        return _two_decimals(value)
    if rule.to == "year":
        return _year(value)
    if not isinstance(value, str):
        return _GONE
    return _network(value) if rule.to == "network" else value[: rule.characters]


def _two_decimals(value: Any) -> Any:
    try:
        number = round(float(value), 2)
    except (TypeError, ValueError, OverflowError):
        return _GONE
    if isinstance(value, bool) or number != number:
        return _GONE
    return str(number) if isinstance(value, str) else number


def _year(value: Any) -> Any:
    if isinstance(value, str) and _YEAR.fullmatch(value):
        return value
    moment = parse_time(value)
    return _GONE if moment is None else f"{datetime.fromtimestamp(moment / 1000, UTC).year:04d}"


def _network(value: str) -> Any:
    try:
        address = ipaddress.ip_address(value.strip())
    except ValueError:
        return _GONE
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((int(address), 48), strict=False).network_address)
        address = address.ipv4_mapped
    return str(ipaddress.IPv4Network((int(address), 24), strict=False).network_address)
