"""Resolution across profiles and shards: lock identifiers, lock profiles, decide, settle.

The coordinator is the shard where the event was found to need it. Locks are taken in one global order
(identifiers before profiles; within each by shard, then by name), so that workflows never wait in a circle.
From the moment that all locks are held the outcome is certain, and every later message only carries it out:
losers yield their state to the winner, the winner settles and is unlocked, identifiers get their owner.
An unmerge is the same with one profile.
"""

from collections.abc import Iterable

import msgspec

from models.identity.customer_id import shard_of
from models.identity.resolution import plan
from models.profile.reduce import add_identifier
from models.profile.state import Profile, decode_profile, encode_profile
from models.shard.commands import UnmergeRefused
from models.shard.core import Redirect, Settling, ShardCore, Workflow, exact_methods
from models.shard.locks import Request, key_lock, profile_lock
from models.shard.merging import candidate_of, join, rebuild_winner, replay, split
from models.shard.messages import (
    Absorb,
    Absorbed,
    Confirmed,
    Deliver,
    Finish,
    Flush,
    Flushed,
    Found,
    Intake,
    KeysLocked,
    LockKeys,
    LockProfiles,
    ProfilesLocked,
    Repoint,
    Reroute,
    Restore,
    Restored,
    UnlockKeys,
    UnlockProfiles,
    Yield,
)
from models.shard.protocol import MergeRecord, SegmentChange


