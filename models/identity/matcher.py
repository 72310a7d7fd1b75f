"""The matcher of single records: the same model, fields, levels and scores as in bulk, for a record and its candidates.

`Matcher` is what the live platform matches profiles with (`models.identity.online.PairMatcher`), and what explains a
pair: the weights of the fields, what the best alternative explanation takes away, and the score they add up to.
"""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np

from models.identity.blocking import BlockingKeys
from models.identity.columns import role_columns
from models.identity.comparison import EXACT, KINDS, LEVEL_NAMES, MISSING, Comparer, Rows
from models.identity.evidence import Explanation, FieldEvidence
from models.identity.fields import Fields
from models.identity.mixture import KINSHIPS, confidence, odds
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
        found: list[list[int]] = [[] for _ in records]
        for hashes in BlockingKeys(self._read(records)).blocks(self.model.keys):
            for row in np.flatnonzero(hashes).tolist():
                found[row].append(int(hashes[row]))
        return [tuple(sorted(keys)) for keys in found]

    def score(self, left: MatchRecord, rights: Sequence[MatchRecord]) -> list[Explanation]:
        """The evidence on `left` and each of `rights`."""
        if not rights:
            return []
        fields = self._read([left, *rights])
        return self.explain(fields, np.zeros(len(rights), np.int64), np.arange(1, len(rights) + 1))

    def explain(self, fields: Fields, left: Rows, right: Rows) -> list[Explanation]:
        """The evidence on pairs of records, by their positions in `fields`, which are those of the model."""
        comparer = Comparer(fields, self.nicknames)
        levels = comparer.levels(left, right)
        scorer = self.model.scorer(fields)
        logs = scorer.field_logs(comparer, levels, left, right)
        priors = scorer.prior(levels)
        totals = odds(priors + logs.sum(axis=0))
        typical = scorer.exact_weights([self.model.frequencies[field].typical for field in comparer.fields])
        explanations = []
        for row in range(len(left)):
            weights = logs[:, 0, row] - logs[:, -1, row]
            evidence = [
                FieldEvidence(
                    field=field,
                    level=LEVEL_NAMES[KINDS[field]][level],
                    weight=weight,
                    frequency=weight - usual if level == EXACT else 0.0,
                    left=comparer.text(field, int(left[row])),
                    right=comparer.text(field, int(right[row])),
                )
                for field, level, weight, usual in zip(
                    comparer.fields,
                    levels[row].tolist(),
                    weights.tolist(),
                    typical,
                    strict=True,
                )
                if level != MISSING
            ]
            prior = priors[:, row]
            start, score = float(prior[0] - prior[-1]), float(totals[row])
            rest = score - start - sum(item.weight for item in evidence)
            kinship = KINSHIPS[1:-1][int((prior[1:-1] + logs[:, 1:-1, row].sum(axis=0)).argmax())]
            evidence.append(FieldEvidence(field=OTHER_KINSHIP, level=kinship, weight=rest))
            explanations.append(
                Explanation(
                    method="probabilistic",
                    model_version=self.version,
                    prior=start,
                    fields=tuple(evidence),
                    score=score,
                    confidence=float(confidence(totals[row])),
                )
            )
        return explanations

    def _read(self, records: Sequence[MatchRecord]) -> Fields:
        return self.model.read(role_columns(records), len(records))
