"""What the actor asks of the shard machine. `call` numbers the caller; the reply carries it back."""

import msgspec

from models.events.event import Event
from models.privacy.decisions import DecisionRecord
from models.shard.protocol import Finding, Pairing


class Accept(msgspec.Struct, tag=True, frozen=True):
    """Events whose route identifier is at home here. Replies with IngestResult, at once or when all are applied."""

    call: int
    events: list[Event]
    wait: bool = False


class Receive(msgspec.Struct, tag=True, frozen=True):
    """Envelopes from another shard, numbered from `first`. Replies with the number of the latest one taken."""

    call: int
    source: int
    first: int
    envelopes: list[bytes]


class Tick(msgspec.Struct, tag=True, frozen=True):
    """Time has passed: re-evaluates the profiles that are due. No reply."""


class PutSegment(msgspec.Struct, tag=True, frozen=True):
    """Installs or replaces a segment (a Resolved as JSON). Replies None; all stays as it was until Count."""

    call: int
    segment_id: str
    definition: bytes


class DeleteSegment(msgspec.Struct, tag=True, frozen=True):
    """Removes a segment. Replies None; its members leave when Count comes to it."""

    call: int
    segment_id: str


class Load(msgspec.Struct, tag=True, frozen=True):
    """Takes up to `limit` profiles into the columns, after a start. Replies with the number left to do."""

    call: int
    limit: int


class Count(msgspec.Struct, tag=True, frozen=True):
    """Evaluates every profile for the first segment that waits for it, which is live from then on.

    Replies with the number of segments left to do; nothing is done before all profiles are in the columns.
    """

    call: int


class Refresh(msgspec.Struct, tag=True, frozen=True):
    """Evaluates every profile for a segment that is not real-time, if it is due. Replies None."""

    call: int
    segment_id: str


class Fold(msgspec.Struct, tag=True, frozen=True):
    """Writes the oldest bulk move into up to `limit` profiles. Replies with the number of moves left to do."""

    call: int
    limit: int


class Unmerge(msgspec.Struct, tag=True, frozen=True):
    """Takes a merge back. Replies (winner, restored) or UnmergeRefused."""

    call: int
    merge_id: str


class Pair(msgspec.Struct, tag=True, frozen=True):
    """Joins two profiles or sets them apart. Replies Paired, when readers see it; asked again, "same"."""

    call: int
    pairing: Pairing


class Erasure(msgspec.Struct, array_like=True, frozen=True):
    """A person who is to be erased, by any of their customer ids that stands."""

    request_id: str  # asked again with the same one, the answer is the same
    customer_id: int
    refused_until: int  # ms; events from before that with one of the identifiers are refused


class Erase(msgspec.Struct, tag=True, frozen=True):
    """Erases a person from all shards. Replies Erased, when it is done."""

    call: int
    erasure: Erasure


class Suppress(msgspec.Struct, tag=True, frozen=True):
    """Refuses events with these identifiers from before `refused_until` ms; 0 takes that back. Replies None."""

    call: int
    identifiers: list[str]
    refused_until: int


class Purge(msgspec.Struct, tag=True, frozen=True):
    """Takes what is past its time out of up to `limit` more people and their events. Replies PurgeStep.

    `run` numbers a walk through everybody, by the time (ms) at which it began: another one begins anew. A `step`
    that is asked for again has the same reply.
    """

    call: int
    run: int
    step: int
    limit: int
    inactive_ms: int = 0  # people of whom nothing is kept and who were not seen for so long are told; 0 for none


class Part(msgspec.Struct, tag=True, frozen=True):
    """Takes what names erased people, each refused up to a time (ms), out of the profiles of others. Replies with the
    customer ids of those whom some of these have become."""

    call: int
    people: list[int]
    refused_until: dict[str, int]


class Decide(msgspec.Struct, tag=True, frozen=True):
    """Logs automated decisions and reviews of them, each once, of people who are here. Replies None."""

    call: int
    records: list[DecisionRecord]


class TakeDecision(msgspec.Struct, tag=True, frozen=True):
    """Logs a decision at a decision point, unless one of its id is in the log. Replies with what the log has then; None
    if the person is not, or not any more, who has had just these ids before: it was decided about somebody else."""

    call: int
    record: DecisionRecord
    absorbed: list[int]  # customer ids that were merged into the record's


class Reviewed(msgspec.Struct, tag=True, frozen=True):
    """Brings the reviews of some profiles up to date. Replies None."""

    call: int
    findings: list[Finding]


class Matched(msgspec.Struct, tag=True, frozen=True):
    """Profiles have been matched as they were at their mark; those `deferred` go to the end. Replies None."""

    call: int
    done: list[tuple[int, int]]  # customer id, mark
    deferred: list[int] = []


Command = (
    Accept
    | Receive
    | Tick
    | PutSegment
    | DeleteSegment
    | Load
    | Count
    | Refresh
    | Fold
    | Unmerge
    | Pair
    | Erase
    | Suppress
    | Part
    | Decide
    | TakeDecision
    | Purge
    | Reviewed
    | Matched
)


class UnmergeRefused(Exception):
    """The merge cannot be taken back; `code` is "not_found" or "conflict"."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
