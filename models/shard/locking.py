"""How a workflow gets its locks: identifiers, then profiles, each in one global order (by shard, then by name).

So workflows never wait in a circle. This is the coordinator's side; the other is where the identifiers and profiles are
(`models.shard.workflow`).
"""

from collections.abc import Callable, Iterable

from models.identity.customer_id import shard_of
from models.shard.core import ShardCore
from models.shard.messages import (
    Flush,
    Flushed,
    KeysLocked,
    LockKeys,
    LockProfiles,
    ProfilesLocked,
    UnlockKeys,
    UnlockProfiles,
)
from models.shard.rows import Workflow


class Locking:
    """Asks for the locks of the workflows that this shard coordinates, and gives them back."""

    def __init__(self, core: ShardCore, ready: Callable[[Workflow], None], moved: Callable[[Workflow], None]) -> None:
        """`ready` is called when a workflow has all its locks; `moved` when some of its profiles (`workflow.moved`)
        turned out to be merged away or gone, and no profile is locked any more."""
        self._core = core
        self._ready = ready
        self._moved = moved

    def number(self) -> int:
        """A new workflow's number, which says where it is coordinated."""
        core = self._core
        core.sequence += 1
        return core.sequence << 10 | core.shard

    def lock_keys(self, workflow: Workflow, identifiers: Iterable[str]) -> None:
        """Locks identifiers, then the profiles that own them."""
        core = self._core
        workflow.keys = sorted(identifiers, key=lambda i: (core.home(i), i))
        workflow.owners = {}
        self._next_keys(workflow)

    def _next_keys(self, workflow: Workflow) -> None:
        core = self._core
        missing = [i for i in workflow.keys if i not in workflow.owners]
        if not missing:
            record = core.merges.get(workflow.merge_id)
            if workflow.erasure is not None:
                owners = {workflow.erasure.customer_id}
            elif record is not None:
                owners = {record.winner}
            else:
                owners = set(workflow.owners.values()) - {0}
            self.lock_profiles(workflow, owners)
            return
        core.workflows.put(workflow.number, workflow)
        home = core.home(missing[0])
        core.send(home, LockKeys(workflow.number, [i for i in missing if core.home(i) == home]))

    def keys_locked(self, message: KeysLocked) -> None:
        workflow = self._core.workflows[message.workflow]
        workflow.owners.update(message.owners)
        self._next_keys(workflow)

    def lock_profiles(self, workflow: Workflow, customer_ids: set[int]) -> None:
        """Locks profiles."""
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
            asked = [c for c in missing if shard_of(c) == shard]
            core.send(shard, LockProfiles(workflow.number, asked, workflow.pairing is not None))
        elif workflow.moved:
            # Some were merged away meanwhile. Let all go, and then ask for where they went: keeps the order of locks.
            self.unlock_profiles(workflow, list(workflow.candidates))
            for identifier, owner in workflow.owners.items():
                workflow.owners[identifier] = workflow.moved.get(owner, owner)
            self._moved(workflow)
        else:
            self._ready(workflow)

    def profiles_locked(self, message: ProfilesLocked) -> None:
        workflow = self._core.workflows[message.workflow]
        for found in message.found:
            if found.candidate is None:
                workflow.moved[found.customer_id] = found.moved_to
            else:
                workflow.candidates[found.customer_id] = found.candidate
                workflow.digests[found.customer_id] = found.digest
        self._next_profiles(workflow)

    def unlock_profiles(self, workflow: Workflow, customer_ids: list[int]) -> None:
        """Lets go of some of the workflow's profiles."""
        core = self._core
        groups: dict[int, list[int]] = {}
        for customer_id in customer_ids:
            groups.setdefault(shard_of(customer_id), []).append(customer_id)
        for shard, group in groups.items():
            core.send(shard, UnlockProfiles(workflow.number, group))

    def unlock_keys(self, workflow: Workflow, owners: dict[str, int], inform: int = -1) -> int:
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

    def has_flushed(self, workflow: Workflow) -> bool:
        """Whether all that was sent before the locks were held has been handled; if not, `ready` is called again when
        it has. Identifiers may still be on their way to a locked profile, and nothing new sets out."""
        core = self._core
        if workflow.flushed == core.shards**2:
            return True
        core.workflows.put(workflow.number, workflow)
        if not workflow.flushed:
            for shard in range(core.shards):
                core.send(shard, Flush(workflow.number))
        return False

    def flush(self, message: Flush) -> None:
        """Passes a flush on to every shard, behind all that was sent before; the second one to get it answers."""
        core = self._core
        if message.passed_on:
            core.send(coordinator_of(message.workflow), Flushed(message.workflow))
            return
        for shard in range(core.shards):
            core.send(shard, Flush(message.workflow, passed_on=True))

    def flushed(self, message: Flushed) -> None:
        workflow = self._core.workflows[message.workflow]
        workflow.flushed += 1
        if workflow.flushed == self._core.shards**2:
            self._ready(workflow)
        else:
            self._core.workflows.put(workflow.number, workflow)


def coordinator_of(workflow: int) -> int:
    """The shard that coordinates a workflow, from its number."""
    return workflow & 1023
