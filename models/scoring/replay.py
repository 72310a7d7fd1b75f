"""A profile as it was: made of the events up to a time by the very reduction that makes it live.

Who a person is, is taken as it is known now: an event counts for whom it belongs to today. What happened later is not
there, so no feature of the past can tell of it.
"""

from collections.abc import Iterable, Iterator

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
    return next(profiles_as_of(customer_id, events, (at,), policy, purposes))


def profiles_as_of(
    customer_id: int,
    events: Iterable[Event],
    times: Iterable[int],
    policy: ProfilePolicy,
    purposes: Purposes = NO_PURPOSES,
) -> Iterator[Profile | None]:
    """The same at one time after the other, ascending. It is one profile that grows: read it before asking for the
    next."""
    past = sorted(events, key=lambda event: (time_of(event), event.message_id))
    profile, done = None, 0
    for at in times:
        while done < len(past) and time_of(past[done]) <= at:
            event = past[done]
            if profile is None:
                profile = Profile(customer_id, time_of(event))
            for identifier in event.identifiers:
                add_identifier(profile, identifier, event)
            apply(profile, event, policy, purposes)
            done += 1
        yield profile
