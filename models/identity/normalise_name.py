"""Personal names in parts, each in its folded form.

Western order is taken as given, "Last, First Middle" is seen by its comma, and names in Han or Hangul characters
have the family name first. Titles and degrees go; a generational suffix goes to a field of its own, since it tells
a father from a son. Particles ("van der", "de la", "bin") stay with the family name.

A name of one word has no given name: `family` is that word. Who compares full names should expect the other case
too, as well as swapped names: Latin spellings of Chinese names come in both orders, and nothing in them says which.
What stands in brackets at the end is left out (a former name, a remark), and so is a peer's rank; only for one
known by a first name and a rank ("Henry, Duke of Gloucester") is the title the family name.
"""

import re
from typing import NamedTuple

from anyascii import anyascii

from models.identity.fold import fold
from models.identity.name_variants import VARIANTS
from models.identity.name_words import (
    BARE_TITLES,
    CREDENTIALS,
    DIGNITIES,
    DOTTED_CREDENTIALS,
    DOUBLE_FAMILY_NAMES,
    FAMILY_PARTICLES,
    GENERATIONS,
    NOBODY,
    NOBODY_UNLESS_CAPITALISED,
    NOBODY_WORDS,
    ORDINALS,
    PARTICLES,
    RANKS,
    TITLES,
    WEAK_GENERATIONS,
)


class PersonName(NamedTuple):
    """A full name. Parts are folded words, "" where the name has no such part."""

    given: str
    middle: str  # middle names and initials, in order
    family: str
    suffix: str  # generation: jr, sr, ii, iii, iv, v or vi


class NamePart(NamedTuple):
    """What a column of given names, or of family names, holds."""

    name: str
    suffix: str


_NOBODY_NAME = PersonName("", "", "", "")
_NOBODY_PART = NamePart("", "")

# Names without these words are names only: most take this short way.
_SPECIAL = frozenset().union(
    *(TITLES, GENERATIONS, WEAK_GENERATIONS, CREDENTIALS, PARTICLES, DIGNITIES, ORDINALS),
    *(phrase.split() for phrase in NOBODY | DOTTED_CREDENTIALS),
    ("nee", "geb", "mc", "the", "of"),
)
_GENERATIONS_ALL = GENERATIONS | WEAK_GENERATIONS
_TAIL = CREDENTIALS.union(_GENERATIONS_ALL)
_DEGREES = _TAIL - DIGNITIES
_GIVEN_NAMES = frozenset(VARIANTS.split())
# In a column of its own, a short word at the end is rather a second name.
_LONG_CREDENTIALS = frozenset(word for word in CREDENTIALS if len(word) > 2) | {"md"}
_FORMERLY = frozenset(("nee", "geb"))
_BY_AGE = {"younger": "jr", "elder": "sr"}
_BRACKET_AT_END = re.compile(r"[(\[{][^)\]}]*[)\]}]?\s*\Z")
_EAST_ASIAN = re.compile(r"[\u3400-\u9fff\uac00-\ud7a3\s]*[\u3400-\u9fff\uac00-\ud7a3][\u3400-\u9fff\uac00-\ud7a3\s]*")


def parse_name(text: str) -> PersonName:
    """The parts of the full name `text`; four times "" if it means nobody ("unknown", "n/a")."""
    if "(" in text or "[" in text or "{" in text:
        text = _BRACKET_AT_END.sub("", text)
    if "," in text:
        return _parse_with_commas(text)
    if not text.isascii() and _EAST_ASIAN.fullmatch(text):
        return _parse_east_asian(text.split())
    words = _name_words(text)
    if _SPECIAL.isdisjoint(words):
        if len(words) == 2:
            return PersonName(words[0], "", words[1], "")
        if len(words) > 2:
            return PersonName(words[0], " ".join(words[1:-1]), words[-1], "")
        return PersonName("", "", words[0], "") if words else _NOBODY_NAME
    if _is_nobody(" ".join(words), text):
        return _NOBODY_NAME
    return _western(words, "")


def fold_name(text: str) -> NamePart:
    """A given or a family name that stands alone, folded, and the generational suffix that was with it."""
    name = fold(text)
    words = name.split()
    if _SPECIAL.isdisjoint(words):
        return NamePart(name, "")
    if _is_nobody(name, text):
        return _NOBODY_PART
    words = _without_titles(words)
    suffix = ""
    while len(words) > 1:
        last = words[-1]
        if last in GENERATIONS or last in ("junior", "senior"):
            suffix = _GENERATIONS_ALL[last]
        elif last not in _LONG_CREDENTIALS:
            break
        words = words[:-1]
    return NamePart(" ".join(_joined(words)), suffix)


def fold_suffix(text: str) -> str:
    """The generation that a column of suffixes states: jr, sr, ii, iii, iv, v, vi, or "" for anything else."""
    for word in fold(text).split():
        if word in _GENERATIONS_ALL:
            return _GENERATIONS_ALL[word]
    return ""


def _name_words(text: str) -> list[str]:
    """The folded words of a name. Names joined by a hyphen are one word, with a space in it."""
    if not text.isascii():
        text = anyascii(text)
    if "-" not in text:
        return fold(text).split()
    words: list[str] = []
    for piece in text.split():
        if "-" not in piece:
            words += fold(piece).split()
        elif word := fold(piece):
            words.append(word)
    return words


def _is_nobody(folded: str, text: str) -> bool:
    if folded in NOBODY:
        return folded not in NOBODY_UNLESS_CAPITALISED or not text.strip().istitle()
    return folded in BARE_TITLES


def _without_titles(words: list[str]) -> list[str]:
    first = 0
    while first < len(words) - 1 and words[first] in TITLES:
        first += 1
    return words[first:] if first else words


