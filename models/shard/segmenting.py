"""Segments of a shard as a whole: installed, counted over all profiles at once, refreshed, emptied.

What moves one person (an event, a timer, a merge) is in `ShardCore.reevaluate`. Here are the moves of many: a segment
is evaluated over the columns in one step, so that it is exact at the moment at which it goes live, and what comes of
that is one `BulkMove`, which is later written into the profiles a few at a time.
"""

import msgspec
import numpy as np
from pyroaring import BitMap64

from models.segments.bulk_moves import BulkMove, CustomerIds, pack_ids, unpack_ids
from models.segments.catalogue import Resolved
from models.segments.compile import CompiledSegment, compile_resolved
from models.segments.growing_array import Int64s
from models.segments.spans import NEVER
from models.segments.vector import VectorEvaluator
from models.shard.commands import Count, DeleteSegment, Fold, Load, PutSegment, Refresh
from models.shard.core import ShardCore
from models.shard.rows import SegmentRow

_NOBODY = np.zeros(0, np.int64)


class Segmenting:
    """The steps on segments of one shard."""

    def __init__(self, core: ShardCore) -> None:
        self._core = core
        self._to_fold: list[int] = []  # customer ids that the oldest move is still to be written to, last first

    def restore(self, load_all_up_to: int) -> None:
        """Compiles the segments, and begins to bring the profiles into the columns; up to so many at once."""
        core = self._core
        for segment_id, row in core.segments.items():
            if segment_id not in core.uncounted:
                self._compile(segment_id, row.definition)
        core.index_segments()
        core.members = {segment_id: BitMap64() for segment_id in core.compiled}
        core.column_keeper.begin(core.profiles)
        if core.unloaded <= load_all_up_to:
            core.load_some(load_all_up_to)
            self._loaded()

    def load(self, command: Load) -> None:
        core = self._core
        if core.unloaded:
            core.load_some(command.limit)
            if not core.unloaded:
                self._loaded()
        core.replies.append((command.call, core.unloaded))

    def put(self, command: PutSegment) -> None:
        core = self._core
        core.segments.put(command.segment_id, SegmentRow(command.definition))
        core.uncounted.put(command.segment_id, 0.0)
        core.stopped.pop(command.segment_id, None)
        core.replies.append((command.call, None))

    def delete(self, command: DeleteSegment) -> None:
        core = self._core
        segment = core.compiled.pop(command.segment_id, None)
        core.stopped.pop(command.segment_id, None)
        core.segments.delete(command.segment_id)
        core.counted.delete(command.segment_id)
        core.uncounted.put(command.segment_id, 0.0 if segment is None else segment.definition.holdout)
        core.index_segments()
        core.replies.append((command.call, None))

    def count(self, command: Count) -> None:
        core = self._core
        segment_id = core.uncounted.first()
        if segment_id is not None and not core.unloaded:
            row = core.segments.get(segment_id)
            holdout = core.uncounted[segment_id]
            core.uncounted.delete(segment_id)
            if row is None:
                self._move(segment_id, _NOBODY, None, "deletion", holdout)
                core.members.pop(segment_id, None)
            else:
                segment = self._compile(segment_id, row.definition)
                core.members.setdefault(segment_id, BitMap64())
                core.index_segments()
                if segment is not None:
                    self._evaluate(segment, "definition")
        core.replies.append((command.call, len(core.uncounted)))

    def refresh(self, command: Refresh) -> None:
        core = self._core
        segment = core.compiled.get(command.segment_id)
        if segment is not None and not core.unloaded and self.is_due(segment, core.now):
            self._evaluate(segment, "refresh")
        core.replies.append((command.call, None))

    def is_due(self, segment: CompiledSegment, now: int) -> bool:
        """Whether a segment that is not real-time is to be evaluated anew."""
        every = segment.definition.refresh_ms
        counted = self._core.counted.get(segment.segment_id) or 0
        return every > 0 and now - counted >= every and segment.segment_id not in self._core.stopped

    def due_refreshes(self, now: int) -> list[str]:
        """The segments that are to be evaluated anew."""
        return [segment_id for segment_id, segment in self._core.compiled.items() if self.is_due(segment, now)]

    def fold(self, command: Fold) -> None:
        core = self._core
        moves = core.moves.moves
        if moves and not core.unloaded:
            oldest = moves[0]
            if not self._to_fold:
                parts = [unpack_ids(packed) for packed in (oldest.exited, oldest.entered, oldest.timed)]
                self._to_fold = np.unique(np.concatenate(parts))[::-1].tolist()
            for _ in range(min(command.limit, len(self._to_fold))):
                customer_id = self._to_fold.pop()
                if core.is_live(customer_id):
                    profile = core.profile(customer_id)
                    if customer_id in core.folded:
                        core.save(profile)
            if not self._to_fold:
                core.folded_moves.append(oldest.first)
                core.moves.drop(oldest.first)
        core.replies.append((command.call, len(core.moves)))

    # Evaluating

    def _compile(self, segment_id: str, definition: bytes) -> CompiledSegment | None:
        """Compiles a segment; stops one with which that fails."""
        core = self._core
        core.compiled.pop(segment_id, None)
        try:
            resolved = msgspec.json.decode(definition, type=Resolved)
            segment = core.compiled[segment_id] = compile_resolved(resolved, core.settings.lifecycle)
        except Exception as error:
            core.stop_segment(segment_id, error)
            return None
        return segment

    def _evaluate(self, segment: CompiledSegment, cause: str) -> None:
        """Evaluates a segment on every profile, and moves those for whom it is another answer than before."""
        core = self._core
        core.counted.put(segment.segment_id, core.now)
        try:
            mask, edges = self._vector(segment)
        except Exception as error:
            core.stop_segment(segment.segment_id, error)
            return
        customers = core.columns.customers
        self._move(segment.segment_id, np.sort(customers[mask]), edges, cause, segment.definition.holdout)

    def _vector(self, segment: CompiledSegment) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], Int64s | None]:
        core = self._core
        core.project()
        evaluator = VectorEvaluator(core.columns, core.profile_at, core.now, core.settings.lifecycle)
        if segment.definition.refresh_ms:
            return evaluator.members(segment.tree), None
        return evaluator.members_and_edges(segment.tree)

    def _move(self, segment_id: str, members: CustomerIds, edges: Int64s | None, cause: str, holdout: float) -> None:
        core = self._core
        held = core.members.get(segment_id, BitMap64())
        before = np.fromiter(held, np.int64, len(held))
        entered = np.setdiff1d(members, before, assume_unique=True)
        exited = np.setdiff1d(before, members, assume_unique=True)
        timed = self._set_due(edges)
        if not (len(entered) or len(exited) or len(timed)):
            return
        moved = len(entered) + len(exited)
        move = BulkMove(
            segment_id,
            core.sequence + 1,
            core.now,
            cause,
            pack_ids(exited),
            pack_ids(entered),
            pack_ids(timed),
            holdout,
        )
        core.sequence += max(moved, 1)
        core.members[segment_id] = BitMap64(members)
        core.moves.add(move)
        core.move_rows.append(move)
        core.fold_open()

    def _set_due(self, edges: Int64s | None) -> CustomerIds:
        """Notes when time alone may change the answers. Returns whose answers it may."""
        columns = self._core.columns
        if edges is None:
            return _NOBODY
        slots = np.flatnonzero(columns.live & (edges != NEVER))
        columns.lower_due(slots, edges[slots])
        return np.sort(columns.customers[slots])

    def _loaded(self) -> None:
        """Every profile is in the columns. When to look again at those who do not hold a move yet was only there, and
        their time may have come meanwhile: they are looked at now."""
        core = self._core
        timed = [unpack_ids(move.timed) for move in core.moves.moves]
        if timed:
            slots = np.flatnonzero(np.isin(core.columns.customers, np.concatenate(timed)) & core.columns.live)
            core.columns.lower_due(slots, np.full(len(slots), max(core.now, 1)))
            core.fold_open()
