"""Which segments a change of a profile can touch, so that an event costs what its own segments cost.

The changed fields are those that `models.profile.reduce.apply` reports: "attributes.city",
"behaviors.Product Viewed", "transactions", "engagement.email", ...
"""

from collections.abc import Iterable

from models.segments.compile import CompiledSegment

Found = tuple[CompiledSegment, ...]


class SegmentIndex:
    """Segments by what they read. Immutable: a change of segments makes a new one."""

    def __init__(self, segments: Iterable[CompiledSegment]) -> None:
        self.all: Found = tuple(sorted(segments, key=lambda segment: segment.segment_id))
        self.timed: Found = tuple(segment for segment in self.all if segment.timed)  # to evaluate when time passes
        by_path: dict[str, list[CompiledSegment]] = {}
        for segment in self.all:
            for path in _paths(segment):
                by_path.setdefault(path, []).append(segment)
        self._by_path = {path: tuple(found) for path, found in by_path.items()}
        self._any_channel: Found = tuple(segment for segment in self.all if "" in segment.reads.channels)

    def affected(self, paths: list[str]) -> list[CompiledSegment]:
        """The segments whose verdict a change of these fields may change, each once, in order of first mention."""
        found: dict[str, CompiledSegment] = {}
        for path in paths:
            for segment in self._by_path.get(path, ()):
                found[segment.segment_id] = segment
            if self._any_channel and path.startswith("engagement."):
                for segment in self._any_channel:
                    found[segment.segment_id] = segment
        return list(found.values())


def _paths(segment: CompiledSegment) -> set[str]:
    reads = segment.reads
    paths = {f"behaviors.{event}" for event in reads.events} | {
        f"engagement.{channel}" for channel in reads.channels if channel
    }
    for trait in reads.traits:
        # A dotted trait is read from an attribute of that very name, else from the object before the first dot.
        paths |= {f"attributes.{trait}", f"attributes.{trait.partition('.')[0]}"}
    if reads.orders or reads.lifecycle:
        paths.add("transactions")
    if reads.lifecycle:
        paths.add("identities")
    return paths
