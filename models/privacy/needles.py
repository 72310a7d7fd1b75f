"""What is searched for to show that a person is nowhere any more, and the search itself, over bytes.

A needle is looked for in any letter case (of ASCII) and in the forms that text takes in files: UTF-8, UTF-16, escaped
for JSON, percent-encoded, and within Base64. A needle that touches letters or digits is part of a longer text, such as
jane@example.com in mary.jane@example.com: what touches it is told, so that it can be judged. Canaries are random texts,
and found wherever they occur.

The search is that of Aho and Corasick: one pass, however many needles there are.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple
from urllib.parse import quote

import ahocorasick
import msgspec

from models.privacy.suppression import fingerprint

DISTINCTIVE_CHARS_MIN = 6
DISTINCTIVE_NUMBER_MIN = 1_000_000
FLANK_BYTES = 48  # of what touches a needle, on either side

_RAW_VALUE_CHARS_MIN = 3  # of a short value that is looked for in bytes that nobody has decoded
_BASE64_CHARS_MIN = 10  # below, chance finds them
_CANARY_CHARS_MIN = 6

# Escapes of JSON and of URLs stand between texts: they end with letters and are none.
_LEFT = re.compile(r"[a-z0-9_+-][a-z0-9._+-]*$")
_RIGHT = re.compile(r"[._+-]*[a-z0-9_][a-z0-9._+-]*")
_LEFT_DIGITS, _RIGHT_DIGITS = re.compile(r"[0-9]+$"), re.compile(r"[0-9]+")
_LEFT_ESCAPE = re.compile(r"(?:%[0-9a-f]{2}|\\[bfnrt]|\\u[0-9a-f]{4})$")

Kind = Literal["identifier", "value", "canary"]


class Needle(msgspec.Struct, frozen=True):
    """A text that is searched for. `fingerprint` is what reports say in its place: of the identifier it comes from."""

    text: str
    fingerprint: str
    kind: Kind  # identifier: whole or its value; value: a short one, which counts for little; canary: anywhere

    def __repr__(self) -> str:
        return f"Needle({self.kind} {self.fingerprint})"


class Hit(NamedTuple):
    """A needle that was found: its number, and what touches it ("" if nothing does)."""

    needle: int
    left: str = ""
    right: str = ""

    @property
    def touched(self) -> bool:
        """It is part of a longer text."""
        return bool(self.left or self.right)


def needles_of(identifiers: Iterable[str], canaries: Iterable[str], key: bytes) -> list[Needle]:
    """What to search for; `key` is that of the fingerprints (`models.privacy.suppression`).

    Identifiers are "namespace:value". Raises ValueError for one that is not, and for a canary so short that chance
    would find it.
    """
    needles: dict[tuple[str, Kind], Needle] = {}
    for identifier in identifiers:
        namespace, colon, value = identifier.partition(":")
        if not (namespace and colon and value):
            raise ValueError("identifier: expected namespace:value, such as user_id:17")
        mark = fingerprint(identifier, key)
        needles[identifier.lower(), "identifier"] = Needle(identifier, mark, "identifier")
        kind: Kind = "identifier" if is_distinctive(value) else "value"
        needles.setdefault((value.lower(), kind), Needle(value, mark, kind))
    for canary in canaries:
        if len(canary) < _CANARY_CHARS_MIN:
            raise ValueError(f"needle: expected at least {_CANARY_CHARS_MIN} characters; chance finds shorter ones")
        needles.setdefault((canary.lower(), "canary"), Needle(canary, fingerprint(canary, key), "canary"))
    return list(needles.values())


def is_distinctive(value: str) -> bool:
    """An identifier's value alone tells of whom it is."""
    if value.isdecimal() and int(value) < DISTINCTIVE_NUMBER_MIN:
        return False
    return len(value) >= DISTINCTIVE_CHARS_MIN


class _Pattern(NamedTuple):
    """One form of a needle. `exact` are its bytes where the case matters."""

    needle: int
    length: int
    exact: bytes = b""
    left: re.Pattern[str] | None = None  # of what touches it
    right: re.Pattern[str] | None = None


