"""How well profiles match the true people: clustering measures over messages, from counts alone. Pure.

Pairwise: of the pairs of messages that one profile joins, how many are one person's (precision), and of the
pairs of one person's messages, how many one profile joins (recall). B-cubed (Bagga and Baldwin, 1998): the
same for each message, averaged, so that large profiles do not outweigh the rest.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Accuracy:
    """Shares from 0 to 1. `records` is the number of messages measured."""

    records: int
    people: int
    profiles: int
    unified: float  # messages whose profile is their person's main one, the one with most of their messages
    exact: float  # people whose messages make exactly one profile, with nobody else's in it
    pairwise_precision: float
    pairwise_recall: float
    pairwise_f1: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float


def measure(assignments: Iterable[tuple[Hashable, Hashable]]) -> Accuracy:
    """Accuracy of (true person, profile) pairs, one for each message. Raises ValueError if there are none."""
    cells = Counter(assignments)
    if not cells:
        raise ValueError("assignments: expected at least one")
    people: Counter[Hashable] = Counter()
    profiles: Counter[Hashable] = Counter()
    main: dict[Hashable, int] = {}
    for (person, profile), count in cells.items():
        people[person] += count
        profiles[profile] += count
        main[person] = max(main.get(person, 0), count)
    records = people.total()
    together = sum(_pairs(count) for count in cells.values())
    joined = sum(map(_pairs, profiles.values()))
    same = sum(map(_pairs, people.values()))
    pairwise_precision, pairwise_recall = _share(together, joined), _share(together, same)
    bcubed_precision = sum(count**2 / profiles[profile] for (_, profile), count in cells.items()) / records
    bcubed_recall = sum(count**2 / people[person] for (person, _), count in cells.items()) / records
    exact = sum(count == people[person] == profiles[profile] for (person, profile), count in cells.items())
    return Accuracy(
        records=records,
        people=len(people),
        profiles=len(profiles),
        unified=sum(main.values()) / records,
        exact=exact / len(people),
        pairwise_precision=pairwise_precision,
        pairwise_recall=pairwise_recall,
        pairwise_f1=_f1(pairwise_precision, pairwise_recall),
        bcubed_precision=bcubed_precision,
        bcubed_recall=bcubed_recall,
        bcubed_f1=_f1(bcubed_precision, bcubed_recall),
    )


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
