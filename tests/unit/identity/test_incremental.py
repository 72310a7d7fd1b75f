"""Records that come, change and go, one at a time: what each change tells, and what is refused."""

import msgspec
import pytest

from models.identity import blocking
from models.identity.entity_ids import EntityLedger
from models.identity.incremental import IncrementalResolver
from models.identity.matcher import Matcher
from models.identity.model import MatchModel
from models.identity.nicknames import NicknameTable
from models.identity.record import MatchRecord, Role
from tests.strategies.people import households
from tests.strategies.resolving import in_bulk, learned, partition

NICKNAMES = NicknameTable.shipped()


@pytest.fixture(scope="module")
def model() -> MatchModel:
    return learned(households(5, 300)[0], NICKNAMES)


@pytest.fixture
def resolver(model: MatchModel) -> IncrementalResolver:
    return IncrementalResolver(Matcher(model, NICKNAMES))


def person(record_id: str, **values: str) -> MatchRecord:
    roles: dict[Role, tuple[str, ...]] = {role: (text,) for role, text in values.items()}  # type: ignore[misc]
    return MatchRecord(record_id, roles)


KARLA = {"given_name": "karla", "family_name": "zarpelmon"}
BORN, MAIL = {"birth_date": "1971-03-04"}, {"email": "karla.zarpelmon7@example.com"}
HOME = {"street_address": "19 gal street", "city": "badernton"}


def test_a_record_that_knows_both_joins_two_people_and_parts_them_when_it_goes(resolver: IncrementalResolver) -> None:
    first = resolver.add(person("b", **KARLA, **BORN))
    second = resolver.add(person("a", **MAIL, **HOME, given_name="karla"))
    assert (first.entity_id, first.entities.new, second.entity_id) == ("b", ("b",), "a")
    joined = resolver.add(person("c", **KARLA, **BORN, **MAIL, **HOME))
    # Both previous entities have one record in it: the lower id stays.
    assert (joined.entity_id, joined.entities.merged, dict(joined.entities.retired)) == ("a", ("a",), {"b": "a"})
    assert resolver.entities() == {"a": ["a", "b", "c"]}
    assert resolver.ledger.current("b") == "a"
    parted = resolver.remove("c")
    assert (parted.entity_id, parted.entities.split, parted.entities.new) == (None, ("a",), ("b~2",))
    assert resolver.entities() == {"a": ["a"], "b~2": ["b"]}


def test_a_corrected_record_keeps_its_id_if_it_stays_alone(resolver: IncrementalResolver) -> None:
    resolver.add(person("a", **KARLA, **BORN))
    change = resolver.replace(person("a", given_name="hugo", family_name="lemtur"))
    assert (change.entity_id, change.entities.changed, change.entities.new) == ("a", (), ())


def test_a_corrected_record_changes_sides(resolver: IncrementalResolver) -> None:
    hugo = {"given_name": "hugo", "family_name": "lemturhin", "birth_date": "1988-10-11"}
    for record in (person("a", **KARLA, **BORN), person("b", **hugo), person("c", **KARLA, **BORN, **MAIL)):
        resolver.add(record)
    assert resolver.entity_of("c") == "a"
    change = resolver.replace(person("c", **hugo, email="hugo@example.com"))
    assert (change.entity_id, change.entities.changed, change.entities.split) == ("b", ("a", "b"), ("a",))


def test_equal_records_are_one_person_only_if_they_say_enough(resolver: IncrementalResolver) -> None:
    for record_id in ("a", "b"):
        resolver.add(person(record_id, **KARLA, **BORN))
        resolver.add(person(f"{record_id}2", given_name="karla"))
    assert resolver.entity_of("a") == resolver.entity_of("b")
    assert resolver.entity_of("a2") != resolver.entity_of("b2")


def test_keys_take_over_when_there_are_too_many_for_all_pairs(model: MatchModel) -> None:
    records = households(9, 60)[0]
    with pytest.MonkeyPatch.context() as patch:
        resolver = IncrementalResolver(Matcher(model, NICKNAMES))
        resolver.load(records[:100])
        patch.setattr(blocking, "ALL_PAIRS_MAX", 50)
        for record in records[100:]:
            resolver.add(record)
        assert partition(resolver.entities()) == in_bulk(records, model, NICKNAMES)


def test_a_component_beyond_the_bound_is_said_to_be_bounded(model: MatchModel) -> None:
    resolver = IncrementalResolver(Matcher(model, NICKNAMES), component_max=2)
    changes = [
        resolver.add(person(f"r{n}", **KARLA, **BORN, city="badernton", street_address=f"{n} gal street"))
        for n in range(4)
    ]
    assert [change.bounded for change in changes] == [False, False, True, True]
    assert list(resolver.entities()) == ["r0"]


def test_ids_of_an_earlier_resolution_are_carried_on(model: MatchModel) -> None:
    ledger = EntityLedger({"a": "customer 7", "gone": "customer 8"})
    resolver = IncrementalResolver(Matcher(model, NICKNAMES), ledger=ledger)
    changes = resolver.load([person("a", **KARLA, **BORN), person("b", **KARLA, **BORN, **MAIL)])
    assert resolver.entities() == {"customer 7": ["a", "b"]}
    assert dict(changes.retired) == {"customer 8": None}


def test_what_cannot_be_done_is_refused(resolver: IncrementalResolver) -> None:
    resolver.add(person("a", **KARLA))
    with pytest.raises(ValueError, match="record_id: there is such a record already"):
        resolver.add(person("a"))
    for call in (lambda: resolver.remove("b"), lambda: resolver.entity_of("b")):
        with pytest.raises(KeyError, match="record_id: there is no such record"):
            call()
    with pytest.raises(KeyError, match="use add"):
        resolver.replace(person("b"))
    with pytest.raises(ValueError, match="expected an empty resolver"):
        resolver.load([person("b")])
    assert ("a" in resolver, "b" in resolver, len(resolver)) == (True, False, 1)


def test_loaded_ids_are_distinct(resolver: IncrementalResolver) -> None:
    with pytest.raises(ValueError, match="an id is there twice"):
        resolver.load([person("a"), person("a")])


def test_a_model_without_keys_compares_nothing_beyond_all_pairs(model: MatchModel) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "ALL_PAIRS_MAX", 0)
        resolver = IncrementalResolver(Matcher(msgspec.structs.replace(model, keys=[]), NICKNAMES))
        resolver.load([person("a", **KARLA, **BORN), person("b", **KARLA, **BORN, **MAIL)])
        resolver.add(person("c", **KARLA, **BORN, city="badernton"))
        assert len(resolver.entities()) == 3
