"""Which segments a change of a profile can touch, so that an event costs what its own segments cost.

The changed fields are those that `models.profile.reduce.apply` reports: "attributes.city",
"behaviors.Product Viewed", "transactions", "engagement.email", ...

A segment that nobody can be in without a certain value of a trait (`city` equals "Oslo", whatever else it asks) is
found by that value: a thousand segments by city or plan cost an event no more than the one of its person's.
"""

from collections.abc import Callable, Iterable
from typing import Any

from models.profile.state import Profile
from models.segments.attributes import trait_reader
from models.segments.compile import CompiledSegment
from models.segments.criteria import AllOf, Demographic, Node
from models.segments.scalars import value_key
from models.segments.spans import NEVER

Found = tuple[CompiledSegment, ...]
Guard = tuple[str, tuple[Any, ...]]  # a trait, and the values of which a member has one


class _Guarded:
    """Segments that read one field and are guarded by the same trait."""

    def __init__(self, trait: str) -> None:
        self.read: Callable[[Profile], Any] = trait_reader(trait)
        self.by_value: dict[Any, list[CompiledSegment]] = {}

    def add(self, segment: CompiledSegment, values: Iterable[Any]) -> None:
        for key in {value_key(value) for value in values}:
            self.by_value.setdefault(key, []).append(segment)

    def matching(self, profile: Profile) -> Iterable[CompiledSegment]:
        value = self.read(profile)
        if value is None or isinstance(value, list | dict):
            return ()
        return self.by_value.get(value_key(value), ())


class SegmentIndex:
    """Segments by what they read. Immutable: a change of segments makes a new one."""

    def __init__(self, segments: Iterable[CompiledSegment]) -> None:
        self.all: Found = tuple(sorted(segments, key=lambda segment: segment.segment_id))
        self.timed: Found = tuple(segment for segment in self.all if segment.timed)  # to evaluate when time passes
        # To evaluate for somebody of whom nothing is known yet: nobody can be in the others.
        self.of_the_unknown: Found = tuple(segment for segment in self.all if _holds_for_nobody(segment))
        self._by_id = {segment.segment_id: segment for segment in self.all}
        self._any_channel: Found = tuple(segment for segment in self.all if "" in segment.reads.channels)
        self._by_path: dict[str, list[CompiledSegment]] = {}
        self._guarded: dict[str, dict[str, _Guarded]] = {}  # path -> trait
        self._guarded_ids: dict[str, set[str]] = {}  # path -> segment ids
        for segment in self.all:
            guard = _guard(segment.tree)
            for path in _paths(segment):
                if guard is None:
                    self._by_path.setdefault(path, []).append(segment)
                    continue
                trait, values = guard
                guarded = self._guarded.setdefault(path, {})
                if trait not in guarded:
                    guarded[trait] = _Guarded(trait)
                guarded[trait].add(segment, values)
                self._guarded_ids.setdefault(path, set()).add(segment.segment_id)

    def affected(self, paths: list[str], profile: Profile) -> list[CompiledSegment]:
        """The segments whose verdict a change of these fields, which led to `profile`, may change; each once."""
        found: dict[str, CompiledSegment] = {}
        for path in paths:
            for segment in self._by_path.get(path, ()):
                found[segment.segment_id] = segment
            if self._any_channel and path.startswith("engagement."):
                for segment in self._any_channel:
                    found[segment.segment_id] = segment
            guarded = self._guarded.get(path)
            if guarded is None:
                continue
            for group in guarded.values():
                for segment in group.matching(profile):
                    found[segment.segment_id] = segment
            for segment_id in profile.memberships.keys() & self._guarded_ids[path]:
                found[segment_id] = self._by_id[segment_id]
        return list(found.values())


def _guard(tree: Node) -> Guard | None:
    """A trait's values without one of which nobody meets the criteria; None if there are none such."""
    match tree:
        case Demographic(trait, "equals", value):
            return trait, (value,)
        case Demographic(trait, "in", values):
            return trait, values
        case AllOf(parts):
            return next((guard for part in parts if (guard := _guard(part)) is not None), None)
    return None


def _holds_for_nobody(segment: CompiledSegment) -> bool:
    """Whether somebody of whom nothing is known may be in it, now or ever."""
    held, flip = segment.judge(Profile(0, 0), 0)
    return held or flip != NEVER or segment.reads.lifecycle


def _paths(segment: CompiledSegment) -> set[str]:
    reads = segment.reads
    paths = {f"behaviors.{event}" for event in reads.events}
    paths |= {f"engagement.{channel}" for channel in reads.channels if channel}
    for trait in reads.traits:
        # A dotted trait is read from an attribute of that very name, else from the object before the first dot.
        paths |= {f"attributes.{trait}", f"attributes.{trait.partition('.')[0]}"}
    if reads.orders or reads.lifecycle:
        paths.add("transactions")
    if reads.lifecycle:
        paths.add("identities")
    return paths
