"""Made-up people, and their records as different systems would write them: what the embedding learns from.

A person is drawn, then written down twice with `written`: each writing leaves parts out, abbreviates, orders and
misspells for itself. Relatives, namesakes and neighbours are drawn from a person: records that look like theirs and
are not.
"""

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta

from anyascii import anyascii

from models.identity.record import MatchRecord, Role
from pipelines.embedding_noise import digit_off, heard, romanised, scanned, typed, with_vowels, without_vowels
from pipelines.embedding_words import FAMILY_FIRST, JOINED, WITHOUT_VOWELS, Names, Places, Words

_FIRST_BIRTH, _BIRTH_DAYS = date(1925, 1, 1), 365 * 85
_SUFFIXES = ("Jr", "Sr", "II", "III")
_TITLES = ("Mr", "Mrs", "Ms", "Dr", "Herr", "Frau", "Sra", "M.", "Mme", "Prof.")
_EMPTY = ""


@dataclass(frozen=True)
class Person:
    """Who somebody is."""

    names: Names
    given: str
    middle: str
    family: str
    suffix: str
    birth: date
    street: str
    number: str
    unit: str
    city: str
    postcode: str
    mailbox: str
    phone: str


def draw_person(rng: random.Random, words: Words) -> Person:
    """Anybody."""
    names = rng.choices(words.names, words.names_weights)[0]
    family_of = names if rng.random() < 0.92 else rng.choice(words.names)
    given, family = rng.choice(names.given), rng.choice(family_of.family)
    if names.locale.startswith("en") and rng.random() < 0.35:
        given = rng.choice(words.formal).title()
    if rng.random() < 0.05:
        family = f"{family}{rng.choice(' -')}{rng.choice(names.family)}"
    person = Person(
        names=names,
        given=given,
        middle=rng.choice(names.given) if rng.random() < 0.35 else _EMPTY,
        family=family,
        suffix=rng.choice(_SUFFIXES) if rng.random() < 0.04 else _EMPTY,
        birth=_FIRST_BIRTH + timedelta(days=rng.randrange(_BIRTH_DAYS)),
        street="", number="", unit="", city="", postcode="",
        mailbox=_mailbox(rng, given, family),
        phone="".join(rng.choices("0123456789", k=9)),
    )  # fmt: skip
    return moved(rng, words, person)


def moved(rng: random.Random, words: Words, person: Person) -> Person:
    """The same person at another address."""
    places = _places_of(rng, words, person.names)
    postcode = rng.choice(places.postcodes)
    for _ in range(2):
        postcode = digit_off(rng, postcode)
    return replace(
        person,
        street=rng.choice(places.streets),
        number=str(rng.randint(1, rng.choice((60, 300, 9999)))) + (rng.choice("ABC") if rng.random() < 0.06 else ""),
        unit=str(rng.randint(1, 40)) if rng.random() < 0.2 else _EMPTY,
        city=rng.choice(places.cities),
        postcode=postcode,
    )


def lookalike(rng: random.Random, words: Words, person: Person) -> Person:
    """Somebody else whose record looks like this person's: a twin, sibling, parent, namesake, or neighbour."""
    other = draw_person(rng, words)
    kind = rng.random()
    phone = person.phone if rng.random() < 0.3 else other.phone
    if kind < 0.55:  # of the same household
        given = rng.choice(person.names.given)
        birth = person.birth if kind < 0.2 else other.birth
        mailbox = _mailbox(rng, given, person.family)
        return replace(person, given=given, middle=other.middle, suffix="", birth=birth, mailbox=mailbox, phone=phone)
    if kind < 0.7:  # father and son
        birth = person.birth + timedelta(days=rng.randint(20 * 365, 40 * 365))
        return replace(person, suffix=rng.choice(("", *_SUFFIXES)), birth=birth, mailbox=other.mailbox, phone=phone)
    if kind < 0.9:  # namesakes
        return replace(other, names=person.names, given=person.given, family=person.family, mailbox=other.mailbox)
    return replace(other, street=person.street, city=person.city, postcode=person.postcode)


