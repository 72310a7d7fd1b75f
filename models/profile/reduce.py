"""The reduction: an event folded into a profile, and two profiles joined into one.

Whatever the order of the events, and however they were split over profiles that were merged later, the
state is the same: every section is a join of registers, sums and sets, each in its own module. That holds
below `policy.limits`; what is left out beyond them is what came too late.
"""

from models.events.event import Event
from models.privacy.corrections import CORRECTION
from models.privacy.purposes import NO_PURPOSES, STATEMENT, Purposes
from models.profile.attributes import merge_attributes, observe_attribute, room_of
from models.profile.behaviors import count_event, merge_events, names_of
from models.profile.corrections import cover, merge_corrections, observe_corrections, uncover
from models.profile.engagement import PASSIVE_ACTIONS, channel_of, count_engagement, merge_channels
from models.profile.permissions import (
    merge_consents,
    merge_preferences,
    observe_consents,
    observe_preference,
    observe_subscription,
)
from models.profile.policy import ProfilePolicy
from models.profile.properties import pack_properties
from models.profile.realtime import mark_active, merge_minutes, observe_context
from models.profile.registers import is_later, observe
from models.profile.room import Room, leave_out
from models.profile.state import IdentifierInfo, Observation, Profile, copy_of, tie_of
from models.profile.transactions import bound_orders, merge_folded, merge_orders, observe_order
from models.scoring.statements import SCORED


def add_identifier(profile: Profile, identifier: str, event: Event) -> None:
    """Makes an identifier of `event` one of the profile's; then `apply` of that event counts the sighting."""
    if identifier not in profile.identifiers:
        at = time_of(event)
        profile.identifiers[identifier] = IdentifierInfo(at, at, 0, event.source)


def apply(profile: Profile, event: Event, policy: ProfilePolicy, purposes: Purposes = NO_PURPOSES) -> list[str]:
    """Folds one event into the profile, in place, once: duplicates are the caller's to keep out.

    `purposes` tells what signals of consent mean. What may be kept of the event was decided before.

    Returns the paths of the document that are another one now, such as "attributes.city", "behaviors.Product
    Viewed", "transactions", "engagement.web", "preferences.language", "privacy.consents.analytics",
    "groups.g1", "identities" (a new one), "realTimeContext", "first_seen", "last_seen".
    """
    at = time_of(event)
    tie = tie_of(event.message_id)
    changed: list[str] = []
    if event.type == STATEMENT:  # the person was not seen
        return _apply_consents(profile, event, at, tie, policy, purposes)
    if event.type == CORRECTION:
        return [f"attributes.{name}" for name in observe_corrections(profile, event, at, tie, policy.limits)]
    if event.type == SCORED:  # nor here
        _apply_traits(profile, event, policy, at, tie, changed)
        return changed
    if at > profile.last_seen:
        profile.last_seen = at
        changed.append("last_seen")
    if at < profile.first_seen or not profile.first_seen:
        profile.first_seen = at
        changed.append("first_seen")
    if _count_sightings(profile, event, at):
        changed.append("identities")
    context = event.context
    if event.type == "identify" or "traits" in context:
        _apply_traits(profile, event, policy, at, tie, changed)
    if "consent" in context:
        changed += _apply_consents(profile, event, at, tie, policy, purposes)
    names = purposes.counted_names(event)
    if names_of(event):
        _apply_action(profile, event, names, policy, at, tie, changed)
    elif event.type == "group" and event.group_id:
        _apply_group(profile, event, policy, at, tie, changed)
    if observe_context(profile, event, at, tie):
        changed.append("realTimeContext")
    return changed


def _apply_consents(
    profile: Profile, event: Event, at: int, tie: int, policy: ProfilePolicy, purposes: Purposes
) -> list[str]:
    categories = observe_consents(profile, event, at, tie, policy.limits, purposes)
    return [f"privacy.consents.{category}" for category in categories]


def merge(into: Profile, other: Profile, policy: ProfilePolicy) -> None:
    """Joins all that is known of `other` into `into`: the result is as if all their events were of one profile.

    What the shard machine owns is left as it is in `into`. `other` is not changed and shares nothing with it.
    """
    other = copy_of(other)
    if into.corrections or other.corrections:
        uncover(into)
        uncover(other)
    into.created_at = min(into.created_at, other.created_at)
    if other.first_seen:
        into.first_seen = min(into.first_seen or other.first_seen, other.first_seen)
        into.last_seen = max(into.last_seen, other.last_seen)
    for identifier, theirs in other.identifiers.items():
        held = into.identifiers.get(identifier)
        if held is None:
            into.identifiers[identifier] = theirs
            continue
        held.first, held.source = min((held.first, held.source), (theirs.first, theirs.source))
        held.last = max(held.last, theirs.last)
        held.count += theirs.count
    merge_attributes(into, other, policy)
    if other.corrections:
        merge_corrections(into, other, policy.limits)
    if into.corrections:
        cover(into)
    limits, beyond = policy.limits, into.beyond_limits
    merge_events(into.events, other.events, limits, beyond)
    merge_orders(into.orders, other.orders)
    merge_folded(into, other, limits)
    bound_orders(into, limits)
    merge_channels(into, other, limits)
    merge_preferences(into.preferences, other.preferences)
    merge_consents(into, other, limits)
    room = _room_for_groups(into, policy)
    for group_id, group in other.groups.items():
        _observe_group(into.groups, group_id, group, room)
    for key, observation in other.context.items():
        observe(into.context, key, observation)
    merge_minutes(into.active_minutes, other.active_minutes)
    for section, count in other.beyond_limits.items():
        beyond[section] = beyond.get(section, 0) + count


