"""What people write where nobody expects it: addresses, numbers of phones, cards and accounts inside of free text.

Found by their shape and, where they have one, their check digits (cards: Luhn, ISO/IEC 7812; IBAN: mod 97, ISO 13616;
phones: the numbering plans of `phonenumbers`). What is not found may still be there: names, say.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args

import phonenumbers

Kind = Literal["email", "payment_card", "iban", "us_ssn", "phone"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_SHORT = 6  # characters; nothing shorter is any of these
_SCANNED = 4096  # characters of a text that are looked through
# Texts without either hold nothing that is looked for: this is all that most texts cost.
_SUSPECT = re.compile(r"@|[0-9](?:[ ().\-\u00a0]{0,2}[0-9A-Z]){7}").search
_EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63})*\.[A-Za-z]{2,24}\b")
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}")
_CARD = re.compile(r"(?<![0-9A-Za-z.+\-])[2-6](?:[ \-]?[0-9]){12,18}(?![0-9A-Za-z])")
_SSN = re.compile(r"(?<![0-9\-])(?!000|666|9)[0-9]{3}([\- ])(?!00)[0-9]{2}\1(?!0000)[0-9]{4}(?![0-9\-])")
_PHONE_HINT = re.compile(r"\+[0-9]|[0-9][ ().\-\u00a0]{1,2}[0-9]|\b0[0-9]{7}")
_IDENTIFIER = re.compile(r"(?i:(?:^|[_.\- ])(?:id|uuid|guid|sku|ean|gtin|key|token|hash|url|code|number))$|[a-z]I[dD]$")


class Match(NamedTuple):
    """Something found in a text, from `start` to before `end`."""

    kind: Kind
    start: int
    end: int


def matches(text: str, region: str, numbers: bool = True) -> list[Match]:
    """What a text holds, in its order; without `numbers`, addresses only. `region`: country of phone numbers without a
    country code; "" for none."""
    if len(text) < _SHORT or _SUSPECT(text) is None:
        return []
    text = text[:_SCANNED]
    found: list[Match] = []
    for match in _candidates(text, region, numbers):
        if all(match.end <= other.start or other.end <= match.start for other in found):
            found.append(match)
    return sorted(found, key=lambda match: match.start)


def redacted(text: str, found: list[Match]) -> str:
    """The text with "[email]" and the like in the place of what was found."""
    parts, at = [], 0
    for match in found:
        parts += [text[at : match.start], f"[{match.kind}]"]
        at = match.end
    return "".join([*parts, text[at:]])


def is_free(name: str, text: str) -> bool:
    """Whether numbers in a field may be what they look like: in identifiers, of one word, they are not."""
    return " " in text or _IDENTIFIER.search(name) is None


def _candidates(text: str, region: str, numbers: bool) -> Iterator[Match]:
    """The surest kinds first: what is one of them is none of the others."""
    if "@" in text:
        yield from (Match("email", *found.span()) for found in _EMAIL.finditer(text))
    if not numbers:
        return
    for found in _IBAN.finditer(text):
        if length := _iban_length(found[0]):
            yield Match("iban", found.start(), found.start() + length)
    yield from (Match("payment_card", *found.span()) for found in _CARD.finditer(text) if _is_card(found[0]))
    yield from (Match("us_ssn", *found.span()) for found in _SSN.finditer(text))
    if _PHONE_HINT.search(text):
        for number in phonenumbers.PhoneNumberMatcher(text, region or None, max_tries=20):
            yield Match("phone", number.start, number.end)


def _is_card(text: str) -> bool:
    digits = [int(letter) for letter in text if letter.isdigit()]
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return total % 10 == 0 and len(set(digits)) > 1


def _iban_length(text: str) -> int:
    """How many characters from the beginning are an IBAN; 0 if none are. Words may follow without a break."""
    ends = [place + 1 for place, letter in enumerate(text) if letter != " "]
    for end in ends[:14:-1]:
        code = text[:end].replace(" ", "")
        if int("".join(str(int(letter, 36)) for letter in code[4:] + code[:4])) % 97 == 1:
            return end
    return 0


class Scan:
    """Looks through objects, and redacts what it finds if that is wanted. `skips`: names of fields that are known to
    hold such things. `found` collects (path, kind)."""

    def __init__(self, region: str, skips: frozenset[str], redacts: bool) -> None:
        self._region = region
        self._skips = skips
        self._redacts = redacts

    def __call__(self, fields: dict[str, Any], path: str, found: list[tuple[str, Kind]]) -> dict[str, Any]:
        """The object, or one in its place with what was found redacted."""
        changed = fields
        for name, value in fields.items():
            kind = type(value)
            if kind is str:
                if len(value) < _SHORT or _SUSPECT(value) is None or name in self._skips:
                    continue
            elif kind is not dict and kind is not list:
                continue
            new = self._value(value, name, f"{path}.{name}", found)
            if new is not value:
                changed = dict(fields) if changed is fields else changed
                changed[name] = new
        return changed

    def _value(self, value: Any, name: str, path: str, found: list[tuple[str, Kind]]) -> Any:
        if isinstance(value, str):
            here = matches(value, self._region, is_free(name, value))
            found += [(path, match.kind) for match in here]
            return redacted(value, here) if here and self._redacts else value
        if isinstance(value, dict):
            return self(value, path, found)
        if isinstance(value, list):
            items = [self._value(item, name, path, found) for item in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        return value
