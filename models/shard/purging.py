"""Purging: what is past its time goes out of profiles, of their events, and of what merges keep to be taken back.

A run walks through the people of a shard, some in each step. Of those who became one, the shard of the profile that is
left decides by what they have agreed to now, and tells the shards that have the others' events and merges. A run that
is cut short begins anew: what was done is not there to be done again.

Events are the rows of a chain, newest to oldest. Rows go out of its middle; what is left is linked anew. After
the first merge that can be taken back every row stays, bare if need be: an unmerge deals identifiers out by them.
"""

from collections import Counter
from collections.abc import Callable

import msgspec

from models.identity.customer_id import shard_of
from models.privacy.purposes import is_restricted
from models.privacy.retention import Purged, Terms, is_empty, left_of, purge_profile, terms_of
from models.profile.state import Profile, decode_profile, encode_profile
from models.shard.commands import Purge
from models.shard.core import ShardCore
from models.shard.messages import Prune
from models.shard.protocol import MergeRecord, PurgeStep
from models.shard.rows import Redirect


class Purging:
    """The steps of a purge at one shard."""

    def __init__(self, core: ShardCore) -> None:
        self._core = core
        self._run = 0
        self._left: list[int] = []  # customer ids that this run is still to look at
        self._latest: tuple[int, int, PurgeStep] | None = None  # run, step, what came of it

    def purge(self, command: Purge) -> None:
        """The next people of a run."""
        core = self._core
        if self._latest is not None and self._latest[:2] == (command.run, command.step):
            core.replies.append((command.call, self._latest[2]))
            return
        if command.run != self._run:
            self._run, self._left = command.run, list(core.profiles)
        step = PurgeStep(0)
        gone: Purged = Counter()
        for _ in range(min(command.limit, len(self._left))):
            customer_id = self._left.pop()
            if not core.is_live(customer_id):
                continue
            profile = core.profile(customer_id)
            step.people += self._purge(profile, gone)
            inactive = command.inactive_ms and profile.last_seen < core.now - command.inactive_ms
            if inactive and is_empty(profile) and not is_restricted(profile.consents):
                step.empty.append(customer_id)
        step.left = len(self._left)
        step.purged = [(purpose, section, entries) for (purpose, section), entries in gone.items()]
        self._latest = (command.run, command.step, step)
        core.replies.append((command.call, step))

    def _purge(self, profile: Profile, gone: Purged) -> bool:
        """Whether anything of a person went."""
        core = self._core
        terms = terms_of(profile, core.settings.purposes, core.now)
        if terms is None or (profile.first_seen or core.now) >= terms.newest:
            return False
        before = gone.total()
        went = purge_profile(profile, terms)
        gone.update(went)
        profile.last_event, changed = self._purge_kept(profile.customer_id, profile.last_event, terms, gone)
        told = any(section == "attributes" for _, section in went)
        for customer_id in profile.absorbed:
            message = Prune(customer_id, sorted(terms.granted), sorted(terms.protected), told)
            core.send(shard_of(customer_id), message)
        if gone.total() == before and not changed:
            return False
        core.reevaluate(profile, core.index.all, "purge")
        core.save_anew(profile)
        if told:
            core.unevidenced.append(profile.customer_id)
            core.mark_for_matching(profile.customer_id)
        return True

    def prune(self, message: Prune) -> None:
        """The same for what is here of a profile that was merged away; if it is back, it has a turn of its own."""
        core = self._core
        redirect = core.redirects.get(message.customer_id)
        if redirect is None:
            return
        terms = Terms(core.settings.purposes, frozenset(message.granted), core.now, frozenset(message.protected))
        if message.told:
            core.unevidenced.append(message.customer_id)
        head, changed = self._purge_kept(message.customer_id, redirect.last_event, terms, Counter())
        if changed:
            core.redirects.put(message.customer_id, Redirect(redirect.target, head))

    def _purge_kept(self, customer_id: int, head: int, terms: Terms, gone: Purged) -> tuple[int, bool]:
        """Purges the events and merges of a profile. Returns the new head of its chain, and whether it was changed."""
        core = self._core
        standing = [
            core.merge(merge_id)
            for merge_id in sorted(core.merges_of([customer_id]))
            if core.merges[merge_id].winner == customer_id and not core.merges[merge_id].undone_at
        ]
        needed_after = min((record.sequence for record in standing), default=1 << 62)
        kept: list[int] = []
        changed = gap = False
        for stored in core.log.chain(customer_id, head):
            left, may_go = left_of(stored.event, terms, gone)
            if may_go and stored.sequence <= needed_after:
                core.log.remove([stored.sequence])
                changed = gap = True
                continue
            if left is not stored.event:
                core.log.changed[stored.sequence] = left
            if gap:
                core.log.relinked.append((stored.sequence, kept[-1] if kept else 0))
                gap = False
            kept.append(stored.sequence)
        for record in standing:
            self._purge_record(record, terms, lambda before: max((s for s in kept if s <= before), default=0))
        return (kept[-1] if kept else 0), changed

    def _purge_record(self, record: MergeRecord, terms: Terms, head_by: Callable[[int], int]) -> None:
        """Purges the states that a merge keeps of both sides; the winner's events are here, and so is their head."""
        winner, loser = decode_profile(record.winner_before), decode_profile(record.loser_before)
        gone = purge_profile(winner, terms) + purge_profile(loser, terms)
        head = head_by(winner.last_event)
        if not gone and head == winner.last_event:
            return
        winner.last_event = head
        told = any(section == "attributes" for _, section in gone)
        self._core.merges.put(
            record.merge_id,
            msgspec.structs.replace(
                record,
                winner_before=encode_profile(winner),
                loser_before=encode_profile(loser),
                evidence=None if told else record.evidence,
            ),
        )
