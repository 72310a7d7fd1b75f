"""Consent strings made to order: an encoder of TC and GPP strings, written from the specifications apart from the
decoders, and strategies for random ones.

Bits are text of "0" and "1". Nothing is padded more than to whole characters, so each character is needed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
BEFORE_2_3 = 1_700_000_000_000  # ms, in 2023
SINCE_2_3 = 1_790_000_000_000  # ms, in September 2026
DISCLOSE_SINCE = 1_772_323_200_000  # ms, the start of March 2026

# Section: (name, two-bit fields with their counts, whether there may be a GPC sub-section), by (id, version).
US_SECTIONS: dict[tuple[int, int], tuple[str, tuple[int, ...], bool]] = {
    (7, 1): ("usnat", (*[1] * 9, 12, 2, 1, 1, 1, 1), True),
    (7, 2): ("usnat", (*[1] * 9, 16, 3, 1, 1, 1, 1), True),
    (8, 1): ("usca", (*[1] * 5, 9, 2, 1, 1, 1, 1), True),
    (9, 1): ("usva", (*[1] * 5, 8, 1, 1, 1, 1), False),
    (10, 1): ("usco", (*[1] * 5, 7, 1, 1, 1, 1), True),
    (11, 1): ("usut", (*[1] * 6, 8, 1, 1, 1, 1), False),
    (12, 1): ("usct", (*[1] * 5, 8, 3, 1, 1, 1), True),
    (13, 1): ("usfl", (*[1] * 5, 8, 3, 1, 1, 1, 1), False),
    (14, 1): ("usmt", (*[1] * 5, 8, 3, 1, 1, 1, 1), True),
    (15, 1): ("usor", (*[1] * 5, 11, 3, 1, 1, 1, 1), True),
    (16, 1): ("ustx", (*[1] * 5, 8, 1, 1, 1, 1, 1), True),
    (17, 1): ("usde", (*[1] * 5, 9, 5, 1, 1, 1, 1), True),
    (18, 1): ("usia", (*[1] * 6, 8, 1, 1, 1, 1), True),
    (19, 1): ("usne", (*[1] * 5, 8, 1, 1, 1, 1, 1), True),
    (20, 1): ("usnh", (*[1] * 5, 8, 3, 1, 1, 1, 1), True),
    (21, 1): ("usnj", (*[1] * 5, 10, 5, 1, 1, 1, 1), True),
    (22, 1): ("ustn", (*[1] * 5, 8, 1, 1, 1, 1, 1), True),
    (23, 1): ("usmn", (*[1] * 5, 8, 1, 1, 1, 1, 1), True),
}


def base64url(bits: str) -> str:
    """Six bits a character, the last filled up with zeros."""
    bits += "0" * (-len(bits) % 6)
    return "".join(ALPHABET[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def number(value: int, width: int) -> str:
    assert 0 <= value < 1 << width
    return format(value, f"0{width}b")


def letters(code: str) -> str:
    return "".join(number(ord(letter) - 65, 6) for letter in code)


def bit_field(ids: Collection[int], width: int) -> str:
    return "".join("1" if position in ids else "0" for position in range(1, width + 1))


def runs(ids: Collection[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive ids."""
    found: list[tuple[int, int]] = []
    for value in sorted(ids):
        if found and value == found[-1][1] + 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return found


def ranges(entries: Sequence[tuple[int, int]]) -> str:
    bits = number(len(entries), 12)
    for first, last in entries:
        bits += "0" + number(first, 16) if first == last else "1" + number(first, 16) + number(last, 16)
    return bits


def vendors(ids: Collection[int], in_ranges: bool, id_max: int | None = None) -> str:
    """`id_max` is that of `ids` if None."""
    if id_max is None:
        id_max = max(ids, default=0)
    return number(id_max, 16) + ("1" + ranges(runs(ids)) if in_ranges else "0" + bit_field(ids, id_max))


def fibonacci(value: int) -> str:
    weights = [1, 2]
    while weights[-1] <= value:
        weights.append(weights[-1] + weights[-2])
    bits = ""
    for weight in reversed([weight for weight in weights if weight <= value]):
        bits = ("1" if weight <= value else "0") + bits
        value -= weight if weight <= value else 0
    return bits + "1"


def fibonacci_range(ids: Collection[int]) -> str:
    entries = runs(ids)
    bits = number(len(entries), 12)
    before = 0
    for first, last in entries:
        bits += ("0" if first == last else "1") + fibonacci(first - before)
        if last > first:
            bits += fibonacci(last - first)
        before = last
    return bits


