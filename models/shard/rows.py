"""What a shard keeps in its tables while things are in progress, and who waits for it."""

import msgspec

from models.identity.resolution import Candidate
from models.shard.commands import Erasure
from models.shard.messages import Finish, Intake
from models.shard.protocol import EventResult, Pairing


class Redirect(msgspec.Struct, array_like=True, frozen=True):
    """Where a merged profile went, and the head of the chain of events that it had."""

    target: int
    last_event: int


class Workflow(msgspec.Struct, array_like=True):
    """What is in progress, at its coordinator. One of `intake`, `merge_id`, `pairing`, `erasure` is set."""

    number: int
    intake: Intake | None = None
    merge_id: str = ""
    call: int = 0
    keys: list[str] = []  # identifiers to lock, in locking order
    owners: dict[str, int] = {}  # of those locked so far
    profiles: list[int] = []  # customer ids to lock, in locking order
    candidates: dict[int, Candidate] = {}  # of those locked so far
    moved: dict[int, int] = {}  # of those asked for, the ones that turned out to be merged away
    flushed: int = 0  # answers to its Flush
    unseen: int = 0  # shards that have not yet answered; of an unmerge, whose readers do not yet see it
    pairing: Pairing | None = None
    digests: dict[int, int] = {}  # pairing: of the records of the profiles locked so far
    erasure: Erasure | None = None
    people: list[int] = []  # erasure: customer ids that became the person
    events: int = 0  # erasure: taken out so far


class Settling(msgspec.Struct, array_like=True):
    """A workflow at its winner's shard: first until all parts are here, in any order, then until readers see it."""

    finish: Finish | None = None
    states: dict[int, bytes] = {}  # loser -> encoded profile
    confirmed: int = 0
    applied: bool = False
    result: EventResult | None = None
    merge_id: str = ""  # of a pairing


class SegmentRow(msgspec.Struct, array_like=True):
    """An installed segment: a Resolved as JSON."""

    definition: bytes


class Waiter(msgspec.Struct):
    """A caller who waits for the full results of the events that it sent."""

    call: int
    results: list[EventResult]
    missing: int