def time_of(event: Event) -> int:
    """ms; 0 stands for "never" in a profile, so that no event is before 1."""
    return event.timestamp if event.timestamp > 0 else 1


def _count_sightings(profile: Profile, event: Event, at: int) -> bool:
    """Counts the event for those of its identifiers that are the profile's. Returns whether one is new."""
    identifiers = profile.identifiers
    new = False
    for identifier in event.identifiers:
        info = identifiers.get(identifier)
        if info is None:
            continue
        if not info.count:
            new = True
        info.count += 1
        if at > info.last:
            info.last = at
        if at <= info.first and (at, event.source) < (info.first, info.source):
            info.first, info.source = at, event.source
    return new


def _apply_traits(profile: Profile, event: Event, policy: ProfilePolicy, at: int, tie: int, changed: list[str]) -> None:
    """Traits of an identify call, over those that any event carries in context.traits."""
    traits = event.context.get("traits")
    if not isinstance(traits, dict):
        traits = {}
    if event.type in ("identify", SCORED):
        traits = {**traits, **event.traits} if traits else event.traits
    corrected = uncover(profile) if profile.corrections else frozenset()
    attributes = profile.attributes
    room = room_of(profile, policy)
    rules, default = policy.attributes, policy.default_attribute
    for trait, value in traits.items():
        observation = Observation(at, tie, value, event.source)
        told = observe_attribute(attributes, trait, observation, rules.get(trait, default), room)
        if told and trait not in corrected:
            changed.append(f"attributes.{trait}")
        preference = observe_preference(profile, trait, observation, policy)
        if preference:
            changed.append(f"preferences.{preference}")
    if corrected:
        cover(profile)


def _apply_action(
    profile: Profile,
    event: Event,
    names: tuple[str, ...],
    policy: ProfilePolicy,
    at: int,
    tie: int,
    changed: list[str],
) -> None:
    """Something that the person did, or that was done to them: a track, page or screen event."""
    detail, left_out = pack_properties(event, policy)
    if left_out:
        leave_out(profile.beyond_limits, "properties", left_out)
    for name in names:
        if count_event(profile.events, name, at, detail, policy.limits, profile.beyond_limits):
            changed.append(f"behaviors.{name}")
    step = policy.order_events.get(event.name) if event.type == "track" else None
    if step and observe_order(profile, event, step, at, tie, policy):
        changed.append("transactions")
    channel, action = channel_of(event, policy)
    if channel:
        if count_engagement(profile, channel, action, at, policy.limits):
            changed.append(f"engagement.{channel}")
        preference = observe_subscription(profile.preferences, channel, action, at, tie, event.source)
        if preference:
            changed.append(f"preferences.{preference}")
    # Refunds and cancellations are mostly the shop's doing.
    if action not in PASSIVE_ACTIONS and step in (None, "completed"):
        mark_active(profile.active_minutes, at)


def _room_for_groups(profile: Profile, policy: ProfilePolicy) -> Room:
    return Room(profile.groups, "groups", policy.limits.groups, policy.limits, profile.beyond_limits)


def _apply_group(profile: Profile, event: Event, policy: ProfilePolicy, at: int, tie: int, changed: list[str]) -> None:
    told = Observation(at, tie, event.traits, event.source)
    if _observe_group(profile.groups, event.group_id, told, _room_for_groups(profile, policy)):
        changed.append(f"groups.{event.group_id}")


def _observe_group(groups: dict[str, Observation], group_id: str, new: Observation, room: Room) -> bool:
    """The latest traits of the group; a call without any does not wipe what is known of it."""
    held = groups.get(group_id)
    if held is not None:
        if bool(new.value) != bool(held.value):
            if not new.value:
                return False
        elif not is_later(new, held):
            return False
        if not room.takes_instead(new.value, held.value):
            return False
    elif not room.takes(group_id, new.value):
        return False
    groups[group_id] = new
    return held is None or bool(new.value != held.value)