def _joined(words: list[str]) -> list[str]:
    """Mc is no word: "mc donald" is mcdonald."""
    if "mc" not in words[:-1]:
        return words
    at = words.index("mc")
    return [*words[:at], "mc" + words[at + 1], *words[at + 2 :]]


def _split_tail(words: list[str], names_min: int) -> tuple[list[str], str]:
    """(`words` without degrees and generation at the end, the generation); `names_min` words always stay."""
    suffix = ""
    while len(words) > names_min:
        last = words[-1]
        if last in GENERATIONS or (last in WEAK_GENERATIONS and len(words) > 2):
            suffix = _GENERATIONS_ALL[last]
        elif last in _BY_AGE and words[-2] == "the" and len(words) > 2:
            suffix = _BY_AGE[last]
            words = words[:-1]
        elif " ".join(words[-2:]) in DOTTED_CREDENTIALS and len(words) > 3:
            words = words[:-1]
        elif last not in CREDENTIALS or len(words) < 3:
            break
        words = words[:-1]
    return words, suffix


def _without_peerage(words: list[str]) -> list[str]:
    """Cuts "1st baron clifford", "duke of gloucester" and "nee jones" from the end of a name."""
    for at in range(1, len(words)):
        word = words[at]
        if word in _FORMERLY:
            return words[:at]
        if at == len(words) - 1:
            break
        following = words[at + 1]
        if (
            word == "of"
            or (word in DIGNITIES and following == "of")
            or (word in RANKS and at > 1)
            or (word in ORDINALS and (word[0].isdigit() or following in DIGNITIES) and following not in _DEGREES)
        ):
            return [words[0], *_peer_name(words[1:])] if at == 1 else words[:at]
    return words


def _peer_name(words: list[str]) -> list[str]:
    """What a peer is called by: clifford of "1st baron clifford of chudleigh", gloucester of "duke of gloucester"."""
    words = [word for word in words if word not in DIGNITIES and word not in ORDINALS and word != "the"]
    if "of" in words:
        at = words.index("of")
        words = words[:at] or words[at + 1 :]
    return words[-1:]


def _western(words: list[str], suffix: str) -> PersonName:
    """Given, middle, family, suffix in this order."""
    words = _without_titles(words)
    if words[0] == "of" and len(words) > 1:  # "countess of bedford"
        words = words[1:]
    words = _without_peerage(words)
    words, generation = _split_tail(words, 1)
    words = _joined(words)
    last = len(words) - 1
    start = last
    while start > 1 and words[start - 1] in PARTICLES:
        start -= 1
    if start == 1 and words[0] in (FAMILY_PARTICLES if last == 1 else PARTICLES):
        start = 0
    return _known(words[:start], words[start:], suffix or generation)


def _known(names: list[str], family: list[str], suffix: str) -> PersonName:
    """The name of these words, without those that stand for a name not known."""
    given = names[0] if names and names[0] not in NOBODY_WORDS else ""
    middle = " ".join([word for word in names[1:] if word not in NOBODY_WORDS])
    return PersonName(given, middle, " ".join([word for word in family if word not in NOBODY_WORDS]), suffix)


def _parse_east_asian(names: list[str]) -> PersonName:
    """Family name first. Undivided names split after the first character, or after two if they have four or the
    family name is a known double one."""
    if len(names) == 1:
        name = names[0]
        at = 2 if len(name) > 3 or (len(name) == 3 and name[:2] in DOUBLE_FAMILY_NAMES) else 1
        names = [name[:at], name[at:]]
    return PersonName(fold("".join(names[1:])).replace(" ", ""), "", fold(names[0]).replace(" ", ""), "")


def _parse_with_commas(text: str) -> PersonName:
    """ "Last, First Middle", with degrees, suffixes and dignities in parts of their own."""
    parts = [words for part in text.split(",") if (words := _name_words(part))]
    if not parts or _is_nobody(" ".join([" ".join(words) for words in parts]), text):
        return _NOBODY_NAME
    head, suffix = parts[0], ""
    names: list[str] = []
    for words in parts[1:]:
        if _is_peerage(words) or (len(head) > 1 and words[0] in DIGNITIES):
            if len(head) == 1:
                head = [*head, *_peer_name(words)]
        elif _TAIL.issuperset(words) or " ".join(words) in DOTTED_CREDENTIALS:
            suffix = next((_GENERATIONS_ALL[word] for word in words if word in _GENERATIONS_ALL), suffix)
        elif words[0] not in _FORMERLY:
            names += words
    while names and names[0] in TITLES:
        del names[0]
    if not names or _is_afterthought(head, names):
        return _western(head, suffix)
    head, generation = _split_tail(_without_titles(head), 1)
    names, generation_after = _split_tail(names, 1)
    family = _joined(head)
    while len(names) > 1 and names[-1] in PARTICLES:
        family = [names[-1], *family]
        names = names[:-1]
    return _known(names, family, suffix or generation or generation_after)


def _is_peerage(words: list[str]) -> bool:
    """Whether these words behind a comma tell a rank: "3rd baronet", "duke of gloucester"."""
    return "of" in words or (len(words) > 1 and words[0] in ORDINALS and not _DEGREES.issuperset(words[1:]))


def _is_afterthought(head: list[str], names: list[str]) -> bool:
    """Whether the words before the comma are a whole name: "Gerald Balfour, Balfour", "Charles Stuart, Rothesay".

    That is so if they begin with a well-known given name, and those behind the comma do not.
    """
    if len(head) < 2 or head[0] not in _GIVEN_NAMES:
        return False
    return len(names[0]) > 1 and names[0] not in _GIVEN_NAMES
