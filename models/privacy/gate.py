"""The gate at the way into a profile: what of an event may be kept, given what the person has agreed to by then."""

from datetime import UTC, date, datetime

import msgspec

from models.events.clock import parse_time
from models.events.event import Event
from models.privacy.purposes import RESTRICTED, STATEMENT, Admission, Purposes, admit, said
from models.privacy.statements import stated
from models.profile.registers import observe_permission
from models.profile.state import Observation, Profile, tie_of


def admitted(profile: Profile, event: Event, purposes: Purposes) -> Admission:
    """What may be kept of an event of this person, at the time of its receipt. Its own word on consent counts.

    Of an event that may not be kept, there stays that the person was seen, and what was said of consent. A restriction
    of processing keeps nothing out: what comes is kept, and used for nothing (article 18).
    """
    if not purposes.is_on or event.type == STATEMENT:
        return Admission(event)
    consents = dict(profile.consents)
    at, tie = max(event.timestamp, 1), tie_of(event.message_id)
    for category, value in stated(event, purposes).items():
        observe_permission(consents, category, Observation(at, tie, value, event.source))
    consents.pop(RESTRICTED, None)
    now = event.received_at
    admission = admit(purposes, event, purposes.granted(consents, now, is_minor(profile, purposes, now)))
    return admission if admission.event is not None else Admission(_seen(event), admission.left_out)


def is_minor(profile: Profile, purposes: Purposes, now: int) -> bool:
    """Whether the person is known to be too young to agree by themselves at `now` ms."""
    for trait in purposes.birthday_traits:
        attribute = profile.attributes.get(trait)
        born = None if attribute is None else parse_time(attribute.winner.value)
        if born is not None:
            return _age(_day(born), _day(now)) < purposes.minor_age
    return False


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def _seen(event: Event) -> Event:
    return msgspec.structs.replace(
        event,
        type="identify",
        name="",
        traits={},
        properties={},
        context=said(event),
        group_id="",
        integrations={},
    )