def neighbour(rng: random.Random, words: Words, person: Person) -> Person:
    """Another address that looks like this one: next door, or a street of the same town."""
    other = moved(rng, words, person)
    if rng.random() < 0.6:
        return replace(person, number=other.number, unit=other.unit)
    return replace(person, street=other.street, number=other.number if rng.random() < 0.5 else person.number)


def written_name(rng: random.Random, words: Words, person: Person, errors: int) -> str:
    """The name as one text, with about `errors` words misspelt."""
    given, middle, family, suffix = _name_parts(rng, words, person)
    damaged = [given, family]
    for _ in range(errors):
        at = rng.randrange(2)
        damaged[at] = _misspelt(rng, damaged[at])
    return _ordered(rng, person, damaged[0], middle, damaged[1], suffix)


def written_address(rng: random.Random, words: Words, person: Person, errors: int) -> str:
    """The address as one text, with about `errors` words misspelt."""
    street, place = _street(rng, words, person), _place(rng, person)
    for _ in range(errors):
        street, place = (_misspelt(rng, street), place) if rng.random() < 0.7 else (street, _misspelt(rng, place))
    return f"{street}{rng.choice((', ', ' '))}{place}"


def written(rng: random.Random, words: Words, person: Person, errors: int) -> MatchRecord:
    """A record of the person, with about `errors` values misspelt and some left out."""
    values: dict[Role, tuple[str, ...]] = {}
    if rng.random() < 0.02:  # married
        person = replace(person, family=rng.choice(person.names.family))
    named = rng.random() < 0.94
    richness = rng.uniform(0.3, 1.1)  # some systems know next to nothing of people
    if named and rng.random() < 0.5:
        values["full_name"] = (written_name(rng, words, person, 0),)
    elif named:
        given, middle, family, suffix = _name_parts(rng, words, person)
        if rng.random() < 0.03:
            given, family = family, given
        parts: tuple[tuple[Role, str], ...] = (
            ("given_name", given), ("middle_name", middle), ("family_name", family), ("name_suffix", suffix)
        )  # fmt: skip
        values |= {role: (text,) for role, text in parts if text}
    if rng.random() < 0.7 * richness:
        values["birth_date"] = (_date(rng, person.birth),)
    if rng.random() < 0.9 * richness:
        values["street_address"] = (_street(rng, words, person),)
    if rng.random() < 0.9 * richness:
        values["city"] = (person.city,)
    if rng.random() < 0.85 * richness:
        values["postcode"] = (person.postcode,)
    if rng.random() < 0.4 * richness or not named:
        values["email"] = (f"{person.mailbox}@example.com",)
    if rng.random() < 0.35 * richness:
        values["phone"] = (person.phone,)
    for _ in range(errors if values else 0):
        role = rng.choice(list(values))
        values[role] = (_misspelt(rng, values[role][0]),)
    return MatchRecord("", values)


def _name_parts(rng: random.Random, words: Words, person: Person) -> tuple[str, str, str, str]:
    """Given, middle and family name and suffix as one clerk would take them down."""
    given, middle, family, suffix = person.given, person.middle, person.family, person.suffix
    nicks = words.nicknames.get(given.lower())
    if nicks and rng.random() < 0.3:
        given = rng.choice(nicks)
    if rng.random() < 0.45:  # into Latin letters, or with other marks
        given, family = (_latin(rng, words, person.names, name) for name in (given, family))
    if middle and (fate := rng.random()) < 0.75:
        middle = middle[0] if fate < 0.3 else _EMPTY
    if suffix and rng.random() < 0.3:
        suffix = _EMPTY
    if len(family.split()) + family.count("-") > 1 and rng.random() < 0.25:
        family = rng.choice(family.replace("-", " ").split())
    return given, middle, family, suffix


def _latin(rng: random.Random, words: Words, names: Names, name: str) -> str:
    if name in words.readings:
        return heard(rng, words.readings[name].lower()) if rng.random() < 0.4 else words.readings[name]
    if names.locale in WITHOUT_VOWELS:
        return with_vowels(rng, name) if rng.random() < 0.8 else anyascii(name)
    if name.isascii():
        return name if rng.random() < 0.85 else without_vowels(name) if rng.random() < 0.15 else heard(rng, name)
    return romanised(rng, name)


