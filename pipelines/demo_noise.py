"""How values go wrong on their way into a system: typos, nicknames, spellings of e-mails and phones. Pure.

Every function takes the random generator that decides, so that the same seed makes the same noise.
"""

import random
import unicodedata

from pipelines.demo_words import NICKNAMES

_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    row[i]: [row[j] for j in (i - 1, i + 1) if 0 <= j < len(row)] for row in _KEYBOARD for i in range(len(row))
}
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
_STROKES = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "ß": "ss"})


def typo(rng: random.Random, text: str) -> str:
    """One slip of the keyboard: a letter doubled, dropped, swapped with the next, or its neighbour's key."""
    places = [place for place, letter in enumerate(text) if letter.isalpha()]
    if len(places) < 3:
        return text
    at = rng.choice(places[1:])
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + text[at] + text[at:]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    if kind == 2 and at + 1 < len(text):
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + rng.choice(_NEIGHBOURS.get(text[at].lower(), ["e"])) + text[at + 1 :]


def without_marks(text: str) -> str:
    """The text in plain ASCII letters, as forms and old systems want it."""
    plain = unicodedata.normalize("NFKD", text.translate(_STROKES))
    return "".join(c for c in plain if not unicodedata.combining(c))


def transcribed(text: str) -> str:
    """German spelling without umlauts."""
    return text.translate(_GERMAN)


def name_as_typed(rng: random.Random, name: str, share: float) -> str:
    """A name as a person or a clerk types it; `share` is how often it differs from the passport."""
    if rng.random() >= share:
        return name
    kind = rng.randrange(5)
    if kind == 0:
        return typo(rng, name)
    if kind == 1:
        return name.upper()
    if kind == 2:
        return name.lower()
    if kind == 3:
        return transcribed(name)
    return without_marks(name)


def first_name_as_typed(rng: random.Random, name: str, share: float) -> str:
    """As `name_as_typed`, with nicknames and initials."""
    if rng.random() < share:
        if name in NICKNAMES and rng.random() < 0.7:
            return rng.choice(NICKNAMES[name])
        if rng.random() < 0.2:
            return name[0] + "."
    return name_as_typed(rng, name, share)


def email_as_typed(rng: random.Random, email: str, typo_share: float) -> str:
    """An address in other letters' case or with stray blanks (the same mailbox); with `typo_share` a wrong one."""
    if rng.random() < typo_share:
        local, _, domain = email.partition("@")
        return f"{typo(rng, local)}@{domain}"
    kind = rng.randrange(10)
    if kind == 0:
        return email.upper()
    if kind == 1:
        return email.title()
    if kind == 2:
        return f" {email} "
    return email


def phone_as_typed(rng: random.Random, calling_code: str, trunk: str, national: str) -> str:
    """A number in one of the ways that people write it; one in eight leaves out the country code."""
    kind = rng.randrange(8)
    groups = " ".join(national[at : at + 3] for at in range(0, len(national), 3))
    if kind == 0:
        return trunk + groups
    if kind == 1:
        return f"00{calling_code} {groups}"
    if kind == 2:
        return f"+{calling_code} ({trunk}) {groups}" if trunk else f"+{calling_code}-{groups.replace(' ', '-')}"
    if kind == 3:
        return f"+{calling_code} {groups.replace(' ', '-')}"
    if kind in (4, 5):
        return f"+{calling_code} {groups}"
    return f"+{calling_code}{national}"
