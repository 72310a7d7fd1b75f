"""Messages between shards. Channels deliver each exactly once and in order (see actors/channel in the store).

A workflow resolves one event (or one unmerge) whose identifiers span profiles or shards. It locks
identifiers, then profiles, each in one global order (shard, then name), so that two workflows cannot wait
for each other; all that it then does is one atomic step in the order of its locks.
"""

import msgspec

from models.events.event import Event
from models.identity.resolution import Candidate
from models.shard.protocol import EventResult, MergeRecord, Paired, Pairing


class Intake(msgspec.Struct, array_like=True, frozen=True):
    """An event on its way to its profile, and where it was taken in."""

    event: Event
    shard: int  # that took it in and wants to hear that it was applied
    sequence: int  # its number there
    wait: bool  # somebody waits for the full result
    started: int  # ms, when it was taken in


class Found(msgspec.Struct, array_like=True, frozen=True):
    """Answer to a request to lock a profile: locked if `candidate` is set, else look at `moved_to` (0: it is gone)."""

    customer_id: int
    moved_to: int = 0
    candidate: Candidate | None = None
    digest: int = 0  # of its record, if it was asked for


class Deliver(msgspec.Struct, tag="dl", array_like=True, frozen=True):
    """Apply this event to the profile, or find out where it belongs."""

    customer_id: int
    intake: Intake


class Applied(msgspec.Struct, tag="ap", array_like=True, frozen=True):
    """The event that the receiver took in as `sequence` has been applied, and readers see it."""

    sequence: int
    result: EventResult | None


class Confirmed(msgspec.Struct, tag="cf", array_like=True, frozen=True):
    """To the winner's shard: readers of the sender see what the workflow has changed there."""

    workflow: int


class LockKeys(msgspec.Struct, tag="lk", array_like=True, frozen=True):
    workflow: int
    identifiers: list[str]


class KeysLocked(msgspec.Struct, tag="kl", array_like=True, frozen=True):
    workflow: int
    owners: dict[str, int]  # 0 for none


class UnlockKeys(msgspec.Struct, tag="uk", array_like=True, frozen=True):
    workflow: int
    identifiers: list[str]
    owners: dict[str, int]  # new owners of some of them
    inform: int = -1  # shard to confirm the new owners to; -1 for none


class LockProfiles(msgspec.Struct, tag="lp", array_like=True, frozen=True):
    workflow: int
    customer_ids: list[int]
    digests: bool = False  # tell the digests of their records


class ProfilesLocked(msgspec.Struct, tag="pl", array_like=True, frozen=True):
    workflow: int
    found: list[Found]


class UnlockProfiles(msgspec.Struct, tag="up", array_like=True, frozen=True):
    workflow: int
    customer_ids: list[int]


class Yield(msgspec.Struct, tag="yi", array_like=True, frozen=True):
    """The (locked) loser becomes part of the winner."""

    workflow: int
    loser: int
    winner: int


class Absorb(msgspec.Struct, tag="ab", array_like=True, frozen=True):
    """The loser's whole state, for the winner."""

    workflow: int
    winner: int
    loser: int
    state: bytes


class Absorbed(msgspec.Struct, tag="ad", array_like=True, frozen=True):
    """The winner has the loser's state: reads go to it from now on. To be confirmed to the winner's shard."""

    workflow: int
    loser: int


class Finish(msgspec.Struct, tag="fi", array_like=True, frozen=True):
    """Settles a workflow at the winner: take in the losers, add the identifiers, apply the event, unlock.

    Exactly one of `intake` and `pairing` is set.
    """

    workflow: int
    winner: int
    losers: list[int]
    intake: Intake | None
    kept: list[str]
    added: list[str]
    joined: dict[str, int]  # identifier of the event -> the profile that owned it, 0 for none
    demoted: list[str]
    confirmations: int  # that will come from the homes of `added`; each loser's shard sends one more
    pairing: Pairing | None = None
    call: int = 0  # of the pairing, at its coordinator


class SetApart(msgspec.Struct, tag="sa", array_like=True, frozen=True):
    """The (locked) profile must never be joined with `other`."""

    customer_id: int
    other: int


class Rematch(msgspec.Struct, tag="rm", array_like=True, frozen=True):
    """What stood in the way of a profile's matching may be gone: look again."""

    customer_id: int


class Answer(msgspec.Struct, tag="an", array_like=True, frozen=True):
    """To the coordinator of a pairing: what its caller waits for."""

    call: int
    paired: Paired


class Repoint(msgspec.Struct, tag="rp", array_like=True, frozen=True):
    """Identifiers that still point at `previous` shall point at `current`."""

    previous: int
    current: int
    identifiers: list[str]


class Flush(msgspec.Struct, tag="fl", array_like=True, frozen=True):
    """To every shard, which passes it on to every shard, which answers: then all sent before has been handled."""

    workflow: int
    passed_on: bool = False


class Flushed(msgspec.Struct, tag="fd", array_like=True, frozen=True):
    workflow: int


class TimelineEntry(msgspec.Struct, array_like=True, frozen=True):
    """Something that happened to a profile after a merge: an event or a further merge (exactly one is set)."""

    event: Event | None = None
    merge: MergeRecord | None = None


class Restore(msgspec.Struct, tag="rs", array_like=True, frozen=True):
    """An unmerge brings a profile back: its state before the merge, and what has happened to its side since."""

    workflow: int
    customer_id: int
    winner: int
    state: bytes
    timeline: list[TimelineEntry]
    identifiers: list[str]


class Reroute(msgspec.Struct, tag="rr", array_like=True, frozen=True):
    """A merged profile's redirect shall lead to `target`."""

    customer_id: int
    target: int


class Restored(msgspec.Struct, tag="rd", array_like=True, frozen=True):
    workflow: int


class Forget(msgspec.Struct, tag="fg", array_like=True, frozen=True):
    """To every shard: takes out all that it has of a person, and refuses the identifiers."""

    workflow: int
    people: list[int]  # customer ids that became the person
    identifiers: list[str]
    refused_until: int  # ms


class Forgotten(msgspec.Struct, tag="fo", array_like=True, frozen=True):
    workflow: int
    events: int  # that were taken out


class Prune(msgspec.Struct, tag="pr", array_like=True, frozen=True):
    """Takes what is past its time out of what a shard has of a profile that was merged away: its events and merges."""

    customer_id: int
    granted: list[str]  # purposes that have a basis for the person
    protected: list[str]  # traits that stay
    told: bool  # whether attributes went: links keep no values then that were compared


class Unsee(msgspec.Struct, tag="us", array_like=True, frozen=True):
    """To where erased events were taken in: it is as if they had not been."""

    keys: list[str]  # dedupe keys


Message = (
    Deliver
    | Applied
    | Confirmed
    | LockKeys
    | KeysLocked
    | UnlockKeys
    | LockProfiles
    | ProfilesLocked
    | UnlockProfiles
    | Yield
    | Absorb
    | Absorbed
    | Finish
    | Repoint
    | Flush
    | Flushed
    | Restore
    | Reroute
    | Restored
    | SetApart
    | Rematch
    | Answer
    | Forget
    | Forgotten
    | Unsee
    | Prune
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Message])


def encode_envelope(messages: list[Message]) -> bytes:
    """All that one step sends to one shard."""
    return _encoder.encode(messages)


def decode_envelope(data: bytes) -> list[Message]:
    """Inverse of `encode_envelope`."""
    return _decoder.decode(data)
