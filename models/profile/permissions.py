"""Preferences and consents: what a person wishes, and what they have agreed to. What cannot be read is a no."""

from typing import Any

from models.events.event import Event
from models.privacy.purposes import Purposes
from models.privacy.statements import restricts, stated
from models.profile.policy import ProfileLimits, ProfilePolicy
from models.profile.registers import is_later, is_later_permission, observe, observe_permission
from models.profile.room import leave_out
from models.profile.state import Observation, Profile

_OPT_IN = "_opt_in"
_YES = frozenset({"true", "yes", "y", "1", "on", "subscribed", "opted_in"})


def observe_preference(profile: Profile, trait: str, observation: Observation, policy: ProfilePolicy) -> str:
    """Tells the preference that a trait sets, if it sets one. Returns its name if it is another one now, else ""."""
    name = policy.preference_traits.get(trait)
    inverted = name is None
    if name is None:
        name = policy.opt_out_traits.get(trait)
        if name is None:
            return ""
    value = observation.value
    if not name.endswith(_OPT_IN):
        if value is not None and not isinstance(value, str):
            return ""
        if value is not None and len(value) > policy.limits.text:
            leave_out(profile.beyond_limits, "preferences")
            return ""
        return name if observe(profile.preferences, name, observation) else ""
    if value is not None:
        said = _is_yes(value)
        value = not said if inverted else said
    changed = observe_permission(
        profile.preferences, name, Observation(observation.timestamp, observation.tie, value, observation.source)
    )
    return name if changed else ""


def observe_subscription(
    preferences: dict[str, Observation], channel: str, action: str, timestamp: int, tie: int, source: str
) -> str:
    """Tells of "Email Unsubscribed" and its like. Returns the preference if it is another one now, else ""."""
    if action not in ("subscribed", "unsubscribed"):
        return ""
    name = channel + _OPT_IN
    told = Observation(timestamp, tie, action == "subscribed", source)
    return name if observe_permission(preferences, name, told) else ""


def observe_consents(
    profile: Profile, event: Event, timestamp: int, tie: int, limits: ProfileLimits, purposes: Purposes
) -> list[str]:
    """Tells what the event says of consent (`models.privacy.statements`). Returns the categories and purposes that are
    another one now."""
    consents = profile.consents
    changed = []
    for category, value in stated(event, purposes).items():
        if category not in consents and (len(consents) >= limits.consents or len(category) > limits.text):
            leave_out(profile.beyond_limits, "privacy")
            continue
        told = Observation(timestamp, tie, value, event.source)
        if observe_permission(consents, category, told):
            changed.append(category)
    return changed


def merge_preferences(into: dict[str, Observation], other: dict[str, Observation]) -> None:
    """Joins two persons' preferences."""
    for name, theirs in other.items():
        held = into.get(name)
        later = is_later_permission if name.endswith(_OPT_IN) else is_later
        if held is None or later(theirs, held):
            into[name] = theirs


def merge_consents(into: Profile, other: Profile, limits: ProfileLimits) -> None:
    """Joins two persons' consents: of what one of the two has refused, the refusal holds, until a later word."""
    consents = into.consents
    for category, theirs in other.consents.items():
        held = consents.get(category)
        if held is None:
            if len(consents) >= limits.consents:
                leave_out(into.beyond_limits, "privacy")
            else:
                consents[category] = theirs
            continue
        strict = max(restricts(held.value, category), restricts(theirs.value, category))
        refusals = [each for each in (held, theirs) if restricts(each.value, category) == strict]
        # As of the later word of the two, so that only what comes after both can lift it.
        at, tie = max((held.timestamp, held.tie), (theirs.timestamp, theirs.tie))
        consents[category] = Observation(at, tie, refusals[0].value, min(each.source for each in refusals))


def _is_yes(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _YES
    return value is True or (type(value) is int and value == 1)
