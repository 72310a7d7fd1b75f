"""What people have refused since a backup was made: noted beside the data keys, so that a restore loses none of it.

Only what restricts is noted (a withdrawal, an objection, a restriction, an unsubscription), as the register that it
leaves on a profile. A restore tells the profile of it: what was said before still counts by its time, and what was
granted after the backup is lost, which is the side to err on.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from models.events.event import Event
from models.privacy.purposes import Purposes
from models.privacy.statements import restricts
from models.profile.policy import ProfilePolicy
from models.profile.reduce import apply
from models.profile.registers import is_later_permission, observe_permission
from models.profile.state import Observation, Profile

_OPT_IN = "_opt_in"


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """One register of a profile, where it restricts."""

    section: str  # "consents" or "preferences"
    name: str
    timestamp: int  # ms
    tie: int
    value: Any
    source: str

    @property
    def observation(self) -> Observation:
        return Observation(self.timestamp, self.tie, self.value, self.source)


def refusals_in(event: Event, policy: ProfilePolicy, purposes: Purposes) -> list[Refusal]:
    """What an event refuses: it is folded into an empty profile, as the shard folds it."""
    profile = Profile(0, 0)
    apply(profile, event, policy, purposes)
    return refusals_of(profile)


def refusals_of(profile: Profile) -> list[Refusal]:
    """What a profile refuses."""
    consents = [("consents", name, told) for name, told in profile.consents.items() if restricts(told.value, name)]
    wishes = [
        ("preferences", name, told)
        for name, told in profile.preferences.items()
        if name.endswith(_OPT_IN) and told.value is not True
    ]
    return [
        Refusal(section, name, told.timestamp, told.tie, told.value, told.source)
        for section, name, told in (*consents, *wishes)
    ]


def later(new: Refusal, held: Refusal | None) -> bool:
    """Whether of two for the same register the new one holds."""
    return held is None or is_later_permission(new.observation, held.observation)


def tell(profile: Profile, refusals: Iterable[Refusal]) -> bool:
    """Tells a profile of refusals; whether any of its registers holds another value now."""
    changed = False
    for refusal in refusals:
        registers = profile.consents if refusal.section == "consents" else profile.preferences
        changed |= observe_permission(registers, refusal.name, refusal.observation)
    return changed
