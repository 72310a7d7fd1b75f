"""Taking a merge back, across shards: one profile and all its identifiers are locked, split in two, and let go.

What goes to which side is decided in `models.shard.merging`.
"""

from models.identity.customer_id import shard_of
from models.profile.state import Profile, decode_profile
from models.shard.commands import UnmergeRefused
from models.shard.core import ShardCore
from models.shard.locking import Locking, coordinator_of
from models.shard.merging import rebuild_winner, replay, split, undone
from models.shard.messages import Reroute, Restore, Restored
from models.shard.rows import Redirect, Workflow


class Unmerges:
    """The steps of an unmerge, at all shards that take part."""

    def __init__(self, core: ShardCore, locking: Locking) -> None:
        self._core = core
        self._locking = locking

    def start(self, call: int, merge_id: str) -> None:
        """Begins to take a merge back; refuses at once where that cannot be."""
        core = self._core
        record = core.merges.get(merge_id)
        if record is None:
            core.replies.append((call, UnmergeRefused("not_found", "there is no such merge")))
        elif record.undone_at:
            core.replies.append((call, UnmergeRefused("conflict", "this merge has been taken back already")))
        elif record.winner in core.redirects:
            text = "the merged profile was itself merged into another since: take that merge back first"
            core.replies.append((call, UnmergeRefused("conflict", text)))
        else:
            workflow = Workflow(self._locking.number(), merge_id=merge_id, call=call)
            self._locking.lock_keys(workflow, core.profile(record.winner).identifiers)

    def moved(self, workflow: Workflow) -> None:
        """The profile is no longer here: no lock of a profile is held."""
        self._give_up(workflow, "conflict", "the merged profile was merged into another meanwhile")

    def split(self, workflow: Workflow) -> None:
        """All locks of an unmerge are held. Identifiers that the profile got meanwhile must be locked too."""
        core = self._core
        record = core.merges.get(workflow.merge_id)
        if record is None or record.undone_at:
            self._locking.unlock_profiles(workflow, list(workflow.candidates))
            self._give_up(workflow, "conflict", "this merge has been taken back already")
            return
        record = core.merge(workflow.merge_id)
        profile = core.profile(record.winner)
        if any(i not in workflow.owners for i in profile.identifiers):
            self._locking.unlock_profiles(workflow, list(workflow.candidates))
            self._locking.unlock_keys(workflow, {})
            self._locking.lock_keys(workflow, list(profile.identifiers))
            return
        if not self._locking.has_flushed(workflow):
            return
        winner, loser = split(core, profile, record)
        core.merges.put(record.merge_id, undone(record, core.now))
        rebuilt = rebuild_winner(core, profile, record, winner)
        core.save_anew(rebuilt)
        core.mark_for_matching(rebuilt.customer_id)
        core.log.remove(loser.sequences)
        # Answers on consent of both sides are kept anew: one that the other had given already was none.
        since = (*winner.timeline, *loser.timeline)
        core.disowned += [(record.winner, entry.event) for entry in since if entry.event is not None]
        core.reevaluate(rebuilt, core.index.all, "unmerge")
        core.send(
            shard_of(record.loser),
            Restore(
                workflow=workflow.number,
                customer_id=record.loser,
                winner=record.winner,
                state=loser.state,
                timeline=loser.timeline,
                identifiers=sorted(loser.identifiers),
            ),
        )
        workflow.owners = {i: record.loser if i in loser.identifiers else record.winner for i in workflow.owners}
        core.workflows.put(workflow.number, workflow)

    def restore(self, message: Restore) -> None:
        """A profile that was merged away is back, with what has happened to its side since."""
        core = self._core
        profile: Profile = decode_profile(message.state)
        redirect = core.redirects.get(message.customer_id)
        if redirect is not None:
            profile.last_event = redirect.last_event  # a purge may have taken out the last one of then
        core.redirects.delete(message.customer_id)
        replay(core, profile, message.timeline, set(message.identifiers))
        profile.memberships = {}
        profile.due = 0
        profile.apart = list(dict.fromkeys([*profile.apart, message.winner]))
        core.reevaluate(profile, core.index.all, "unmerge")
        core.save_anew(profile)
        core.mark_for_matching(profile.customer_id)
        for customer_id in profile.absorbed:
            core.send(shard_of(customer_id), Reroute(customer_id, profile.customer_id))
        core.send(coordinator_of(message.workflow), Restored(message.workflow))

    def reroute(self, message: Reroute) -> None:
        """A profile that was merged away here now belongs to another."""
        core = self._core
        redirect = core.redirects[message.customer_id]
        core.redirects.put(message.customer_id, Redirect(message.target, redirect.last_event))

    def restored(self, message: Restored) -> None:
        """Both sides stand: now the identifiers may be used again."""
        core = self._core
        workflow = core.workflows[message.workflow]
        record = core.merges[workflow.merge_id]
        workflow.unseen = self._locking.unlock_keys(workflow, workflow.owners, core.shard)
        core.workflows.put(workflow.number, workflow)
        self._locking.unlock_profiles(workflow, [record.winner])

    def confirmed(self, workflow: Workflow) -> None:
        """Readers of one more shard see it; the caller is answered when all do."""
        core = self._core
        workflow.unseen -= 1
        if workflow.unseen:
            core.workflows.put(workflow.number, workflow)
        else:
            record = core.merges[workflow.merge_id]
            core.workflows.delete(workflow.number)
            core.replies.append((workflow.call, (record.winner, record.loser)))

    def _give_up(self, workflow: Workflow, code: str, text: str) -> None:
        core = self._core
        self._locking.unlock_keys(workflow, {})
        core.workflows.delete(workflow.number)
        core.replies.append((workflow.call, UnmergeRefused(code, text)))