@dataclass
class Tcf:
    """A TC string to be. Vendors are encoded as ranges or as bits."""

    created: int = BEFORE_2_3
    last_updated: int = BEFORE_2_3
    version: int = 2
    cmp_id: int = 31
    cmp_version: int = 4
    consent_screen: int = 1
    consent_language: str = "EN"
    vendor_list_version: int = 126
    policy_version: int = 4
    is_service_specific: bool = True
    use_non_standard_texts: bool = False
    special_features: frozenset[int] = frozenset()
    purposes_consent: frozenset[int] = frozenset()
    purposes_li: frozenset[int] = frozenset()
    purpose_one_treatment: bool = False
    publisher_country: str = "DE"
    vendors_consent: frozenset[int] = frozenset()
    vendors_li: frozenset[int] = frozenset()
    restrictions: list[tuple[int, int, list[tuple[int, int]]]] = field(default_factory=list)
    disclosed: frozenset[int] | None = None
    allowed: frozenset[int] | None = None
    publisher: tuple[frozenset[int], frozenset[int]] | None = None
    customs: tuple[int, frozenset[int], frozenset[int]] = (0, frozenset(), frozenset())
    in_ranges: bool = False

    def core_bits(self) -> str:
        bits = number(self.version, 6) + number(self.created // 100, 36) + number(self.last_updated // 100, 36)
        bits += number(self.cmp_id, 12) + number(self.cmp_version, 12) + number(self.consent_screen, 6)
        bits += letters(self.consent_language) + number(self.vendor_list_version, 12)
        bits += number(self.policy_version, 6) + number(self.is_service_specific, 1)
        bits += number(self.use_non_standard_texts, 1) + bit_field(self.special_features, 12)
        bits += bit_field(self.purposes_consent, 24) + bit_field(self.purposes_li, 24)
        bits += number(self.purpose_one_treatment, 1) + letters(self.publisher_country)
        bits += vendors(self.vendors_consent, self.in_ranges) + vendors(self.vendors_li, self.in_ranges)
        bits += number(len(self.restrictions), 12)
        for purpose, kind, entries in self.restrictions:
            bits += number(purpose, 6) + number(kind, 2) + ranges(entries)
        return bits

    def segments_bits(self) -> list[str]:
        """Of all segments, the core first."""
        found = [self.core_bits()]
        if self.disclosed is not None:
            found.append("001" + vendors(self.disclosed, self.in_ranges))
        if self.allowed is not None:
            found.append("010" + vendors(self.allowed, self.in_ranges))
        if self.publisher is not None:
            count, consent, legitimate = self.customs
            bits = "011" + bit_field(self.publisher[0], 24) + bit_field(self.publisher[1], 24) + number(count, 6)
            found.append(bits + bit_field(consent, count) + bit_field(legitimate, count))
        return found

    def encode(self) -> str:
        return ".".join(base64url(bits) for bits in self.segments_bits())


def gpp(sections: Mapping[int, str]) -> str:
    """Of encoded sections, by id."""
    header = base64url(number(3, 6) + number(1, 6) + fibonacci_range(sections))
    return "~".join([header, *(sections[section] for section in sorted(sections))])


def us_section(version: int, values: Sequence[int], gpc: bool | None = None) -> str:
    """`values` are all two-bit fields, one after the other."""
    core = base64url(number(version, 6) + "".join(number(value, 2) for value in values))
    return core if gpc is None else core + "." + base64url("01" + number(gpc, 1))


def ids(largest: int, size: int = 30) -> st.SearchStrategy[frozenset[int]]:
    """Sets of ids: scattered, runs, or both."""
    singles = st.frozensets(st.integers(1, largest), max_size=size)
    run = st.tuples(st.integers(1, largest), st.integers(0, size)).map(
        lambda pair: frozenset(range(pair[0], min(pair[0] + pair[1], largest) + 1))
    )
    return st.one_of(singles, run, st.tuples(singles, run).map(lambda pair: pair[0] | pair[1]))


_CODES = st.text(st.sampled_from("ABCXYZ"), min_size=2, max_size=2)
_TIMES = st.integers(0, (1 << 36) - 1).map(lambda deciseconds: deciseconds * 100) | st.sampled_from(
    [DISCLOSE_SINCE - 100, DISCLOSE_SINCE, BEFORE_2_3, SINCE_2_3]
)
_RESTRICTIONS = st.lists(
    st.tuples(st.integers(1, 24), st.integers(0, 2), ids(2_000).map(runs)),
    max_size=3,
)
_CUSTOMS = st.integers(0, 63).flatmap(
    lambda count: st.tuples(st.just(count), *[ids(count) if count else st.just(frozenset[int]())] * 2)
)


@st.composite
def tcfs(draw: st.DrawFn) -> Tcf:
    """TC strings of any kind, but not without disclosed vendors if they must have them."""
    created, last_updated = draw(_TIMES), draw(_TIMES)
    vendor_ids = ids(draw(st.sampled_from([12, 1_500, 16_383])))
    disclosed = vendor_ids if max(created, last_updated) >= DISCLOSE_SINCE else st.none() | vendor_ids
    return Tcf(
        created=created,
        last_updated=last_updated,
        cmp_id=draw(st.integers(0, 4095)),
        cmp_version=draw(st.integers(0, 4095)),
        consent_screen=draw(st.integers(0, 63)),
        consent_language=draw(_CODES),
        vendor_list_version=draw(st.integers(0, 4095)),
        policy_version=draw(st.integers(0, 63)),
        is_service_specific=draw(st.booleans()),
        use_non_standard_texts=draw(st.booleans()),
        special_features=draw(ids(12)),
        purposes_consent=draw(ids(24)),
        purposes_li=draw(ids(24)),
        purpose_one_treatment=draw(st.booleans()),
        publisher_country=draw(_CODES),
        vendors_consent=draw(vendor_ids),
        vendors_li=draw(vendor_ids),
        restrictions=draw(_RESTRICTIONS),
        disclosed=draw(disclosed),
        allowed=draw(st.none() | vendor_ids),
        publisher=draw(st.none() | st.tuples(ids(24), ids(24))),
        customs=draw(_CUSTOMS),
        in_ranges=draw(st.booleans()),
    )


@st.composite
def us_sections(draw: st.DrawFn) -> tuple[int, int, list[int], bool | None]:
    """Section id, version, all two-bit values, GPC."""
    section, version = draw(st.sampled_from(sorted(US_SECTIONS)))
    _, counts, has_gpc = US_SECTIONS[section, version]
    values = draw(st.lists(st.integers(0, 2), min_size=sum(counts), max_size=sum(counts)))
    return section, version, values, draw(st.none() | st.booleans()) if has_gpc else None
