"""How names and addresses come to be written differently: typing, scanning, hearing, romanising. Pure, seeded.

Every function takes the random generator and the text, and returns the text as somebody else might have written it;
it may come back unchanged where nothing applies.
"""

import random
import re

from anyascii import anyascii

_KEY_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_VOWELS = "aeiou"


def _neighbours() -> dict[str, str]:
    """The keys beside each key, on its own row and on the rows above and below."""
    found: dict[str, str] = {}
    for y, row in enumerate(_KEY_ROWS):
        for x, key in enumerate(row):
            beside = row[max(x - 1, 0) : x] + row[x + 1 : x + 2]
            for other in _KEY_ROWS[max(y - 1, 0) : y] + _KEY_ROWS[y + 1 : y + 2]:
                beside += other[max(x - 1, 0) : x + 2]
            same_sort = [c for c in beside if c.isdigit() == key.isdigit()]
            found[key] = "".join(same_sort)
    return found


_NEIGHBOURS = _neighbours()

# What scanners take for each other, both ways.
_SCANNED = (
    "0 o", "1 l", "1 i", "l i", "5 s", "8 b", "6 g", "2 z", "9 g", "rn m", "cl d", "vv w", "u v", "c e", "nn m",
    "ri n", "h b", "f t", "ii u", "li h", "q g", "7 1", "3 8", "a o", "tt ft",
)  # fmt: skip
# Spellings of one sound, both ways: of ears, and of the ways to romanise Cyrillic, Greek, Arabic, Indic, Hangul.
_HEARD = (
    "ph f", "ck k", "c k", "y i", "ie y", "ey y", "ee i", "ea ee", "ou u", "oo u", "ow au", "sch sh", "sh ch", "x ks",
    "z s", "tz ts", "th t", "gh g", "w v", "j y", "j i", "kh h", "kh ch", "dj j", "dzh j", "zh j", "ts c", "tch ch",
    "shch sch", "yu iu", "yu ju", "ya ia", "ya ja", "yo jo", "ye e", "iy y", "ii y", "ij y", "ei ey", "ai ay", "aa a",
    "uu u", "dh d", "bh b", "q k", "ou ow", "oe o", "ue u", "ae a", "ae e", "eo u", "eo o", "g k", "b p", "d t",
    "au o", "eau o", "qu k", "ce se", "ci si", "mac mc", "son sen", "ss s", "ll l", "nn n", "tt t", "mm m", "rr r",
    "ff f", "pp p", "dd d", "kk k", "ov off", "ev eff", "ski sky", "sz sh", "cz ch", "ny n", "ou o", "a e", "e i",
    "o u", "h ", "e ", "kn n", "wh w", "wr r", "aj ai", "ej ei", "lj l", "nj n", "x h", "vich vic", "oglu oghlu",
)  # fmt: skip
_MARKED = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae", "ñ": "ny", "ş": "sh", "ç": "ch",
     "š": "sh", "č": "ch", "ž": "zh", "ł": "w", "đ": "dj", "ć": "c", "ő": "o", "ű": "u"}
)  # fmt: skip


def _both_ways(pairs: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    for pair in pairs:
        left, right = pair.split(" ")
        table.setdefault(left, []).append(right)
        if right:
            table.setdefault(right, []).append(left)
    return {key: tuple(values) for key, values in table.items()}


def _any_of(table: dict[str, tuple[str, ...]]) -> re.Pattern[str]:
    # A look-ahead finds what overlaps: "sch" holds "c", "ch" and "sh" starts elsewhere.
    return re.compile("(?=(" + "|".join(sorted(table, key=len, reverse=True)) + "))")


_SCANNED_TABLE, _HEARD_TABLE = _both_ways(_SCANNED), _both_ways(_HEARD)
_SCANNED_ANY, _HEARD_ANY = _any_of(_SCANNED_TABLE), _any_of(_HEARD_TABLE)


def typed(rng: random.Random, text: str) -> str:
    """One slip of the fingers: a character left out, doubled, swapped, hit beside, or put in. Never the only one."""
    if len(text) < 2:
        return text
    at = rng.randrange(len(text))
    kind = rng.random()
    if kind < 0.27 and len(text) > 3:
        return text[:at] + text[at + 1 :]
    if kind < 0.5:
        at = min(at, len(text) - 2)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind < 0.75:
        key = text[at].lower()
        return text[:at] + rng.choice(_NEIGHBOURS.get(key) or _LETTERS) + text[at + 1 :]
    if kind < 0.85:
        return text[:at] + text[at] + text[at:]
    return text[:at] + rng.choice("0123456789" if text[at].isdigit() else _LETTERS) + text[at:]


def scanned(rng: random.Random, text: str) -> str:
    """One confusion of shapes, as scanners and handwriting make them."""
    return _replaced(rng, text.lower(), _SCANNED_ANY, _SCANNED_TABLE)


def heard(rng: random.Random, text: str) -> str:
    """Another spelling of one sound; of text in ASCII."""
    return _replaced(rng, text.lower(), _HEARD_ANY, _HEARD_TABLE)


def romanised(rng: random.Random, text: str) -> str:
    """In Latin letters without marks: by rule, by the habits of the language ("ü" as "ue"), or by ear."""
    if rng.random() < 0.5:
        text = text.lower().translate(_MARKED)
    text = anyascii(text).lower()
    for _ in range(rng.choice((0, 1, 1, 2))):
        text = heard(rng, text)
    return text


def without_vowels(text: str) -> str:
    """As scripts without vowels leave it: "mohammed" is "mhmmd". The first letter of each word stays."""
    return re.sub(r"(?<=\w)[aeiou]", "", anyascii(text).lower())


def with_vowels(rng: random.Random, text: str) -> str:
    """Romanised from a script that leaves short vowels out: one put between consonants."""
    written = []
    plain = anyascii(text).lower().replace("'", "")
    for here, following in zip(plain, plain[1:] + " ", strict=True):
        written.append(here)
        if here.isalpha() and following.isalpha() and here not in _VOWELS and following not in _VOWELS:
            written.append(rng.choice(_VOWELS) if rng.random() < 0.75 else "")
    return "".join(written)


def digit_off(rng: random.Random, text: str) -> str:
    """One digit is another one, or two are swapped."""
    places = [i for i, c in enumerate(text) if c.isdigit()]
    if not places:
        return text
    at = rng.choice(places)
    if rng.random() < 0.4 and at + 1 < len(text) and text[at + 1].isdigit():
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + rng.choice("0123456789") + text[at + 1 :]


def _replaced(rng: random.Random, text: str, any_of: re.Pattern[str], table: dict[str, tuple[str, ...]]) -> str:
    places = [(match.start(), match.group(1)) for match in any_of.finditer(text)]
    if not places:
        return text
    at, found = rng.choice(places)
    return text[:at] + rng.choice(table[found]) + text[at + len(found) :]
