"""One unsharded resolver, written plainly: the judge of the sharded one."""

import msgspec

from models.events.event import Event
from models.identity.resolution import Candidate, plan
from models.profile.reduce import add_identifier, apply
from models.profile.state import Profile, canonical
from models.shard.state import MachineSettings


class Oracle:
    """Takes events one by one; keeps who owns which identifier and which events belong to whom."""

    def __init__(self, settings: MachineSettings) -> None:
        self.settings = settings
        self.owner: dict[str, int] = {}
        self.identifiers: dict[int, list[str]] = {}
        self.events: dict[int, list[tuple[Event, list[str]]]] = {}
        self._last = 0

    def take(self, event: Event) -> int:
        found = {o for i in event.identifiers if (o := self.owner.get(i))}
        decided = plan(
            event.identifiers,
            self.owner,
            {c: Candidate(c, self.identifiers[c]) for c in found},
            self.settings.identity.limits,
            self.settings.identity.limit_default,
            event.explicit,
        )
        target = decided.target
        if not target:
            self._last += 1
            target = self._last
            self.identifiers[target], self.events[target] = [], []
        for loser in decided.losers:
            self.identifiers[target] += self.identifiers.pop(loser)
            self.events[target] += self.events.pop(loser)
        self.identifiers[target] += decided.added
        self.events[target].append((event, decided.kept))
        for identifier in self.identifiers[target]:
            self.owner[identifier] = target
        return target

    def profile(self, customer_id: int) -> Profile:
        """The profile, folded from its events from the start."""
        profile = Profile(customer_id, 0)
        for event, kept in self.events[customer_id]:
            for identifier in kept:
                if identifier not in profile.identifiers:
                    add_identifier(profile, identifier, event)
            apply(profile, msgspec.structs.replace(event, identifiers=tuple(kept)), self.settings.policy)
        return profile


def essence(profile: Profile) -> bytes:
    """What the events say of a person: the profile without what depends on where and when it was made."""
    return canonical(
        msgspec.structs.replace(
            profile,
            customer_id=0,
            created_at=0,
            sequence=0,
            absorbed=[],
            apart=[],
            memberships={},
            last_event=0,
            due=0,
        )
    )
