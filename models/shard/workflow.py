"""Resolution across profiles and shards: lock identifiers, lock profiles, decide, settle.

The coordinator is the shard where the event was found to need it. Locks are taken in one global order
(identifiers before profiles; within each by shard, then by name), so that workflows never wait in a circle.
From the moment that all locks are held the outcome is certain, and every later message only carries it out:
losers yield their state to the winner, the winner settles and is unlocked, identifiers get their owner.
An unmerge is the same with one profile, a pairing (`models.shard.pairing`) with two and no identifier.
"""

import msgspec

from models.identity.customer_id import shard_of
from models.identity.profile_record import is_matched_identifier, profile_digest
from models.identity.resolution import plan
from models.privacy.corrections import CORRECTION
from models.privacy.purposes import STATEMENT
from models.profile.reduce import add_identifier
from models.profile.state import encode_profile
from models.scoring.statements import SCORED
from models.shard.core import ShardCore, exact_methods
from models.shard.erasing import Erasures
from models.shard.locking import Locking, coordinator_of
from models.shard.locks import Request, key_lock, profile_lock
from models.shard.merging import candidate_of, join
from models.shard.messages import (
    Absorb,
    Absorbed,
    Answer,
    Confirmed,
    Deliver,
    Finish,
    Found,
    Intake,
    KeysLocked,
    LockKeys,
    LockProfiles,
    ProfilesLocked,
    Repoint,
    UnlockKeys,
    UnlockProfiles,
    Yield,
)
from models.shard.pairing import Pairings, settle_pair
from models.shard.protocol import MergeRecord, Paired, SegmentChange
from models.shard.reviews import Reviews
from models.shard.rows import Redirect, Settling, Workflow
from models.shard.unmerging import Unmerges

# Said of somebody who was there. If they have been erased since, nobody comes to be by it.
_OF_SOMEBODY = frozenset({SCORED, STATEMENT, CORRECTION})


