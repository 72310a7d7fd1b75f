"""The names and places that the embedding is trained on, of many languages and scripts.

From Faker's providers (MIT) and the `nicknames` list (Apache-2.0). A seventh of the words is held out of training by
a hash of the word, so that what is measured are names and streets that the model never saw.
"""

import random
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from zlib import crc32

import nicknames
from faker import Faker

_HELD_OUT_OF = 7
_NAMES_MIN = 40  # a language with fewer given or family names, in either part, is left out
_STREETS_A_LOCALE, _CITIES_A_LOCALE, _POSTCODES_A_LOCALE = 300, 150, 60

# English is most of what is written, but far from all.
_ENGLISH = ("en_US", "en_GB", "en_IE", "en_NZ", "en_IN", "en_KE", "en_PK")
_LATIN = (
    "az_AZ", "cs_CZ", "da_DK", "de_AT", "de_CH", "de_DE", "es_AR", "es_CL", "es_CO", "es_ES", "es_MX", "et_EE",
    "fi_FI", "fr_BE", "fr_CA", "fr_CH", "fr_DZ", "fr_FR", "ga_IE", "hr_HR", "hu_HU", "id_ID", "it_IT", "lv_LV",
    "nl_BE", "nl_NL", "no_NO", "pt_BR", "pt_PT", "ro_RO", "sk_SK", "sl_SI", "sv_SE", "sw", "tr_TR", "tw_GH", "uz_UZ",
    "yo_NG", "zu_ZA",
)  # fmt: skip
_OTHER_SCRIPTS = (
    "ar_AA", "ar_DZ", "bg_BG", "bn_BD", "el_GR", "fa_IR", "he_IL", "hi_IN", "hy_AM", "ja_JP", "ka_GE", "ko_KR",
    "mk_MK", "ne_NP", "ru_RU", "ta_IN", "th_TH", "uk_UA", "zh_CN", "zh_TW",
)  # fmt: skip
WITHOUT_VOWELS = frozenset({"ar_AA", "ar_DZ", "fa_IR", "he_IL"})
# Faker keeps their towns in a set, so that its own draw differs from one process to the next.
_UNORDERED_CITIES = frozenset({"it_IT"})
FAMILY_FIRST = frozenset({"ja_JP", "ko_KR", "zh_CN", "zh_TW", "hu_HU"})
JOINED = frozenset({"ja_JP", "ko_KR", "zh_CN", "zh_TW"})  # written without a space between the names

