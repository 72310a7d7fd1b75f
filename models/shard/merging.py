"""Merging two profiles, and taking a merge back without loss.

A merge keeps both sides as they were (`MergeRecord`). To take it back, each side starts again from what it
was, and what has happened to the joined profile since is dealt out: an event, or a later merge, goes to the
side that has its identifier of the highest priority, and brings its other identifiers along.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from models.identity.resolution import Candidate
from models.profile.reduce import add_identifier, apply, merge
from models.profile.state import Profile, decode_profile, encode_profile
from models.shard.core import ShardCore
from models.shard.messages import TimelineEntry
from models.shard.protocol import MergeRecord


def candidate_of(profile: Profile) -> Candidate:
    """What resolution needs to know of the profile."""
    return Candidate(profile.customer_id, list(profile.identifiers), list(profile.absorbed), list(profile.apart))


def join(core: ShardCore, profile: Profile, record: MergeRecord) -> str:
    """Takes `record.loser` into `profile`, and keeps the record; a new one gets an id of this shard. Returns its id."""
    if record.merge_id:
        merge_id, sequence = record.merge_id, record.sequence
    else:
        core.sequence += 1
        merge_id, sequence = f"mrg_{core.shard}_{core.sequence}", core.sequence
    kept = MergeRecord(
        merge_id=merge_id,
        winner=profile.customer_id,
        loser=record.loser,
        at=record.at,
        sequence=sequence,
        message_id=record.message_id,
        source=record.source,
        method=record.method,
        evidence=record.evidence,
        identifiers=record.identifiers,
        winner_before=encode_profile(profile),
        loser_before=record.loser_before,
    )
    other = decode_profile(record.loser_before)
    merge(profile, other, core.settings.policy)
    profile.absorbed += [record.loser, *other.absorbed]
    lineage = {profile.customer_id, *profile.absorbed}
    profile.apart = [c for c in dict.fromkeys([*profile.apart, *other.apart]) if c not in lineage]
    core.merges.put(kept.merge_id, kept)
    return merge_id


def replay(
    core: ShardCore,
    profile: Profile,
    timeline: list[TimelineEntry],
    identifiers: set[str],
    sequences: Iterable[int] | None = None,
) -> None:
    """Does again to a restored profile what has happened to its side. Its events are appended to this shard's log or,
    if they are there at `sequences`, linked to one another; a merge keeps the profile with what came before linked."""
    rows = None if sequences is None else iter(sequences)
    for entry in timeline:
        if entry.event is not None:
            for identifier in entry.event.identifiers:
                if identifier in identifiers and identifier not in profile.identifiers:
                    add_identifier(profile, identifier, entry.event)
            changed = apply(profile, entry.event, core.settings.policy, core.settings.purposes)
            core.keep_consents(entry.event, profile.customer_id, changed)
            if rows is None:
                core.log_event(profile, entry.event)
            else:
                row = next(rows)
                core.log.relinked.append((row, profile.last_event))
                profile.last_event = row
        elif entry.merge is not None:
            join(core, profile, entry.merge)


class Side:
    """One of the two profiles that an unmerge leaves."""

    def __init__(self, state: bytes) -> None:
        self.state = state
        self.identifiers: set[str] = set(decode_profile(state).identifiers)
        self.timeline: list[TimelineEntry] = []
        self.sequences: list[int] = []  # of the events in the timeline, in the winner's shard

    def take(self, entry: TimelineEntry, identifiers: list[str]) -> None:
        self.timeline.append(entry)
        self.identifiers.update(identifiers)

    def set_apart(self, customer_ids: list[int]) -> None:
        if customer_ids:
            profile = decode_profile(self.state)
            profile.apart = [*profile.apart, *customer_ids]
            self.state = encode_profile(profile)


def split(core: ShardCore, profile: Profile, record: MergeRecord) -> tuple[Side, Side]:
    """Deals out what `profile` is between the winner's and the loser's side of the merge `record`."""
    winner, loser = Side(record.winner_before), Side(record.loser_before)
    history = core.log.chain(profile.customer_id, profile.last_event, record.sequence)
    later = [
        core.merge(m.merge_id)
        for m in core.merges.values()
        if m.winner == profile.customer_id and m.sequence > record.sequence and not m.undone_at
    ]
    happened = sorted(
        [(e.sequence, TimelineEntry(event=e.event), list(e.event.identifiers)) for e in history]
        + [(m.sequence, TimelineEntry(merge=m), m.identifiers) for m in later],
        key=lambda item: item[0],
    )
    # An identifier that comes with a later merge was not the profile's before, whatever an event carried.
    brought_by = {m.merge_id: list(decode_profile(m.loser_before).identifiers) for m in later}
    coming = Counter(i for identifiers in brought_by.values() for i in identifiers)
    for sequence, entry, carried in happened:
        merged = brought_by[entry.merge.merge_id] if entry.merge is not None else []
        coming.subtract(merged)
        known = [i for i in carried if i in profile.identifiers and coming[i] <= 0]
        side = next((s for i in known for s in (winner, loser) if i in s.identifiers), winner)
        other = loser if side is winner else winner
        if entry.merge is None:
            side.sequences.append(sequence)
        elif side is loser:
            entry = _moving(core, entry.merge)
        side.take(entry, [i for i in (*known, *merged) if i not in other.identifiers])
    # What no remaining event explains (an event that was since moved away) stays with the winner.
    winner.identifiers.update(set(profile.identifiers) - loser.identifiers)
    # What was set apart from the joined profile since is apart from both: nobody said which of the two it was.
    told = [decode_profile(state).apart for state in (winner.state, loser.state, *(m.loser_before for m in later))]
    since = [c for c in profile.apart if not any(c in apart for apart in told)]
    winner.set_apart(since)
    loser.set_apart(since)
    return winner, loser


def undone(record: MergeRecord, now: int) -> MergeRecord:
    """The record of a merge that was taken back: it keeps nothing that would outlive an erasure of either person.

    Where one of the two had taken in others, what speaks of the two may speak of those, who may be apart by now.
    """
    states = (record.winner_before, record.loser_before)
    others = any(decode_profile(state).absorbed for state in states)
    return msgspec.structs.replace(
        record,
        undone_at=now,
        winner_before=b"",
        loser_before=b"",
        identifiers=[] if others else record.identifiers,
        evidence=None if others else record.evidence,
    )


def _moving(core: ShardCore, merge: MergeRecord) -> TimelineEntry:
    """A later merge goes along with the restored side: its record leaves this shard and gets an id at the other."""
    core.merges.delete(merge.merge_id)
    return TimelineEntry(merge=msgspec.structs.replace(merge, merge_id="", sequence=0))


def rebuild_winner(core: ShardCore, profile: Profile, record: MergeRecord, side: Side) -> Profile:
    """The winner as if the merge had not been: its log rows stay, without those that went to the loser."""
    rebuilt = decode_profile(side.state)
    replay(core, rebuilt, side.timeline, side.identifiers, side.sequences)
    rebuilt.memberships = dict(profile.memberships)
    rebuilt.due = 0
    rebuilt.apart = list(dict.fromkeys([*rebuilt.apart, record.loser]))
    return rebuilt
