"""Erasing a person, across shards: all that stands for them is locked, and every shard forgets them.

The profile and its identifiers are locked first, as for an unmerge, so that the profile is whole and stays where it is.
Each shard then takes out what it has of any profile that became this person, and refuses from then on what carries one
of the identifiers: events that were on their way, or waited for a lock, meet that.
"""

from models.shard.commands import Erasure
from models.shard.core import ShardCore, dedupe_key
from models.shard.locking import Locking, coordinator_of
from models.shard.messages import Forget, Forgotten, Unsee
from models.shard.protocol import Erased, Finding, StoredEvent
from models.shard.reviews import Reviews
from models.shard.rows import Workflow


class Erasures:
    """The steps of an erasure, at all shards."""

    def __init__(self, core: ShardCore, locking: Locking, reviews: Reviews) -> None:
        self._core = core
        self._locking = locking
        self._reviews = reviews
        self._calls: dict[str, list[int]] = {}  # request id -> who waits; whoever does not any more asks again

    def start(self, call: int, erasure: Erasure) -> None:
        """Begins to erase; asked again, answers with what came of it."""
        core = self._core
        self._calls.setdefault(erasure.request_id, []).append(call)
        if any(w.erasure is not None and w.erasure.request_id == erasure.request_id for w in core.workflows.values()):
            return
        if not core.is_live(erasure.customer_id):
            self._answer(erasure)
            return
        workflow = Workflow(self._locking.number(), erasure=erasure)
        self._locking.lock_keys(workflow, core.profile(erasure.customer_id).identifiers)

    def moved(self, workflow: Workflow, erasure: Erasure) -> None:
        """The profile was merged or erased meanwhile: no lock of a profile is held."""
        core = self._core
        self._locking.unlock_keys(workflow, {})
        core.workflows.delete(workflow.number)
        self._answer(erasure)

    def _answer(self, erasure: Erasure) -> None:
        core = self._core
        answer = core.erased.get(erasure.request_id)
        if answer is None:
            redirect = core.redirects.get(erasure.customer_id)
            answer = Erased(moved_to=redirect.target if redirect else 0)
        core.replies.extend((call, answer) for call in self._calls.pop(erasure.request_id, ()))

    def ready(self, workflow: Workflow, erasure: Erasure) -> None:
        """The profile is locked. Identifiers that it got meanwhile must be locked too."""
        core = self._core
        profile = core.profile(erasure.customer_id)
        if any(i not in workflow.owners for i in profile.identifiers):
            self._locking.unlock_profiles(workflow, list(workflow.candidates))
            self._locking.unlock_keys(workflow, {})
            self._locking.lock_keys(workflow, profile.identifiers)
            return
        if not self._locking.has_flushed(workflow):
            return
        workflow.people = [profile.customer_id, *profile.absorbed]
        workflow.unseen = core.shards
        core.workflows.put(workflow.number, workflow)
        message = Forget(workflow.number, workflow.people, list(profile.identifiers), erasure.refused_until)
        for shard in range(core.shards):
            core.send(shard, message)

    def forget(self, message: Forget) -> None:
        """Takes out what this shard has of a person."""
        core = self._core
        people = set(message.people)
        for identifier in message.identifiers:
            core.suppressions.add(identifier, message.refused_until)
            if core.identifiers.get(identifier) in people:
                core.identifiers.delete(identifier)
        events = 0
        for customer_id in message.people:
            self._reviews.update(Finding(customer_id, [], gone=True))
            events += self._forget_profile(customer_id)
        for merge_id in core.merges_of(message.people):
            core.merges.delete(merge_id)
        core.forgotten.extend(message.people)
        core.send(coordinator_of(message.workflow), Forgotten(message.workflow, events))

    def _forget_profile(self, customer_id: int) -> int:
        """A profile that is here, or was before it was merged away: it goes, with its events. Returns their number."""
        core = self._core
        redirect = core.redirects.get(customer_id)
        if redirect is not None:
            head = redirect.last_event
            core.redirects.delete(customer_id)
        elif core.is_live(customer_id):
            profile = core.profile(customer_id)
            head = profile.last_event
            core.leave_all(profile, "erasure")
            core.delete_profile(customer_id)
        else:
            return 0
        return self._unlog(core.log.chain(customer_id, head))

    def _unlog(self, events: list[StoredEvent]) -> int:
        """Takes events out of the log, and out of what was seen. Returns their number."""
        self._core.log.remove(stored.sequence for stored in events)
        homes: dict[int, list[str]] = {}
        for stored in events:
            homes.setdefault(self._core.home(stored.event.route), []).append(dedupe_key(stored.event))
        for home, keys in homes.items():
            self._core.send(home, Unsee(keys))
        return len(events)

    def forgotten(self, message: Forgotten) -> None:
        """One more shard has forgotten the person; after the last the identifiers are free, and the caller is told."""
        core = self._core
        workflow = core.workflows[message.workflow]
        workflow.unseen -= 1
        workflow.events += message.events
        erasure = workflow.erasure
        if workflow.unseen or erasure is None:
            core.workflows.put(workflow.number, workflow)
            return
        done = Erased(
            people=workflow.people,
            identifiers=[core.suppressions.fingerprint(identifier) for identifier in workflow.keys],
            events=workflow.events,
            at=core.now,
        )
        core.erased.put(erasure.request_id, done)
        self._locking.unlock_keys(workflow, {})
        self._locking.unlock_profiles(workflow, [erasure.customer_id])
        core.workflows.delete(workflow.number)
        self._answer(erasure)