# Spellings of one word in an address, in the languages that Faker's addresses come in.
_SAME_WORDS = (
    "street st str", "avenue ave av", "road rd", "drive dr drv", "lane ln", "court ct crt", "boulevard blvd",
    "place pl", "square sq", "terrace tce ter", "highway hwy", "parkway pkwy pky", "circle cir", "crescent cres cr",
    "close cl", "grove gr gve", "mount mt", "mountain mtn", "saint st", "fort ft", "point pt", "heights hts",
    "north n", "south s", "east e", "west w", "apartment apt flat unit", "suite ste", "building bldg", "house hse",
    "gardens gdns", "junction jct", "trail trl", "turnpike tpke", "plaza plz", "village vlg", "center centre ctr",
    "rue r", "chemin ch", "place pl", "calle c cl", "avenida avda av", "carrer c", "paseo po", "plaza pza",
    "via v", "viale vle", "piazza pza pzza", "corso cso", "rua r", "travessa tv", "ulica ul", "улица ул",
    "проспект пр", "переулок пер", "gatan g", "platz pl", "gasse g", "number no nr", "calzada calz", "privada priv",
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """What people are called in one language."""

    locale: str
    given: tuple[str, ...]
    family: tuple[str, ...]


@dataclass(frozen=True)
class Places:
    """Where people live in one country."""

    streets: tuple[str, ...]
    cities: tuple[str, ...]
    postcodes: tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """Everything pairs are made of; one for training, one for evaluation, with no name or street in common."""

    names: tuple[Names, ...]
    names_weights: tuple[float, ...]
    places: tuple[Places, ...]
    places_of: Mapping[str, tuple[Places, ...]]  # those of a language
    nicknames: Mapping[str, tuple[str, ...]]  # both ways, lower case: in both parts, for they cannot be guessed
    formal: tuple[str, ...]  # the names of `nicknames`, each as often as it has others
    readings: Mapping[str, str]  # Japanese and Chinese names in Latin letters
    same_words: Mapping[str, tuple[str, ...]]


def load_words(seed: int) -> tuple[Words, Words]:
    """Words for training and, held out, for evaluation. The same seed gives the same words."""
    parts = []
    places = {locale: _places(locale, seed) for locale in _address_locales()}
    also_called, readings, same_words = _nicknames(), _readings(), _spellings()
    for held_out in (False, True):
        names = [
            Names(locale, _part(given, held_out), _part(family, held_out))
            for locale in (*_ENGLISH, *_LATIN, *_OTHER_SCRIPTS)
            for given, family in [_person_names(locale)]
        ]
        names = [found for found in names if min(len(found.given), len(found.family)) * _HELD_OUT_OF >= _NAMES_MIN]
        kept = {
            locale: Places(_part(place.streets, held_out), _part(place.cities, held_out), place.postcodes)
            for locale, place in places.items()
        }
        parts.append(
            Words(
                names=tuple(names),
                names_weights=tuple(_weight(found.locale) for found in names),
                places=tuple(kept.values()),
                places_of={locale: (place,) for locale, place in kept.items()},
                nicknames=also_called,
                formal=tuple(name for name, others in also_called.items() for _ in others),
                readings=readings,
                same_words=same_words,
            )
        )
    return parts[0], parts[1]


def _weight(locale: str) -> float:
    if locale in _ENGLISH:
        return 0.4 / len(_ENGLISH)
    return 0.35 / len(_LATIN) if locale in _LATIN else 0.25 / len(_OTHER_SCRIPTS)


def _part(words: Iterable[str], held_out: bool) -> tuple[str, ...]:
    found = {word: None for word in words}
    return tuple(word for word in found if (crc32(word.lower().encode()) % _HELD_OUT_OF == 0) == held_out)


def _person_names(locale: str) -> tuple[list[str], list[str]]:
    """Given and family names of a language, in a fixed order."""
    provider = import_module(f"faker.providers.person.{locale}").Provider
    given: set[str] = set()
    family: set[str] = set()
    for kind in ("", "_female", "_male", "_nonbinary"):
        given.update(_texts(provider, f"first_names{kind}"))
        family.update(_texts(provider, f"last_names{kind}"))
    return sorted(given), sorted(family)


def _texts(provider: type, attribute: str) -> list[str]:
    found = getattr(provider, attribute, ())  # some providers compute a list only when asked: theirs are left out
    return [text.strip() for text in found if text.strip()] if isinstance(found, Collection) else []


def _address_locales() -> list[str]:
    """Languages whose addresses Faker knows; for the others it would give American ones."""
    locales = (*_ENGLISH, "en_AU", "en_CA", *_LATIN, *_OTHER_SCRIPTS)
    return [locale for locale in locales if find_spec(f"faker.providers.address.{locale}")]


def _places(locale: str, seed: int) -> Places:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated locales say so
        faker = Faker(locale)
    faker.seed_instance(f"onefold places {locale} {seed}")
    rng = random.Random(f"onefold places {locale} {seed}")  # nosec B311
    city: Callable[[], str] = faker.city
    if locale in _UNORDERED_CITIES:
        provider = import_module(f"faker.providers.address.{locale}").Provider
        city = partial(rng.choice, sorted({*provider.cities}))
    return Places(
        streets=_distinct(faker.street_name, _STREETS_A_LOCALE),
        cities=_distinct(city, _CITIES_A_LOCALE),
        postcodes=_distinct(partial(_postcode, faker, rng), _POSTCODES_A_LOCALE),
    )


def _postcode(faker: Faker, rng: random.Random) -> str:
    found = str(faker.postcode())
    return found if found.strip() else str(rng.randrange(10000, 99999))


def _distinct(make: Callable[[], str], count: int) -> tuple[str, ...]:
    return tuple({make(): None for _ in range(count)})


def _nicknames() -> dict[str, tuple[str, ...]]:
    table: dict[str, set[str]] = {}
    for name, nicks in nicknames.NickNamer().nickname_lookup.items():
        for nick in nicks:
            table.setdefault(name, set()).add(nick)
            table.setdefault(nick, set()).add(name)
    return {name: tuple(sorted(others)) for name, others in sorted(table.items())}


def _readings() -> dict[str, str]:
    """How Japanese names are read, which no transliteration of the characters can tell."""
    provider = import_module("faker.providers.person.ja_JP").Provider
    pairs = (*provider.first_name_pairs, *provider.last_name_pairs)
    return {written: romanised for written, _, romanised in pairs}


def _spellings() -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    for group in _SAME_WORDS:
        words = group.split()
        for word in words:
            table.setdefault(word, []).extend(other for other in words if other != word)
    return {word: tuple(others) for word, others in table.items()}
