"""Made-up people at any scale, as four systems of a company record them: what the scale benchmark runs on.

Who they are: households of one to five at one address, partners, children, some twins, some sons with their father's
name. Names have realistic frequencies, so that namesakes are as common as they are in life and become commoner as a
set grows: given names are those of the `nicknames` package, family names, streets and towns are made of syllables, and
all follow Zipf's law with Mandelbrot's offset, with the commonest given name at about 2% and the commonest family name
at about 0.8%, as in the United States' census.

What the systems see: each person in one to eight records of several sources, each source with its own columns, gaps,
letter case and formats; nicknames, initials, typing errors, swapped and misread dates; earlier addresses, e-mail
addresses, phones and names of people who moved or married; a landline that a household shares.

People are made a chunk at a time and a chunk depends on the seed and its own number alone, so that memory does not
grow with the number of records, and the first million records are the same in a set of one million and of twenty.
Records of a chunk are shuffled; ids are a bijection of their numbers, and tell nothing.

    python -m bench.identity_people people.parquet truth.parquet --records 20000000
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nicknames
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.identity_sets import ENTITY_COLUMN, RECORD_COLUMN

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Random = np.random.Generator

HOUSEHOLDS = 20_000  # of a chunk
FAMILY_NAMES, STREETS, TOWNS = 120_000, 20_000, 3_000
SOURCES = ("crm", "shop", "loyalty", "support")
COLUMNS = (
    *(RECORD_COLUMN, "source", "first_name", "last_name", "birth_date", "email", "phone"),
    *("street_address", "city", "postcode"),
)
_GIVEN_OFFSET, _FAMILY_OFFSET, _PLACE_OFFSET = 10.0, 12.0, 20.0
_SIZES = (0.28, 0.35, 0.15, 0.13, 0.09)  # of households of one to five
_RECORDS = (0.34, 0.27, 0.16, 0.10, 0.06, 0.04, 0.02, 0.01)  # of people with one to eight records
# Shares of records that have a value, by source.
_HAS = {
    "birth_date": (0.70, 0.05, 0.90, 0.10),
    "email": (0.80, 0.98, 0.45, 0.70),
    "phone": (0.70, 0.40, 0.85, 0.55),
    "street_address": (0.85, 0.90, 0.30, 0.10),
    "postcode": (0.88, 0.92, 0.75, 0.15),
}
_TYPOS = {"first_name": 0.015, "last_name": 0.02, "email": 0.004, "street_address": 0.02, "city": 0.01}


def _listed(text: str) -> list[str]:
    return text.split()


_DAY_0, _YEAR_DAYS = -7_305, 365.25  # 1950-01-01 in days since 1970
_DOMAINS = ("gmail.com", "yahoo.com", "outlook.com", "hotmail.com", "icloud.com", "aol.com", "proton.me", "mail.com")
_STREET_KINDS = (("Street", "St"), ("Avenue", "Ave"), ("Road", "Rd"), ("Lane", "Ln"), ("Drive", "Dr"), ("Court", "Ct"))
_ONSETS = _listed("b br c ch cl d dr f fl g gr h j k kr l m n p pr r s sh sl st t th tr v w")
_VOWELS = _listed("a e i o u ai ea ee oo ou")
_CODAS = _listed("n r l s t ck ll nd ng rd rt st m d th x")
_ENDINGS = _listed("son man er ton ley field ford berg ski well by ham den worth")
_RARE_FAMILY = 30_000  # rank from which people get an e-mail address without a number
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Vocabulary:
    """The words that people are made of, and how frequent each is. The same for a seed."""

    def __init__(self, seed: int) -> None:
        choose = random.Random(seed)
        pairs = sorted(
            (row.name1, row.name2) for row in nicknames.name_triplets() if row.relationship == "has_nickname"
        )
        given = sorted({full for full, _ in pairs if full.isalpha()})
        choose.shuffle(given)
        number = {name: i for i, name in enumerate(given)}
        self.full_names = len(given)
        short: dict[int, list[int]] = {}
        for full, nickname in pairs:
            if full in number and nickname.isalpha():
                if nickname not in number:
                    number[nickname] = len(given)
                    given.append(nickname)
                short.setdefault(number[full], []).append(number[nickname])
        self.given = pa.array(given)
        # Row i: up to four nicknames of full name i, repeated to fill the row; the name itself if it has none.
        self.nicknames = np.array([(short.get(i, [i]) * 4)[:4] for i in range(self.full_names)], np.int64)
        self.family = pa.array(_words(choose, FAMILY_NAMES, _ENDINGS))
        self.streets = pa.array(_words(choose, STREETS, ()))
        self.towns = pa.array(_words(choose, TOWNS, ("ton", "ville", "burg", "ford", "field", "")))
        self.given_chances = zipf(self.full_names, _GIVEN_OFFSET)
        self.family_chances = zipf(FAMILY_NAMES, _FAMILY_OFFSET)
        self.town_chances = zipf(TOWNS, _PLACE_OFFSET)


def zipf(count: int, offset: float) -> npt.NDArray[np.float64]:
    """Cumulative chances of ranks 0 to count - 1, each in proportion to 1 / (rank + 1 + offset)."""
    shares = 1 / (np.arange(count) + 1 + offset)
    total: npt.NDArray[np.float64] = np.cumsum(shares / shares.sum())
    return total


def _words(choose: random.Random, count: int, endings: Sequence[str]) -> list[str]:
    """Distinct words of two or three syllables; the first ones, which are the frequent ones, are short."""
    words: dict[str, None] = {}
    while len(words) < count:
        syllables = 1 if len(words) < count // 20 else 2
        word = "".join(choose.choice(_ONSETS) + choose.choice(_VOWELS) for _ in range(syllables))
        words[word + choose.choice(_CODAS) + (choose.choice(endings) if endings else "")] = None
    return list(words)


def people(records: int, seed: int) -> Iterator[tuple[Any, Any]]:
    """Chunks of (records, truth) as tables, `records` rows in all: COLUMNS as strings, and record and entity id."""
    words = Vocabulary(seed)
    left, chunk = records, 0
    while left > 0:
        table, truth = _chunk(words, np.random.default_rng([seed, chunk]), chunk)
        rows = min(left, table.num_rows)
        yield table.slice(0, rows), truth.slice(0, rows)
        left -= rows
        chunk += 1


def write_people(path: Path, truth_path: Path, records: int, seed: int) -> None:
    """Writes a set of this many records to Parquet, and its truth to another file, in bounded memory."""
    text = pa.schema([(name, pa.string()) for name in COLUMNS])
    ids = pa.schema([(RECORD_COLUMN, pa.string()), (ENTITY_COLUMN, pa.int64())])
    with pq.ParquetWriter(path, text) as out, pq.ParquetWriter(truth_path, ids) as truth_out:
        for table, truth in people(records, seed):
            out.write_table(table)
            truth_out.write_table(truth)


def _draw(rng: Random, chances: npt.NDArray[np.float64], count: int) -> Ints:
    return np.searchsorted(chances, rng.random(count)).astype(np.int64)


def _chunk(words: Vocabulary, rng: Random, chunk: int) -> tuple[Any, Any]:
    household, place, who = _households(words, rng)
    count = len(household)
    person = np.repeat(np.arange(count), 1 + rng.choice(len(_RECORDS), count, p=_RECORDS))
    person = person[rng.permutation(len(person))]
    rows = len(person)
    source = rng.integers(0, len(SOURCES), rows)
    before = rng.random(rows) < who["moved_share"][person]  # written before the person moved, married or changed
    home = household[person]
    street, town, number, code = (np.where(before, old[home], new[home]) for old, new in place)
    last = np.where(before, who["maiden"][person], who["family"][person])
    first = who["given"][person]
    short = rng.random(rows) < 0.12
    first = np.where(short, words.nicknames[first, rng.integers(0, 4, rows)], first)
    names = {"first_name": words.given.take(pa.array(first)), "last_name": words.family.take(pa.array(last))}
    initial = pa.array(rng.random(rows) < 0.015)
    names["first_name"] = pc.if_else(initial, pc.utf8_slice_codeunits(names["first_name"], 0, 1), names["first_name"])
    suffix = pa.array(who["junior"][person] & (rng.random(rows) < 0.4))
    names["last_name"] = pc.if_else(
        suffix, pc.binary_join_element_wise(names["last_name"], "jr", " "), names["last_name"]
    )
    kind = street % len(_STREET_KINDS)
    abbreviated = (source % 2).astype(np.int64)
    kinds = pa.array([form for forms in _STREET_KINDS for form in forms]).take(pa.array(kind * 2 + abbreviated))
    texts = {
        **names,
        "email": _emails(words, rng, who, person, before),
        "street_address": pc.binary_join_element_wise(
            pa.array(number).cast(pa.string()), words.streets.take(pa.array(street)), kinds, " "
        ),
        "city": words.towns.take(pa.array(town)),
    }
    for name, rate in _TYPOS.items():
        texts[name] = _with_typos(texts[name], rng, rate)
    for name in ("first_name", "last_name", "street_address", "city"):
        texts[name] = _cased(texts[name], source)
    texts["birth_date"] = _birth_dates(rng, who["born"][person])
    texts["phone"] = _phones(rng, household[person] + chunk * HOUSEHOLDS, who, person, before, source)
    texts["postcode"] = pc.utf8_lpad(pa.array(code).cast(pa.string()), width=5, padding="0")
    for name, shares in _HAS.items():
        lacks = pa.array(rng.random(rows) >= np.array(shares)[source])
        texts[name] = pc.if_else(lacks, pa.scalar(None, pa.string()), texts[name])
    texts["city"] = pc.if_else(pc.is_null(texts["postcode"]), pa.scalar(None, pa.string()), texts["city"])
    ids = _opaque(np.arange(rows, dtype=np.uint64) + np.uint64(chunk << 32))
    texts |= {RECORD_COLUMN: ids, "source": pa.array(SOURCES).take(pa.array(source))}
    truth = pa.table({RECORD_COLUMN: ids, ENTITY_COLUMN: pa.array(person + (chunk << 32))})
    return pa.table({name: texts[name] for name in COLUMNS}), truth


def _households(words: Vocabulary, rng: Random) -> tuple[Ints, list[tuple[Ints, Ints]], dict[str, Any]]:
    """The household of each person; (earlier, present) of each household's street, town, house number and postcode;
    and what each person is."""
    homes = np.arange(HOUSEHOLDS)
    size = 1 + rng.choice(len(_SIZES), HOUSEHOLDS, p=_SIZES)
    household = np.repeat(homes, size)
    count = len(household)
    first_of = (np.cumsum(size) - size)[household]
    position = np.arange(count) - first_of
    place: list[tuple[Ints, Ints]] = []
    towns = [_draw(rng, words.town_chances, HOUSEHOLDS) for _ in range(2)]
    for values in (
        [rng.integers(0, STREETS, HOUSEHOLDS) for _ in range(2)],
        towns,
        [rng.integers(1, 2_000, HOUSEHOLDS) for _ in range(2)],
        [town * 31 % 99_000 + rng.integers(0, 20, HOUSEHOLDS) for town in towns],
    ):
        place.append((values[0], values[1]))
    moved = rng.random(HOUSEHOLDS) < 0.3
    moved_share = np.where(moved, rng.uniform(0.1, 0.6, HOUSEHOLDS), 0.0)[household]
    family = _draw(rng, words.family_chances, HOUSEHOLDS)[household]
    other = _draw(rng, words.family_chances, count)
    partner, child = position == 1, position >= 2
    family = np.where(partner & (rng.random(count) < 0.2), other, family)
    maiden = np.where(partner & (rng.random(count) < 0.3), other, family)
    given = _draw(rng, words.given_chances, count)
    junior = (position == 2) & (rng.random(count) < 0.04)
    given = np.where(junior, given[first_of], given)
    born = (_DAY_0 + rng.random(count) * 50 * _YEAR_DAYS).astype(np.int64)
    born = np.where(partner, born[first_of] + rng.normal(0, 4 * _YEAR_DAYS, count).astype(np.int64), born)
    born = np.where(child, born[first_of] + (rng.uniform(20, 40, count) * _YEAR_DAYS).astype(np.int64), born)
    twin = (position == 3) & (rng.random(count) < 0.04)
    born = np.where(twin, np.roll(born, 1), born)
    who = {"given": given, "family": family, "maiden": maiden, "junior": junior, "born": born}
    who |= {
        "moved_share": np.where(maiden != family, np.maximum(moved_share, 0.3), moved_share),
        "domains": rng.integers(0, len(_DOMAINS), (2, count)),
        "digits": rng.integers(0, 100_000, (2, count)),
        "mobiles": np.stack([_mobile(rng, count) for _ in range(2)]),
        "has_two": rng.random((2, count)) < 0.35,  # an earlier e-mail address, an earlier phone
    }
    return household, place, who


def _emails(words: Vocabulary, rng: Random, who: dict[str, Any], person: Ints, before: Flags) -> Any:
    old = (before & who["has_two"][0][person]).astype(np.int64)
    given, family = words.given.take(pa.array(who["given"][person])), words.family.take(pa.array(who["family"][person]))
    dotted = person % 2 == 0
    local = pc.if_else(
        pa.array(dotted),
        pc.binary_join_element_wise(given, family, "."),
        pc.binary_join_element_wise(pc.utf8_slice_codeunits(given, 0, 1), family, ""),
    )
    digits = who["digits"][old, person]
    numbered = pc.binary_join_element_wise(local, pa.array(digits).cast(pa.string()), "")
    local = pc.if_else(pa.array(who["family"][person] > _RARE_FAMILY), local, numbered)  # others had it first
    return pc.binary_join_element_wise(local, pa.array(_DOMAINS).take(pa.array(who["domains"][old, person])), "@")


def _phones(rng: Random, home: Ints, who: dict[str, Any], person: Ints, before: Flags, source: Ints) -> Any:
    """Mobiles, and in one of six records the landline of the household; digits alone, or written as people do."""
    old = (before & who["has_two"][1][person]).astype(np.int64)
    landline = rng.random(len(person)) < 1 / 6
    line, exchange, area = home % 10_000, home // 10_000 % 800, home // 8_000_000
    fixed = (201 + area) * 10_000_000 + (200 + exchange) * 10_000 + line
    digits = pa.array(np.where(landline, fixed, who["mobiles"][old, person]))
    text = digits.cast(pa.string())
    parts = [pc.utf8_slice_codeunits(text, *bounds) for bounds in ((0, 3), (3, 6), (6, 10))]
    written = pc.binary_join_element_wise(*parts, "-")
    return pc.if_else(pa.array(source % 2 == 0), text, written)


def _mobile(rng: Random, count: int) -> Ints:
    """Numbers of ten digits that are valid in North America: the area and the exchange begin with 2 to 9."""
    area, exchange, line = (rng.integers(*bounds, count) for bounds in ((500, 990), (200, 1_000), (0, 10_000)))
    return area * 10_000_000 + exchange * 10_000 + line


def _birth_dates(rng: Random, born: Ints) -> Any:
    """ISO dates. In one of 80 a digit is misread (ten years or days off), in one of 120 day and month are swapped."""
    rows = len(born)
    misread = rng.random(rows) < 1 / 80
    born = np.where(misread, born + np.where(rng.random(rows) < 0.5, 3_652, 10), born)
    days = pa.array(born.astype(np.int32)).cast(pa.date32())
    swapped = pa.array(rng.random(rows) < 1 / 120)
    formats = [pc.strftime(days, format=form) for form in ("%Y-%m-%d", "%Y-%d-%m")]
    return pc.if_else(pc.and_(swapped, pc.less_equal(pc.day(days), 12)), formats[1], formats[0])


def _cased(texts: Any, source: Ints) -> Any:
    """Each source writes in its own case: the shop in small letters, the loyalty scheme in capitals."""
    titled = pc.utf8_title(texts)
    texts = pc.if_else(pa.array(source == SOURCES.index("shop")), texts, titled)
    return pc.if_else(pa.array(source == SOURCES.index("loyalty")), pc.utf8_upper(texts), texts)


def _with_typos(texts: Any, rng: Random, rate: float) -> Any:
    rows = np.flatnonzero(rng.random(len(texts)) < rate)
    choose = random.Random(int(rng.integers(2**62)))
    changed = pa.array([typo(text, choose) for text in texts.take(pa.array(rows)).to_pylist()], pa.string())
    mask = np.zeros(len(texts), np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(texts, pa.array(mask), changed)


def typo(text: str, choose: random.Random) -> str:
    """The text with one letter doubled, left out, wrong, or changed with the next."""
    if len(text) < 3:
        return text
    at = choose.randrange(1, len(text) - 1)
    how = choose.randrange(4)
    if how == 0:
        return text[:at] + text[at] + text[at:]
    if how == 1:
        return text[:at] + text[at + 1 :]
    if how == 2:
        return text[:at] + choose.choice(_LETTERS) + text[at + 1 :]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _opaque(numbers: npt.NDArray[np.uint64]) -> Any:
    """Ids that tell nothing: the numbers under a bijection of 64 bits (Steele et al., SplitMix, 2014), as text."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return pa.array(mixed ^ (mixed >> np.uint64(31))).cast(pa.string())


def main() -> None:
    """The command; see the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m bench.identity_people", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    write_people(chosen.output, chosen.truth, chosen.records, chosen.seed)


if __name__ == "__main__":
    main()