class Workflows:
    """Handlers of the messages that workflows exchange, for both of their ends."""

    def __init__(self, core: ShardCore, reviews: Reviews) -> None:
        self._core = core
        self.locking = Locking(core, self._ready, self._moved)
        self.unmerges = Unmerges(core, self.locking)
        self.pairings = Pairings(core, self.locking, reviews)
        self.erasures = Erasures(core, self.locking, reviews)

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
        if core.suppressions.refuses(intake.event):
            core.refuse(intake)
        elif core.is_live(customer_id) and self._knows(customer_id, intake.event.identifiers):
            core.report(intake, core.apply_event(intake, core.profile(customer_id)))
        else:
            self._start(intake)

    def _knows(self, customer_id: int, identifiers: tuple[str, ...]) -> bool:
        known = self._core.profile(customer_id).identifiers
        return all(identifier in known for identifier in identifiers)

    # The coordinator

    def _start(self, intake: Intake) -> None:
        workflow = Workflow(self.locking.number(), intake=intake)
        self.locking.lock_keys(workflow, intake.event.identifiers)

    def _ready(self, workflow: Workflow) -> None:
        """All locks are held."""
        if workflow.intake is not None:
            self._decide(workflow, workflow.intake)
        elif workflow.pairing is not None:
            self.pairings.ready(workflow, workflow.pairing)
        elif workflow.erasure is not None:
            self.erasures.ready(workflow, workflow.erasure)
        else:
            self.unmerges.split(workflow)

    def _moved(self, workflow: Workflow) -> None:
        """Some profiles were merged away meanwhile; none is locked."""
        if workflow.intake is not None:
            self.locking.lock_profiles(workflow, {workflow.moved.get(c, c) for c in workflow.profiles} - {0})
        elif workflow.pairing is not None:
            self.pairings.moved(workflow, workflow.pairing)
        elif workflow.erasure is not None:
            self.erasures.moved(workflow, workflow.erasure)
        else:
            self.unmerges.moved(workflow)

    def _decide(self, workflow: Workflow, intake: Intake) -> None:
        core = self._core
        event = intake.event
        is_gone = event.type in _OF_SOMEBODY and not any(workflow.owners.values())
        if is_gone or core.suppressions.refuses(event):
            self.locking.unlock_profiles(workflow, list(workflow.candidates))
            self.locking.unlock_keys(workflow, {})
            core.workflows.delete(workflow.number)
            core.refuse(intake)
            return
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
        self.locking.unlock_profiles(workflow, bystanders)
        confirmations = self.locking.unlock_keys(workflow, dict.fromkeys(decided.added, target), shard_of(target))
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

    # The homes of identifiers

    def lock_keys(self, message: LockKeys) -> None:
        core = self._core
        if core.lock.acquire(message.workflow, [key_lock(i) for i in message.identifiers]):
            self._keys_granted(message.workflow, message.identifiers)

    def _keys_granted(self, workflow: int, identifiers: list[str]) -> None:
        core = self._core
        owners = {i: core.identifiers.get(i) or 0 for i in identifiers}
        core.send(coordinator_of(workflow), KeysLocked(workflow, owners))

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
        if self._core.lock.acquire(message.workflow, names, message.digests):
            self._profiles_granted(message.workflow, message.customer_ids, message.digests)

    def _profiles_granted(self, workflow: int, customer_ids: list[int], digests: bool) -> None:
        core = self._core
        found = []
        for customer_id in customer_ids:
            redirect = core.redirects.get(customer_id)
            if core.is_live(customer_id):
                profile = core.profile(customer_id)
                digest = profile_digest(profile) if digests else 0
                found.append(Found(customer_id, candidate=candidate_of(profile), digest=digest))
            else:
                found.append(Found(customer_id, moved_to=redirect.target if redirect else 0))
                core.send(core.shard, UnlockProfiles(workflow, [customer_id]))
        core.send(coordinator_of(workflow), ProfilesLocked(workflow, found))

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
            self._profiles_granted(request.workflow, [int(name[1:]) for name in request.names], request.digests)

    def yield_(self, message: Yield) -> None:
        """The loser's state goes to the winner; what is left here is a redirect.

        Until the winner has it, readers still find the loser here: the redirect holds for events only.
        """
        core = self._core
        profile = core.profile(message.loser)
        core.leave_all(profile, "merge")
        core.column_keeper.remove(message.loser)
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
        if finish.intake is not None:
            self._settle_event(finish, finish.intake, settling)
        elif finish.pairing is not None:
            settle_pair(core, finish, finish.pairing, settling)
        for loser in finish.losers:
            core.send(shard_of(loser), Absorbed(workflow, loser))
        settling.applied = True
        settling.states = {}
        self._close(workflow, settling, finish)

    def _settle_event(self, finish: Finish, intake: Intake, settling: Settling) -> None:
        core = self._core
        event = intake.event
        if finish.demoted:
            # What is stored says which identifiers counted: an unmerge deals events out by them.
            event = msgspec.structs.replace(event, identifiers=tuple(finish.kept), demoted=tuple(finish.demoted))
            intake = msgspec.structs.replace(intake, event=event)
        profile = core.profile(finish.winner)
        created = not profile.identifiers
        matching = core.settings.matching.enabled
        digest = profile_digest(profile) if matching and finish.losers else 0
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
        if matching and (
            any(is_matched_identifier(i) for i in finish.added) or (finish.losers and profile_digest(profile) != digest)
        ):
            core.mark_for_matching(profile.customer_id)
        changes: list[SegmentChange] = []
        if finish.losers:
            core.save_anew(profile)
            changes = core.reevaluate(profile, core.index.all, "merge")
        elif created:
            changes = core.reevaluate(profile, core.index.of_the_unknown, event.message_id)
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

    def confirmed(self, message: Confirmed) -> None:
        """Readers of one more shard see what the workflow did. An unmerge is answered when all do."""
        core = self._core
        workflow = core.workflows.get(message.workflow)
        if workflow is not None and workflow.merge_id:
            self.unmerges.confirmed(workflow)
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
        if finish.intake is not None:
            core.report(finish.intake, settling.result)
        else:
            done = Paired("joined", finish.winner, finish.losers[0], settling.merge_id)
            core.send(coordinator_of(workflow), Answer(finish.call, done))
        self._release(profile_lock(finish.winner))
