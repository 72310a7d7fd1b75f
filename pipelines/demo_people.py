"""The people of the demo shop: who they truly are, which ids each system gives them, and whom they live with.

Nothing here is sent. `pipelines.demo_touchpoints` lets each system see its part, with noise.
"""

import random
import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from pipelines.demo_noise import without_marks
from pipelines.demo_words import COUNTRIES, EMAIL_DOMAINS, PHONES, Country, Phone

Habit = Literal["visitor", "online", "omnichannel", "store"]
# Share of people by how they shop: visitors never log in, store customers never have an account.
HABITS: dict[Habit, float] = {"visitor": 0.12, "online": 0.46, "omnichannel": 0.26, "store": 0.16}
_HOUSEHOLD_SIZES = (1, 2, 3, 4)
_HOUSEHOLD_WEIGHTS = (64, 24, 7, 5)
_BIRTH_YEARS = (1940, 2007)


@dataclass
class Household:
    """People at one address; some share a landline and a browser."""

    number: int
    country: Country
    street: str
    city: str
    postcode: str
    last_name: str
    landline: str  # national number; "" if they have none
    shared_browser: str  # anonymous id of a tablet in the living room; "" if there is none


@dataclass
class Person:
    """One person. Lists of e-mails and phones go from the oldest to the one in use."""

    number: int
    household: Household
    habit: Habit
    first_name: str
    last_name: str
    birthday: date
    emails: list[str]
    phones: list[str]  # national numbers without the trunk prefix
    user_id: str = ""  # of the web account
    loyalty_card: str = ""
    crm_id: str = ""
    browsers: list[str] = field(default_factory=list)  # anonymous ids: one for each browser of each device
    apps: list[str] = field(default_factory=list)  # anonymous ids: one for each installation
    phone: Phone = PHONES[0]
    advertising_id: str = ""  # of the phone, as ad networks see it

    @property
    def email(self) -> str:
        """The address in use."""
        return self.emails[-1]


def make_people(seed: int, count: int) -> list[Person]:
    """`count` people in households; the same seed makes the same people."""
    rng = random.Random(f"onefold demo people {seed}")  # nosec B311
    used: set[str] = set()
    people: list[Person] = []
    household_number = 0
    while len(people) < count:
        size = rng.choices(_HOUSEHOLD_SIZES, _HOUSEHOLD_WEIGHTS)[0]
        household = _household(rng, household_number, size, used)
        household_number += 1
        for _ in range(min(size, count - len(people))):
            people.append(_person(rng, len(people), household, used))
    return people


def _household(rng: random.Random, number: int, size: int, used: set[str]) -> Household:
    country = rng.choices(COUNTRIES, [country.weight for country in COUNTRIES])[0]
    city, pattern = rng.choice(country.cities)
    street = country.address.format(number=rng.randint(1, 180), street=rng.choice(country.streets))
    return Household(
        number=number,
        country=country,
        street=street,
        city=city,
        postcode=_fill(rng, pattern),
        last_name=_frequent(rng, country.last_names),
        landline=_unused(rng, country.landline, used) if rng.random() < 0.25 else "",
        shared_browser=anonymous_id(rng) if size > 1 and rng.random() < 0.3 else "",
    )


def _person(rng: random.Random, number: int, household: Household, used: set[str]) -> Person:
    country = household.country
    first_name = _frequent(rng, country.first_names)
    last_name = household.last_name if rng.random() < 0.75 else _frequent(rng, country.last_names)
    first_year, last_year = _BIRTH_YEARS
    birthday = date(first_year, 1, 1) + timedelta(days=rng.randrange((last_year - first_year) * 365))
    habit = rng.choices(list(HABITS), list(HABITS.values()))[0]
    person = Person(
        number=number,
        household=household,
        habit=habit,
        first_name=first_name,
        last_name=last_name,
        birthday=birthday,
        emails=[_email(rng, first_name, last_name, birthday, used) for _ in range(1 + (rng.random() < 0.12))],
        phones=[_unused(rng, country.mobile, used) for _ in range(1 + (rng.random() < 0.07))],
    )
    _give_ids(rng, person, used)
    return person


def _give_ids(rng: random.Random, person: Person, used: set[str]) -> None:
    account = person.habit in ("online", "omnichannel")
    if account:
        person.user_id = "u" + _unused(rng, "*#######", used)
    if person.habit in ("omnichannel", "store"):
        person.loyalty_card = _unused(rng, "29##########", used)
    if rng.random() < (0.35 if account else 0.5) and person.habit != "visitor":
        person.crm_id = "003" + _unused(rng, "#########", used)
    browsers = rng.choices((0, 1), (65, 35))[0] if person.habit == "store" else rng.choices((1, 2, 3), (55, 33, 12))[0]
    person.browsers = [anonymous_id(rng) for _ in range(browsers)]
    if account and rng.random() < 0.45:
        person.apps = [anonymous_id(rng) for _ in range(1 + (rng.random() < 0.15))]
    person.phone = rng.choice(PHONES)
    if rng.random() < 0.5 and person.habit != "store":
        person.advertising_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))


def anonymous_id(rng: random.Random) -> str:
    """A random id, as a browser's cookie or an installed app makes for itself."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _email(rng: random.Random, first: str, last: str, birthday: date, used: set[str]) -> str:
    first, last = (without_marks(name).lower().replace("-", "") for name in (first, last))
    year = birthday.year
    forms = [f"{first}.{last}", f"{first}{last}", f"{first[0]}.{last}", f"{first}.{last}{year % 100:02d}"]
    forms += [f"{first}{year}", f"{last}.{first}", f"{first}_{last}"]
    local = rng.choice(forms)
    domain = rng.choice(EMAIL_DOMAINS)
    while f"{local}@{domain}" in used:
        local = f"{rng.choice(forms)}{rng.randrange(1000)}"
    used.add(f"{local}@{domain}")
    return f"{local}@{domain}"


def _frequent(rng: random.Random, names: tuple[str, ...]) -> str:
    """One of the names, the first ones more often, as names go."""
    return names[int(len(names) * rng.random() ** 1.3)]


def _unused(rng: random.Random, pattern: str, used: set[str]) -> str:
    while (text := _fill(rng, pattern)) in used:
        pass
    used.add(text)
    return text


def _fill(rng: random.Random, pattern: str) -> str:
    digits = {"#": (0, 9), "*": (2, 9)}
    return "".join(
        str(rng.randint(*digits[c])) if c in digits else rng.choice("ABDEFGHJLNPQRSTUWXYZ") if c == "@" else c
        for c in pattern
    )