class Search:
    """Finds needles. Hits number them as they are given."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        self._values: dict[str | int, list[int]] = {}
        patterns: dict[str, list[_Pattern]] = {}
        for number, needle in enumerate(needles):
            for value in _values(needle):
                self._values.setdefault(value, []).append(number)
            for form, pattern in _patterns(number, needle):
                patterns.setdefault(form, []).append(pattern)
        self.longest = max(map(len, patterns), default=0)
        """Bytes of the longest form."""
        self._automaton = ahocorasick.Automaton()
        for form, same in patterns.items():
            self._automaton.add_word(form, tuple(same))
        self._automaton.make_automaton()
        self._empty = not patterns

    def in_bytes(self, data: bytes, since: int = 0, until: int | None = None) -> Iterator[Hit]:
        """Needles in bytes that end after byte `since` and at the latest at `until`. Bytes outside are context."""
        for pattern, lowered, start, end in self._found(data, since, until):
            yield _hit(pattern, lowered, start, end)

    def in_message_pack(self, data: bytes) -> Iterator[Hit]:
        """Needles in MessagePack that may have been read beyond its end: there a text goes on in bytes of something
        else, so that nobody knows the text that a needle seems to be part of. But that it goes on, its length tells."""
        for pattern, lowered, start, end in self._found(data, 0, None):
            hit = _hit(pattern, lowered, start, end)
            if not (hit.right and not hit.left and _short_text_length(data, start) > pattern.length):
                yield hit

    def _found(self, data: bytes, since: int, until: int | None) -> Iterator[tuple[_Pattern, str, int, int]]:
        """Patterns with the lower-case bytes, and where in them they begin and end."""
        if self._empty:
            return
        lowered = data.lower().decode("latin-1")
        until = len(data) if until is None else until
        for last, patterns in self._automaton.iter(lowered, 0, until):
            end = last + 1
            if end <= since:
                continue
            for pattern in patterns:
                start = end - pattern.length
                if pattern.exact and data[start:end] != pattern.exact:
                    continue
                yield pattern, lowered, start, end

    def in_values(self, texts: Iterable[str], numbers: Iterable[int]) -> set[int]:
        """Needles that are equal to one of the texts or numbers: short values, and numbers that are not texts."""
        if not self._values:
            return set()
        equal = self._values.keys() & {*texts, *numbers}
        return {number for each in equal for number in self._values[each]}


def _values(needle: Needle) -> Iterator[str | int]:
    """Values that are equal to a needle."""
    if needle.kind == "value":
        yield from {needle.text, needle.text.lower()}
    if needle.kind == "identifier" and needle.text.isdecimal():
        yield int(needle.text)


def _short_text_length(data: bytes, start: int) -> int:
    """The length of the text of at most 31 bytes that begins there in MessagePack; 0 if none does."""
    return data[start - 1] & 0x1F if start and 0xA0 <= data[start - 1] <= 0xBF else 0


def is_alone(value: str, text: str) -> bool:
    """Whether an identifier's value is in a text other than as a part of a longer one. Both in lower case."""
    left, right = _sides(value)
    places = (found.span() for found in re.finditer(re.escape(value), text))
    return any(_touching(left, right, text, *place) == ("", "") for place in places)


def _sides(value: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What touches a value, on its left and on its right."""
    return (_LEFT_DIGITS, _RIGHT_DIGITS) if value.isdecimal() else (_LEFT, _RIGHT)


def _touching(left: re.Pattern[str], right: re.Pattern[str], lowered: str, start: int, end: int) -> tuple[str, str]:
    before = lowered[max(0, start - FLANK_BYTES) : start]
    on_left = None if _LEFT_ESCAPE.search(before) else left.search(before)
    on_right = right.match(lowered[end : end + FLANK_BYTES])
    return on_left[0] if on_left else "", on_right[0] if on_right else ""


def _hit(pattern: _Pattern, lowered: str, start: int, end: int) -> Hit:
    if pattern.left is None or pattern.right is None:
        return Hit(pattern.needle)
    return Hit(pattern.needle, *_touching(pattern.left, pattern.right, lowered, start, end))


def _patterns(number: int, needle: Needle) -> Iterator[tuple[str, _Pattern]]:
    """The forms of a needle, as lower-case latin-1 text."""
    text = needle.text
    if needle.kind == "value":
        if len(text) >= _RAW_VALUE_CHARS_MIN:
            for whole in (json.dumps(text).encode(), msgspec.msgpack.encode(text)):
                yield _form(whole), _Pattern(number, len(whole))
        return
    left, right = (None, None) if needle.kind == "canary" else _sides(text)
    for form in sorted({_form(each) for each in _forms(text)}):
        yield form, _Pattern(number, len(form), b"", left, right)
    for wide in ("utf-16-le", "utf-16-be"):
        form = _form(text.encode(wide))
        yield form, _Pattern(number, len(form))
    for inside in {each for cased in {text, text.lower()} for each in _in_base64(cased.encode())}:
        if len(inside) >= _BASE64_CHARS_MIN:
            yield _form(inside), _Pattern(number, len(inside), inside)


def _form(data: bytes) -> str:
    return data.lower().decode("latin-1")


def _forms(text: str) -> Iterator[bytes]:
    for cased in {text, text.lower(), text.upper()}:
        yield cased.encode()
        yield json.dumps(cased)[1:-1].encode()
        yield json.dumps(cased, ensure_ascii=False)[1:-1].encode()
        yield quote(cased, safe="").encode()
        yield quote(cased, safe="@:+").encode()


def _in_base64(data: bytes) -> Iterator[bytes]:
    """What of `data` is the same in every Base64 text, at each of the three places where it may begin in it."""
    for before in range(3):
        whole = b64encode(b"\0" * before + data)
        yield whole[-(-before * 4 // 3) : (before + len(data)) * 4 // 3]
