"""What a plan would do, in counts, and examples of it with their evidence. Opaque ids only, and no values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.dataset as pads

from models.identity.customer_id import to_text
from models.identity.evidence import Explanation
from models.identity.online import PairMatcher
from models.identity.record import ROLES, MatchRecord
from models.identity.reresolution import Group, Steps, planned_steps


class ConsentCounts(msgspec.Struct):
    """Owners of one consent category among the profiles that are touched."""

    granted: int = 0
    refused: int = 0
    disagreeing: int = 0  # people whose joined profiles say both: the latest word counts then, as in any merge


class Counts(msgspec.Struct):
    """What a plan, or a part of one, comes to."""

    groups: int = 0
    profiles: int = 0  # that are touched
    joins: int = 0  # merges
    restores: int = 0  # unmerges
    people_joined: int = 0  # people made of several profiles
    profiles_split: int = 0  # profiles that lose somebody
    largest: int = 0  # profiles that become one
    kept_apart_by_limits: int = 0  # joins that the partition wanted and identifier limits forbid
    kept_apart_by_partings: int = 0  # likewise, because somebody set the two apart
    segments: dict[str, int] = {}  # members that are touched, by segment
    consents: dict[str, ConsentCounts] = {}  # by category

    def add(self, other: "Counts") -> None:
        """Adds another part's counts."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if name == "largest":
                self.largest = max(mine, theirs)
            elif isinstance(mine, int):
                setattr(self, name, mine + theirs)
        for segment, count in other.segments.items():
            self.segments[segment] = self.segments.get(segment, 0) + count
        for category, counts in other.consents.items():
            held = self.consents.setdefault(category, ConsentCounts())
            held.granted += counts.granted
            held.refused += counts.refused
            held.disagreeing += counts.disagreeing


class Touched(NamedTuple):
    """A profile of a group: its segments and its consents ("category=1" or "category=0")."""

    profile: int
    segments: Sequence[str]
    consents: Sequence[str]


class FieldShare(msgspec.Struct, frozen=True):
    """What a field says of a pair, without the values."""

    field: str
    level: str
    weight: float  # bits


class Example(msgspec.Struct, frozen=True):
    """One planned step: two customers to be joined, or one to be split from the other."""

    kind: Literal["join", "split"]
    left: str
    right: str
    confidence: float
    score: float  # bits
    model_version: str
    fields: list[FieldShare]


def touch(counts: Counts, group: Group, steps: Steps, owners: Sequence[Touched]) -> None:
    """Adds what a group's steps come to."""
    before = group.before()
    split = {before[tie.loser] for tie in steps.restores}
    touched = split | {before[unit] for roots in steps.joins for unit in roots}
    counts.groups += 1
    counts.profiles += len(touched)
    counts.restores += len(steps.restores)
    counts.joins += sum(len(roots) - 1 for roots in steps.joins)
    counts.people_joined += len(steps.joins)
    counts.profiles_split += len(split)
    counts.largest = max([counts.largest, *(len(roots) for roots in steps.joins)])
    consents = {owner.profile: dict(text.rsplit("=", 1) for text in owner.consents) for owner in owners}
    for owner in owners:
        if owner.profile in touched:
            for segment in owner.segments:
                counts.segments[segment] = counts.segments.get(segment, 0) + 1
            for category, told in consents[owner.profile].items():
                held = counts.consents.setdefault(category, ConsentCounts())
                held.granted += told == "1"
                held.refused += told == "0"
    for roots in steps.joins:
        said: dict[str, set[str]] = {}
        for profile in {before[unit] for unit in roots}:
            for category, told in consents.get(profile, {}).items():
                said.setdefault(category, set()).add(told)
        for category, words in said.items():
            counts.consents[category].disagreeing += len(words) > 1


def examples(directory: Path, groups: Sequence[Group], matcher: PairMatcher) -> list[Example]:
    """The evidence on the planned steps of some groups, from the extracted records. Reads each file of records once."""
    units = [unit.unit for group in groups for unit in group.units]
    records = _records(directory, units)
    found: list[Example] = []
    for group in groups:
        steps = planned_steps(group)
        pairs = [("join", roots[0], other) for roots in steps.joins for other in roots[1:]]
        after = group.after()
        # A tie that is made again at once is no news.
        pairs += [("split", t.winner, t.loser) for t in steps.restores if after[t.winner] != after[t.loser]]
        for kind, left, right in pairs:
            if left in records and right in records:
                (explanation,) = matcher.score(records[left], [records[right]])
                found.append(_example("join" if kind == "join" else "split", left, right, explanation))
    return found


def _example(kind: Literal["join", "split"], left: int, right: int, explanation: Explanation) -> Example:
    fields = [FieldShare(f.field, f.level, round(f.weight, 3)) for f in explanation.fields]
    return Example(
        kind,
        to_text(left),
        to_text(right),
        round(explanation.confidence, 6),
        round(explanation.score, 3),
        explanation.model_version,
        fields,
    )


def _records(directory: Path, units: Sequence[int]) -> dict[int, MatchRecord]:
    dataset = pads.dataset([str(path) for path in sorted((directory / "records").glob("*.parquet"))], format="parquet")
    rows = dataset.to_table(filter=pads.field("unit_id").isin(pa.array(units, pa.int64()))).to_pylist()
    return {
        row["unit_id"]: MatchRecord(to_text(row["unit_id"]), {role: tuple(row[role]) for role in ROLES if row[role]})
        for row in rows
    }
