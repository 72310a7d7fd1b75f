"""A profile as it was: made of the events up to a time by the very reduction that makes it live.

Who a person is, is taken as it is known now: an event counts for whom it belongs to today. What happened later is not
there, so no feature of the past can tell of it.
"""

from collections.abc import Iterable

from models.events.event import Event
from models.privacy.purposes import NO_PURPOSES, Purposes
from models.profile.policy import ProfilePolicy
from models.profile.reduce import add_identifier, apply, time_of
from models.profile.state import Profile


def profile_as_of(
    customer_id: int, events: Iterable[Event], at: int, policy: ProfilePolicy, purposes: Purposes = NO_PURPOSES
) -> Profile | None:
    """The profile of a person's events, in any order, up to and with a time, ms; None if there were none by then.

    Events count by when they happened, not by when they came in: what was imported later is history too. They are those
    of the log, which holds what might be kept of them; `purposes` tells what signals of consent mean.
    """
    past = [event for event in events if time_of(event) <= at]
    if not past:
        return None
    past.sort(key=lambda event: (time_of(event), event.message_id))
    profile = Profile(customer_id, time_of(past[0]))
    for event in past:
        for identifier in event.identifiers:
            add_identifier(profile, identifier, event)
        apply(profile, event, policy, purposes)
    return profile
