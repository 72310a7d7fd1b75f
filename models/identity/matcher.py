"""The matcher of single records: the same model, fields, levels and scores as in bulk, for a record and its candidates.

`Matcher` is what the live platform matches profiles with (`models.identity.online.PairMatcher`), and what explains a
pair: the weights of the fields, what the best alternative explanation takes away, and the score they add up to.
"""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from models.identity.blocking import BlockingKeys
from models.identity.columns import ABSENT, Column, role_columns
from models.identity.comparison import EXACT, KINDS, LEVEL_NAMES, MISSING, Comparer, Levels, Rows
from models.identity.evidence import Explanation, FieldEvidence
from models.identity.fields import Field, Fields, normalised_fields
from models.identity.mixture import KINSHIPS, Scorer, confidence, odds
from models.identity.model import MatchModel
from models.identity.nicknames import NicknameTable
from models.identity.record import MatchRecord

# The part of a score that no field has: two people may share what the fields share.
OTHER_KINSHIP = "other_kinship"
_SHIPPED = "match_model.json"


class Matcher:
    """Finds keys and scores pairs by a trained model. Holds nothing that depends on the records it has seen."""

    def __init__(self, model: MatchModel, nicknames: NicknameTable) -> None:
        self.model = model
        self.version = model.version
        self.nicknames = nicknames

    @classmethod
    def shipped(cls) -> "Matcher":
        """The matcher that comes with Onefold, trained on made-up people. Reads the package's data."""
        document = files("models.identity").joinpath(_SHIPPED).read_bytes()
        return cls(MatchModel.decode(document), NicknameTable.shipped())

    def keys(self, records: Sequence[MatchRecord]) -> list[tuple[int, ...]]:
        """Blocking keys of each record, unsigned 64-bit, possibly none."""
        blocking = BlockingKeys(self._fields(records))
        found: list[set[int]] = [set() for _ in records]
        for number, key in enumerate(self.model.keys):
            salt = np.uint64((number * 0x9E3779B97F4A7C15 + 1) & 0xFFFFFFFFFFFFFFFF)
            for hashes in blocking.hashes(key):
                for row in np.flatnonzero(hashes).tolist():
                    found[row].add(int(hashes[row] ^ salt))
        return [tuple(sorted(keys)) for keys in found]

    def score(self, left: MatchRecord, rights: Sequence[MatchRecord]) -> list[Explanation]:
        """The evidence on `left` and each of `rights`."""
        if not rights:
            return []
        fields = self._fields([left, *rights])
        comparer = Comparer(fields, self.nicknames)
        lefts, others = np.zeros(len(rights), np.int64), np.arange(1, len(rights) + 1)
        return explain_pairs(self.model, fields, comparer, lefts, others)

    def _fields(self, records: Sequence[MatchRecord]) -> Fields:
        """Those of the model, whether the records have them or not."""
        found = normalised_fields(role_columns(records), self.model.reading)
        absent = Column(np.full((len(records), 1), ABSENT, np.int32), [])
        return {field: found.get(field, absent) for field in self.model.mixture.fields}


def explain_pairs(model: MatchModel, fields: Fields, comparer: Comparer, left: Rows, right: Rows) -> list[Explanation]:
    """The evidence on pairs of the fields' records; `comparer` is of the same fields, those of the model."""
    levels = comparer.levels(left, right)
    frequencies = {field: model.frequencies[field].of(column.values) for field, column in fields.items()}
    scorer = Scorer(model.mixture, frequencies)
    logs = scorer.field_logs(comparer, levels, left, right)
    prior = scorer.prior
    totals = odds(prior[:, None] + logs.sum(axis=0))
    average = scorer.average_weights
    version = model.version
    explanations = []
    for row in range(len(left)):
        weights = logs[:, 0, row] - logs[:, -1, row]
        evidence = [
            _evidence(comparer, position, levels, row, left, right, float(weights[position]), average)
            for position in range(levels.shape[1])
            if levels[row, position] != MISSING
        ]
        start, score = float(prior[0] - prior[-1]), float(totals[row])
        rest = score - start - sum(item.weight for item in evidence)
        kinship = KINSHIPS[1:-1][int((prior[1:-1] + logs[:, 1:-1, row].sum(axis=0)).argmax())]
        evidence.append(FieldEvidence(field=OTHER_KINSHIP, level=kinship, weight=rest))
        explanations.append(
            Explanation(
                method="probabilistic",
                model_version=version,
                prior=start,
                fields=tuple(evidence),
                score=score,
                confidence=float(confidence(np.array(score))),
            )
        )
    return explanations


def _evidence(
    comparer: Comparer,
    position: int,
    levels: Levels,
    row: int,
    left: Rows,
    right: Rows,
    weight: float,
    average: NDArray[np.float64],
) -> FieldEvidence:
    field: Field = comparer.fields[position]
    level = int(levels[row, position])
    return FieldEvidence(
        field=field,
        level=LEVEL_NAMES[KINDS[field]][level],
        weight=weight,
        frequency=weight - float(average[position, EXACT]) if level == EXACT else 0.0,
        left=comparer.text(field, int(left[row])),
        right=comparer.text(field, int(right[row])),
    )
