"""Corrections on a profile: a corrected trait has its value whatever events tell, of whatever time, under any policy.

What events tell goes on being kept beneath the correction, joined as ever, so that a lifted correction leaves what
would be there without it. Of several corrections of a trait the latest holds, also where two profiles become one. So
the order in which events, corrections and merges come makes no difference here either.
"""

import msgspec

from models.events.event import Event
from models.privacy.corrections import lifted
from models.profile.policy import ProfileLimits
from models.profile.registers import is_later
from models.profile.room import leave_out
from models.profile.state import Attribute, Correction, Observation, Profile


def observe_corrections(profile: Profile, event: Event, at: int, tie: int, limits: ProfileLimits) -> list[str]:
    """Tells of a statement. Returns the names of the traits whose value may be another one now."""
    stated = {name: Correction(Observation(at, tie, None, event.source), lifted=True) for name in lifted(event)}
    for name, value in event.traits.items():
        stated[name] = Correction(Observation(at, tie, value, event.source))
    uncover(profile)
    changed = [name for name, each in stated.items() if _take(profile, name, each, limits)]
    cover(profile)
    return changed


def uncover(profile: Profile) -> frozenset[str]:
    """Takes corrections off, so that the attributes are what events tell. Returns the names of the corrected ones.
    Nobody may see the profile before `cover` puts them on again."""
    standing = frozenset(name for name, each in profile.corrections.items() if not each.lifted)
    for name in standing:
        beneath = profile.corrections[name].beneath
        if beneath is None:
            profile.attributes.pop(name, None)
        else:
            profile.attributes[name] = beneath
    return standing


def cover(profile: Profile) -> None:
    """Puts corrections on."""
    for name, each in profile.corrections.items():
        if not each.lifted:
            beneath = profile.attributes.get(name)
            profile.corrections[name] = msgspec.structs.replace(each, beneath=beneath)
            profile.attributes[name] = Attribute(each.stated)


def merge_corrections(into: Profile, other: Profile, limits: ProfileLimits) -> None:
    """Joins two uncovered profiles' corrections."""
    for name, theirs in other.corrections.items():
        _take(into, name, theirs, limits)


def _take(profile: Profile, name: str, new: Correction, limits: ProfileLimits) -> bool:
    corrections = profile.corrections
    held = corrections.get(name)
    if held is None and len(corrections) >= limits.traits:
        leave_out(profile.beyond_limits, "corrections")
        return False
    if held is not None and not _outranks(new, held):
        return False
    corrections[name] = msgspec.structs.replace(new, beneath=None)
    return True


def _outranks(new: Correction, held: Correction) -> bool:
    if new.stated == held.stated:
        return held.lifted and not new.lifted
    return is_later(new.stated, held.stated)