class Workflows:
    """Handlers of the messages that workflows exchange, for both of their ends."""

    def __init__(self, core: ShardCore) -> None:
        self._core = core

    # Events that look for their profile

    def take(self, intake: Intake) -> None:
        """An event that was just taken in here: to its profile if its first identifier has one."""
        core = self._core
        customer_id = core.identifiers.get(intake.event.route)
        if customer_id is None:
            self._start(intake)
        elif shard_of(customer_id) == core.shard:
            self.deliver(Deliver(customer_id, intake))
        else:
            core.send(shard_of(customer_id), Deliver(customer_id, intake))

    def deliver(self, message: Deliver, past_lock: bool = False) -> None:
        """Applies the event if all its identifiers are the profile's; otherwise starts a workflow."""
        core = self._core
        customer_id, intake = message.customer_id, message.intake
        redirect = core.redirects.get(customer_id)
        if redirect is not None:
            core.send(shard_of(redirect.target), Deliver(redirect.target, intake))
            return
        if not past_lock and len(core.locks) and core.lock.held(profile_lock(customer_id)):
            core.sequence += 1
            core.held.put(core.sequence, intake)
            core.lock.hold(profile_lock(customer_id), core.sequence)
            return
        profile = core.profile(customer_id)
        if all(i in profile.identifiers for i in intake.event.identifiers):
            core.report(intake, core.apply_event(intake, profile))
        else:
            self._start(intake)

    # The coordinator

    def _start(self, intake: Intake) -> None:
        workflow = Workflow(self._number(), intake=intake)
        self._lock_keys(workflow, intake.event.identifiers)

    def start_unmerge(self, call: int, merge_id: str) -> None:
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
            workflow = Workflow(self._number(), merge_id=merge_id, call=call)
            self._lock_keys(workflow, core.profile(record.winner).identifiers)

    def _number(self) -> int:
        core = self._core
        core.sequence += 1
        return core.sequence << 10 | core.shard

    def _lock_keys(self, workflow: Workflow, identifiers: Iterable[str]) -> None:
        core = self._core
        workflow.keys = sorted(identifiers, key=lambda i: (core.home(i), i))
        workflow.owners = {}
        self._next_keys(workflow)

    def _next_keys(self, workflow: Workflow) -> None:
        core = self._core
        missing = [i for i in workflow.keys if i not in workflow.owners]
        if not missing:
            record = core.merges.get(workflow.merge_id)
            owners = {record.winner} if record else set(workflow.owners.values()) - {0}
            self._lock_profiles(workflow, owners)
            return
        core.workflows.put(workflow.number, workflow)
        home = core.home(missing[0])
        core.send(home, LockKeys(workflow.number, [i for i in missing if core.home(i) == home]))

    def keys_locked(self, message: KeysLocked) -> None:
        workflow = self._core.workflows[message.workflow]
        workflow.owners.update(message.owners)
        self._next_keys(workflow)

    def _lock_profiles(self, workflow: Workflow, customer_ids: set[int]) -> None:
        workflow.profiles = sorted(customer_ids, key=lambda c: (shard_of(c), c))
        workflow.candidates = {}
        workflow.moved = {}
        self._next_profiles(workflow)

    def _next_profiles(self, workflow: Workflow) -> None:
        core = self._core
        missing = [c for c in workflow.profiles if c not in workflow.candidates and c not in workflow.moved]
        if missing:
            core.workflows.put(workflow.number, workflow)
            shard = shard_of(missing[0])
            core.send(shard, LockProfiles(workflow.number, [c for c in missing if shard_of(c) == shard]))
        elif workflow.moved:
            # Some were merged away meanwhile. Let all go and ask for where they went: keeps the order of locks.
            self._unlock_profiles(workflow, list(workflow.candidates))
            for identifier, owner in workflow.owners.items():
                workflow.owners[identifier] = workflow.moved.get(owner, owner)
            targets = {workflow.moved.get(c, c) for c in workflow.profiles}
            if workflow.merge_id:
                self._give_up_unmerge(workflow, "conflict", "the merged profile was merged into another meanwhile")
            else:
                self._lock_profiles(workflow, targets)
        elif workflow.intake is not None:
            self._decide(workflow, workflow.intake)
        else:
            self._split(workflow)

    def profiles_locked(self, message: ProfilesLocked) -> None:
        workflow = self._core.workflows[message.workflow]
        for found in message.found:
            if found.candidate is None:
                workflow.moved[found.customer_id] = found.moved_to
            else:
                workflow.candidates[found.customer_id] = found.candidate
        self._next_profiles(workflow)

    def _decide(self, workflow: Workflow, intake: Intake) -> None:
        core = self._core
        event = intake.event
        decided = plan(
            event.identifiers,
            workflow.owners,
            workflow.candidates,
            core.settings.identity.limits,
            core.settings.identity.limit_default,
            event.explicit,
        )
        target = decided.target
        if not target:
            profile = core.create_profile()
            core.save(profile)
            target = profile.customer_id
            core.lock.acquire(workflow.number, [profile_lock(target)])
        for loser in decided.losers:
            core.send(shard_of(loser), Yield(workflow.number, loser, target))
        bystanders = [c for c in workflow.candidates if c != target and c not in decided.losers]
        self._unlock_profiles(workflow, bystanders)
        confirmations = self._unlock_keys(workflow, dict.fromkeys(decided.added, target), shard_of(target))
        core.send(
            shard_of(target),
            Finish(
                workflow=workflow.number,
                winner=target,
                losers=decided.losers,
                intake=intake,
                kept=decided.kept,
                added=decided.added,
                joined={i: workflow.owners[i] for i in decided.kept},
                demoted=decided.demoted,
                confirmations=confirmations,
            ),
        )
        core.workflows.delete(workflow.number)

    def _unlock_profiles(self, workflow: Workflow, customer_ids: list[int]) -> None:
        core = self._core
        groups: dict[int, list[int]] = {}
        for customer_id in customer_ids:
            groups.setdefault(shard_of(customer_id), []).append(customer_id)
        for shard, group in groups.items():
            core.send(shard, UnlockProfiles(workflow.number, group))

    def _unlock_keys(self, workflow: Workflow, owners: dict[str, int], inform: int = -1) -> int:
        """Frees the identifiers and gives some new owners. Returns how many shards will confirm that to `inform`.

        Identifiers of losers keep their owner until the winner has its state (`absorbed`): the redirect leads on.
        """
        core = self._core
        asked = 0
        for home, group in core.by_home(workflow.keys).items():
            new = {i: owners[i] for i in group if i in owners}
            tell = inform if new else -1
            asked += tell >= 0
            core.send(home, UnlockKeys(workflow.number, group, new, tell))
        return asked

    # The homes of identifiers

    def lock_keys(self, message: LockKeys) -> None:
        core = self._core
        if core.lock.acquire(message.workflow, [key_lock(i) for i in message.identifiers]):
            self._keys_granted(message.workflow, message.identifiers)

    def _keys_granted(self, workflow: int, identifiers: list[str]) -> None:
        core = self._core
        owners = {i: core.identifiers.get(i) or 0 for i in identifiers}
        core.send(_coordinator(workflow), KeysLocked(workflow, owners))

    def unlock_keys(self, message: UnlockKeys) -> None:
        core = self._core
        for identifier, owner in message.owners.items():
            if core.identifiers.get(identifier) != owner:
                core.identifiers.put(identifier, owner)
        for identifier in message.identifiers:
            self._release(key_lock(identifier))
        if message.inform >= 0:
            core.send(message.inform, Confirmed(message.workflow))

    def repoint(self, message: Repoint) -> None:
        core = self._core
        for identifier in message.identifiers:
            if core.identifiers.get(identifier) == message.previous:
                core.identifiers.put(identifier, message.current)

    # The shards of profiles

    def lock_profiles(self, message: LockProfiles) -> None:
        names = [profile_lock(c) for c in message.customer_ids]
        if self._core.lock.acquire(message.workflow, names):
            self._profiles_granted(message.workflow, message.customer_ids)

    def _profiles_granted(self, workflow: int, customer_ids: list[int]) -> None:
        core = self._core
        found = []
        for customer_id in customer_ids:
            redirect = core.redirects.get(customer_id)
            if redirect is None:
                found.append(Found(customer_id, candidate=candidate_of(core.profile(customer_id))))
            else:
                found.append(Found(customer_id, moved_to=redirect.target))
                core.send(core.shard, UnlockProfiles(workflow, [customer_id]))
        core.send(_coordinator(workflow), ProfilesLocked(workflow, found))

    def unlock_profiles(self, message: UnlockProfiles) -> None:
        for customer_id in message.customer_ids:
            self._release(profile_lock(customer_id))

    def _release(self, name: str) -> None:
        """Frees a lock; what waited behind it goes on."""
        core = self._core
        held, request = core.lock.release(name)
        for number in held:
            intake = core.held[number]
            core.held.delete(number)
            self.deliver(Deliver(int(name[1:]), intake), past_lock=True)
        if request is not None:
            self._granted(request)

    def _granted(self, request: Request) -> None:
        if request.names[0].startswith("k"):
            self._keys_granted(request.workflow, [name[1:] for name in request.names])
        else:
            self._profiles_granted(request.workflow, [int(name[1:]) for name in request.names])

    def yield_(self, message: Yield) -> None:
        """The loser's state goes to the winner; what is left here is a redirect.

        Until the winner has it, readers still find the loser here: the redirect holds for events only.
        """
        core = self._core
        profile = core.profile(message.loser)
        core.leave_all(profile, "merge")
        profile.due = 0
        core.save(profile)
        core.send(
            shard_of(message.winner),
            Absorb(message.workflow, message.winner, message.loser, encode_profile(profile)),
        )
        core.redirects.put(message.loser, Redirect(message.winner, profile.last_event))
        self._release(profile_lock(message.loser))

    def absorbed(self, message: Absorbed) -> None:
        """The winner has the loser's state."""
        core = self._core
        winner = core.redirects[message.loser].target
        for home, group in core.by_home(core.profile(message.loser).identifiers).items():
            core.send(home, Repoint(message.loser, winner, group))
        core.delete_profile(message.loser)
        core.send(shard_of(winner), Confirmed(message.workflow))

    def absorb(self, message: Absorb) -> None:
        settling = self._core.settling.get(message.workflow) or Settling()
        settling.states[message.loser] = message.state
        self._settle(message.workflow, settling)

    def finish(self, message: Finish) -> None:
        settling = self._core.settling.get(message.workflow) or Settling()
        settling.finish = message
        self._settle(message.workflow, settling)

    def _settle(self, workflow: int, settling: Settling) -> None:
        """Once the plan and all losers are here: the profile becomes what was decided."""
        core = self._core
        finish = settling.finish
        if finish is None or any(loser not in settling.states for loser in finish.losers):
            core.settling.put(workflow, settling)
            return
        intake, event = finish.intake, finish.intake.event
        if finish.demoted:
            # What is stored says which identifiers counted: an unmerge deals events out by them.
            event = msgspec.structs.replace(event, identifiers=tuple(finish.kept), demoted=tuple(finish.demoted))
            intake = msgspec.structs.replace(intake, event=event)
        profile = core.profile(finish.winner)
        created = not profile.identifiers
        for loser in finish.losers:
            join(
                core,
                profile,
                MergeRecord(
                    merge_id="",
                    winner=profile.customer_id,
                    loser=loser,
                    at=core.now,
                    sequence=0,
                    message_id=event.message_id,
                    source=event.source,
                    method="explicit" if event.explicit else "exact",
                    identifiers=finish.kept,
                    winner_before=b"",
                    loser_before=settling.states[loser],
                ),
            )
        for identifier in finish.added:
            add_identifier(profile, identifier, event)
        changes: list[SegmentChange] = []
        if finish.losers:
            changes = core.reevaluate(profile, core.index.all, "merge")
        elif created:
            changes = core.reevaluate(profile, core.index.all, event.message_id)
        core.log_links(profile, event, finish.kept, finish.joined)
        matched = [i for i in finish.kept if finish.joined[i]]
        settling.result = core.apply_event(
            intake,
            profile,
            methods=exact_methods(matched) if matched else ["new"],
            created=created,
            changes=changes,
            merged=finish.losers,
            demoted=finish.demoted,
        )
        for loser in finish.losers:
            core.send(shard_of(loser), Absorbed(workflow, loser))
        settling.applied = True
        settling.states = {}
        self._close(workflow, settling, finish)

    def confirmed(self, message: Confirmed) -> None:
        """Readers of one more shard see what the workflow did. An unmerge is answered when all do."""
        core = self._core
        workflow = core.workflows.get(message.workflow)
        if workflow is not None and workflow.merge_id:
            workflow.unseen -= 1
            if workflow.unseen:
                core.workflows.put(workflow.number, workflow)
            else:
                record = core.merges[workflow.merge_id]
                core.workflows.delete(workflow.number)
                core.replies.append((workflow.call, (record.winner, record.loser)))
            return
        settling = self._core.settling.get(message.workflow) or Settling()
        settling.confirmed += 1
        if settling.applied and settling.finish is not None:
            self._close(message.workflow, settling, settling.finish)
        else:
            self._core.settling.put(message.workflow, settling)

    def _close(self, workflow: int, settling: Settling, finish: Finish) -> None:
        """Reports the event and frees the profile once every shard's readers see what the workflow did."""
        core = self._core
        if settling.confirmed < finish.confirmations + len(finish.losers):
            core.settling.put(workflow, settling)
            return
        core.settling.delete(workflow)
        core.report(finish.intake, settling.result)
        self._release(profile_lock(finish.winner))

    # Unmerging

    def _split(self, workflow: Workflow) -> None:
        """All locks of an unmerge are held. Identifiers that the profile got meanwhile must be locked too."""
        core = self._core
        record = core.merges.get(workflow.merge_id)
        if record is None or record.undone_at:
            self._unlock_profiles(workflow, list(workflow.candidates))
            self._give_up_unmerge(workflow, "conflict", "this merge has been taken back already")
            return
        record = core.merge(workflow.merge_id)
        profile = core.profile(record.winner)
        if any(i not in workflow.owners for i in profile.identifiers):
            self._unlock_profiles(workflow, list(workflow.candidates))
            self._unlock_keys(workflow, {})
            self._lock_keys(workflow, list(profile.identifiers))
            return
        if workflow.flushed < core.shards**2:
            # Identifiers may still be on their way to the winner. Locks are held: nothing new sets out.
            core.workflows.put(workflow.number, workflow)
            if not workflow.flushed:
                for shard in range(core.shards):
                    core.send(shard, Flush(workflow.number))
            return
        winner, loser = split(core, profile, record)
        record.undone_at = core.now
        core.merges.put(record.merge_id, record)
        rebuilt = rebuild_winner(core, profile, record, winner)
        core.save(rebuilt)
        core.unlogged.extend(loser.sequences)
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

    def flush(self, message: Flush) -> None:
        """Passes a flush on to every shard, behind all that was sent before; the second one to get it answers."""
        core = self._core
        if message.passed_on:
            core.send(_coordinator(message.workflow), Flushed(message.workflow))
            return
        for shard in range(core.shards):
            core.send(shard, Flush(message.workflow, passed_on=True))

    def flushed(self, message: Flushed) -> None:
        workflow = self._core.workflows[message.workflow]
        workflow.flushed += 1
        if workflow.flushed == self._core.shards**2:
            self._split(workflow)
        else:
            self._core.workflows.put(workflow.number, workflow)

    def restore(self, message: Restore) -> None:
        """A profile that was merged away is back, with what has happened to its side since."""
        core = self._core
        profile: Profile = decode_profile(message.state)
        core.redirects.delete(message.customer_id)
        replay(core, profile, message.timeline, set(message.identifiers), log=True)
        profile.memberships = {}
        profile.due = 0
        profile.apart = list(dict.fromkeys([*profile.apart, message.winner]))
        core.reevaluate(profile, core.index.all, "unmerge")
        core.save(profile)
        for customer_id in profile.absorbed:
            core.send(shard_of(customer_id), Reroute(customer_id, profile.customer_id))
        core.send(_coordinator(message.workflow), Restored(message.workflow))

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
        workflow.unseen = self._unlock_keys(workflow, workflow.owners, core.shard)
        core.workflows.put(workflow.number, workflow)
        self._unlock_profiles(workflow, [record.winner])

    def _give_up_unmerge(self, workflow: Workflow, code: str, text: str) -> None:
        core = self._core
        self._unlock_keys(workflow, {})
        core.workflows.delete(workflow.number)
        core.replies.append((workflow.call, UnmergeRefused(code, text)))


def _coordinator(workflow: int) -> int:
    """The shard that coordinates a workflow, from its number."""
    return workflow & 1023
