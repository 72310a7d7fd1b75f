"""Ids survive: nothing changes without a reason, and every id that was ever given leads somewhere."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from models.identity.entity_ids import EntityLedger

RECORDS = [f"r{number:02d}" for number in range(14)]
# A partition of some of the records, as a label for each; those with none are not there.
LABELS = st.lists(st.none() | st.integers(0, 5), min_size=len(RECORDS), max_size=len(RECORDS))


def clusters(labels: list[int | None]) -> list[list[str]]:
    found: dict[int, list[str]] = {}
    for record, label in zip(RECORDS, labels, strict=True):
        if label is not None:
            found.setdefault(label, []).append(record)
    return list(found.values())


def apply(ledger: EntityLedger, labels: list[int | None]) -> None:
    there = [record for record, label in zip(RECORDS, labels, strict=True) if label is not None]
    ledger.update(clusters(labels), ledger.records_without(there))


@given(LABELS)
def test_the_same_partition_again_changes_nothing(labels: list[int | None]) -> None:
    ledger = EntityLedger()
    apply(ledger, labels)
    before = {entity: list(records) for entity, records in ledger.entities.items()}
    version = ledger.version
    changes = ledger.update(clusters(labels))
    assert dict(ledger.entities) == before
    assert (changes.new, changes.changed, dict(changes.retired), ledger.version) == ((), (), {}, version)


@given(st.lists(LABELS, min_size=1, max_size=6))
def test_every_id_ever_given_is_in_use_or_leads_to_one_or_has_no_records(history: list[list[int | None]]) -> None:
    ledger = EntityLedger()
    ever: set[str] = set()
    for labels in history:
        before = {record: ledger.entity_of(record) for record in RECORDS if record in ledger}
        apply(ledger, labels)
        in_use = set(ledger.entities)
        assert {frozenset(records) for records in ledger.entities.values()} == set(map(frozenset, clusters(labels)))
        # A new id was never given before.
        assert not (in_use - set(before.values())) & ever
        ever |= in_use
        assert ever == in_use | ledger.redirects.keys()
        assert all(target is None or target in in_use for target in ledger.redirects.values())
        for retired in set(before.values()) - in_use:
            went_to = Counter(
                ledger.entity_of(record) for record, entity in before.items() if entity == retired and record in ledger
            )
            target = ledger.redirects[retired]
            assert target is None if not went_to else went_to[str(target)] == max(went_to.values())


@given(LABELS, LABELS)
def test_an_entity_that_keeps_most_of_its_records_keeps_its_id(
    first: list[int | None], second: list[int | None]
) -> None:
    ledger = EntityLedger()
    apply(ledger, first)
    before = {entity: set(records) for entity, records in ledger.entities.items()}
    apply(ledger, second)
    for entity, records in ledger.entities.items():
        for old, others in before.items():
            # More than half of the cluster is of the old entity, and more than half of that is in the cluster.
            shared = len(others & set(records))
            if 2 * shared > len(others) and 2 * shared > len(records):
                assert entity == old


@given(LABELS, LABELS, st.permutations(range(6)))
def test_ids_do_not_depend_on_the_order_of_clusters(
    first: list[int | None], second: list[int | None], order: list[int]
) -> None:
    one, other = EntityLedger(), EntityLedger()
    for ledger, numbers in ((one, range(6)), (other, order)):
        for labels in (first, second):
            found = clusters(labels)
            there = {record for cluster in found for record in cluster}
            shuffled = [found[number][::-1] for number in numbers if number < len(found)]
            ledger.update(shuffled, ledger.records_without(there))
    assert dict(one.entities) == dict(other.entities)
    assert dict(one.redirects) == dict(other.redirects)
