"""Made-up people and their records, a few fields each, for tests of matching."""

import random

from models.identity.record import MatchRecord, Role

_GIVEN = (
    *("anna", "ben", "carla", "david", "elena", "frank", "greta", "hugo", "irene", "jonas", "karla", "leon"),
    *("maria", "nils", "olga", "paul", "rosa", "stefan"),
)
_SYLLABLES = (
    *("ba", "der", "fo", "gal", "hin", "kor", "lem", "mon"),
    *("nar", "pel", "ras", "sto", "tur", "vel", "win", "zar"),
)
_STREETS = [f"{a}{b} street" for a in _SYLLABLES for b in _SYLLABLES[:6]]
_TOWNS = [f"{a}{b}ton" for a in _SYLLABLES for b in _SYLLABLES[:3]]


def households(seed: int, count: int) -> tuple[list[MatchRecord], list[int]]:
    """Records of `count` households of one to three, and the number of each record's person. Shuffled."""
    rng = random.Random(seed)
    found: list[tuple[MatchRecord, int]] = []
    person = 0
    for _ in range(count):
        family = "".join(rng.choices(_SYLLABLES, k=rng.choice((2, 3))))
        address = (f"{rng.randint(1, 200)} {rng.choice(_STREETS)}", rng.choice(_TOWNS))
        for given in rng.sample(_GIVEN, rng.choice((1, 1, 2, 3))):
            born = f"{rng.randint(1940, 2005)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
            email = f"{given}.{family}{rng.randint(1, 99)}@example.com"
            for _ in range(rng.choice((1, 2, 2, 3, 4))):
                values = {
                    "given_name": given,
                    "family_name": _typo(rng, family) if rng.random() < 0.15 else family,
                    "birth_date": born if rng.random() < 0.6 else "",
                    "street_address": address[0] if rng.random() < 0.7 else "",
                    "city": address[1] if rng.random() < 0.8 else "",
                    "email": email if rng.random() < 0.5 else "",
                }
                kept: dict[Role, tuple[str, ...]] = {role: (text,) for role, text in values.items() if text}  # type: ignore[misc]
                found.append((MatchRecord("", kept), person))
            person += 1
    rng.shuffle(found)
    records = [MatchRecord(f"r{number:05d}", record.values) for number, (record, _) in enumerate(found)]
    return records, [number for _, number in found]


def _typo(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