def _ordered(rng: random.Random, person: Person, given: str, middle: str, family: str, suffix: str) -> str:
    fate = rng.random()
    if fate < 0.08:
        given = given[:1] + rng.choice((".", ""))
    elif fate < 0.1:
        return family
    elif fate < 0.12:
        return given
    if person.names.locale in JOINED and not (given + family).isascii():
        return family + given
    first = " ".join(part for part in (given, middle) if part)
    order = rng.random()
    family_first = 0.7 if person.names.locale in FAMILY_FIRST else 0.22
    if order < family_first:
        return f"{family}{', ' if rng.random() < 0.7 else ' '}{first} {suffix}".strip()
    title = f"{rng.choice(_TITLES)} " if rng.random() < 0.06 else ""
    return f"{title}{first} {family} {suffix}".strip()


def _street(rng: random.Random, words: Words, person: Person) -> str:
    street = person.street
    if rng.random() < 0.4:
        parts = [_same_word(rng, words, word) for word in street.split()]
        street = " ".join(part for part in parts if part)
    if street.lower().endswith(("straße", "strasse", "straat")) and rng.random() < 0.5:
        street = f"{street[:-5].rstrip('s')}str."
    if rng.random() < 0.25:
        street = romanised(rng, street)
    written = f"{person.number} {street}" if rng.random() < 0.6 else f"{street} {person.number}"
    if person.unit and rng.random() < 0.75:
        unit = rng.choice(("Apt ", "Apartment ", "Unit ", "#", "Flat "))
        return f"{unit}{person.unit} {written}" if rng.random() < 0.3 else f"{written} {unit}{person.unit}"
    return written


def _same_word(rng: random.Random, words: Words, word: str) -> str:
    others = words.same_words.get(word.lower().rstrip("."))
    if others is None:
        return word
    return rng.choice((*others, others[0], _EMPTY)) if rng.random() < 0.9 else word


def _place(rng: random.Random, person: Person) -> str:
    kind = rng.random()
    if kind < 0.15:
        return person.city
    if kind < 0.25:
        return person.postcode
    return f"{person.city} {person.postcode}" if kind < 0.65 else f"{person.postcode} {person.city}"


def _places_of(rng: random.Random, words: Words, names: Names) -> Places:
    return rng.choice(words.places_of.get(names.locale, words.places) if rng.random() < 0.8 else words.places)


def _date(rng: random.Random, day: date) -> str:
    if rng.random() < 0.05 and day.day <= 12:
        day = day.replace(month=day.day, day=day.month)
    form = rng.random()
    if form < 0.5:
        return day.isoformat()
    return day.strftime("%Y%m%d" if form < 0.7 else "%d/%m/%Y" if form < 0.85 else "%m/%d/%Y" if form < 0.95 else "%Y")


def _mailbox(rng: random.Random, given: str, family: str) -> str:
    first, last = (anyascii(name).lower().replace(" ", "").replace("'", "") or "x" for name in (given, family))
    year = str(rng.randint(1940, 2010))
    forms = (f"{first}.{last}", f"{first[0]}{last}", f"{first}{last}", f"{first}_{last}{year[2:]}", f"{last}.{first}",
             f"{first}{year}", f"{first}.{last}{rng.randint(1, 99)}")  # fmt: skip
    return rng.choice(forms)


def _misspelt(rng: random.Random, text: str) -> str:
    """One word of the text misspelt, or two words run together."""
    if any(c.isdigit() for c in text) and rng.random() < 0.4:
        return digit_off(rng, text)
    parts = text.split()
    if len(parts) > 1 and rng.random() < 0.08:
        at = rng.randrange(len(parts) - 1)
        return " ".join([*parts[:at], parts[at] + parts[at + 1], *parts[at + 2 :]])
    if not parts:
        return text
    at = rng.randrange(len(parts))
    kind = rng.random()
    way = typed if kind < 0.5 else scanned if kind < 0.7 else heard
    word = parts[at] if way is typed else anyascii(parts[at])
    return " ".join([*parts[:at], way(rng, word), *parts[at + 1 :]])
