"""How well profiles match the true people: clustering measures over messages (`models.identity.evaluation`), and how
many messages are on their person's main profile. Pure.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from models.identity.evaluation import evaluate


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
    people: dict[Hashable, int] = {}
    profiles: dict[Hashable, int] = {}
    cells = [
        (people.setdefault(person, len(people)), profiles.setdefault(profile, len(profiles)))
        for person, profile in assignments
    ]
    if not cells:
        raise ValueError("assignments: expected at least one")
    main: Counter[int] = Counter()
    for (person, _), count in Counter(cells).items():
        main[person] = max(main[person], count)
    truth, predicted = zip(*cells, strict=True)
    scores = evaluate(predicted, truth)
    return Accuracy(
        records=scores.records,
        people=scores.entities,
        profiles=scores.clusters,
        unified=main.total() / scores.records,
        exact=scores.entities_exact_share,
        pairwise_precision=scores.pairwise_precision,
        pairwise_recall=scores.pairwise_recall,
        pairwise_f1=scores.pairwise_f1,
        bcubed_precision=scores.bcubed_precision,
        bcubed_recall=scores.bcubed_recall,
        bcubed_f1=scores.bcubed_f1,
    )
