"""What stays of other people's events that carry an erased person's identifiers, and of these people's profiles: what
names somebody else is not theirs to keep.

They come there by a device that two share, of which only one may have the identifier, and by a merge that was taken
back: the event that showed both is in the log of one of them.
"""

from collections.abc import Iterable, Mapping

import msgspec

from models.events.event import Event
from models.identity.identifiers import Normalise
from models.privacy.letters import mentions
from models.privacy.needles import is_distinctive
from models.privacy.suppression import carried, moment_of
from models.profile.corrections import cover, uncover
from models.profile.state import Profile


def parted(event: Event, refused_until: Mapping[str, int], normalise: Normalise) -> Event:
    """The event without the identifiers of erased people, each refused up to a time (ms); the very event if it carries
    none of before. If anything else in it names them too, it keeps only that it happened, and answers on consent."""
    gone = carries(event, refused_until)
    if not gone:
        return event
    kept = tuple(each for each in event.identifiers if each not in gone)
    left = msgspec.structs.replace(
        event,
        identifiers=kept,
        demoted=tuple(each for each in event.demoted if each not in gone),
        route=next(iter(kept), "") if event.route in gone else event.route,
    )
    content = (left.name, left.traits, left.properties, left.context, left.group_id, left.integrations)
    if not _names(content, moment_of(event), refused_until, normalise):
        return left
    context = {name: told for name, told in left.context.items() if name == "consent"}
    return msgspec.structs.replace(left, traits={}, properties={}, context=context, group_id="", integrations={})


def carries(event: Event, refused_until: Mapping[str, int]) -> set[str]:
    """The identifiers of erased people that an event of before carries."""
    return refused((event.route, *carried(event)), moment_of(event), refused_until)


def part_profile(profile: Profile, refused_until: Mapping[str, int], normalise: Normalise) -> bool:
    """Takes traits that name erased people out of a profile, in place, but what operators have corrected. Returns
    whether there were any."""
    uncover(profile)
    gone = []
    for name, attribute in profile.attributes.items():
        told = (name, attribute.winner.value, list(attribute.counts or ()))
        if _names(told, attribute.winner.timestamp, refused_until, normalise):
            gone.append(name)
    for name in gone:
        del profile.attributes[name]
    cover(profile)
    return bool(gone)


def refused(identifiers: Iterable[str], moment: int, refused_until: Mapping[str, int]) -> set[str]:
    """Those of these identifiers that are refused in what was told at a moment, ms."""
    return {each for each in identifiers if moment <= refused_until.get(each, -1)}


def _names(content: object, moment: int, refused_until: Mapping[str, int], normalise: Normalise) -> bool:
    """Whether something names an erased person by a text that others do not have by chance."""
    erased = {each for each in refused(refused_until, moment, refused_until) if is_distinctive(each.partition(":")[2])}
    return bool(erased) and mentions(msgspec.json.encode(content), erased, normalise, alone=True)
