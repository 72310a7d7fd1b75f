"""Engagement: which channel a person was met on, and what was done there.

The channel of an event comes from its name ("Email Opened"), else from context.channel, else from the source's
setting, else from what the client tells of itself (a page: web; an app or a phone's system: mobile).
"""

from typing import Any

from models.events.event import Event
from models.profile.policy import ProfileLimits, ProfilePolicy
from models.profile.room import leave_out
from models.profile.state import DAY_MS, ChannelStats, Profile

_NAME_MAX = 32  # characters of a channel that clients make up
_MESSAGE_WORDS = {
    **{word: word for word in ("sent", "delivered", "opened", "clicked", "bounced", "failed", "dropped", "deferred")},
    **{word: word for word in ("replied", "forwarded", "dismissed", "subscribed", "unsubscribed", "complained")},
    **{"tapped": "clicked", "received": "delivered", "spam": "complained"},
}
_SUPPORT_WORDS = {
    **{word: word for word in ("opened", "created", "closed", "resolved", "escalated", "rated", "replied")},
    **{word: word for word in ("started", "ended")},
}
_ADS_WORDS = {**{word: word for word in ("viewed", "clicked", "skipped")}, "impression": "viewed"}
# First word of an event's name -> channel, and the last words that make it an event of that channel.
_FIRST_WORDS: dict[str, tuple[str, dict[str, str]]] = {
    "email": ("email", _MESSAGE_WORDS),
    "sms": ("sms", _MESSAGE_WORDS),
    "push": ("push", _MESSAGE_WORDS),
    "ad": ("ads", _ADS_WORDS),
    "ads": ("ads", _ADS_WORDS),
    "store": ("store", {"visited": "visited", "entered": "visited"}),
    "support": ("support", _SUPPORT_WORDS),
    "ticket": ("support", _SUPPORT_WORDS),
    "chat": ("support", _SUPPORT_WORDS),
    "call": ("support", _SUPPORT_WORDS),
    "application": ("mobile", {"installed": "installed", "opened": "opened", "updated": "updated"}),
}
# What others do: it counts on the channel, but it is no sign of the person's being there.
PASSIVE_ACTIONS = frozenset({"sent", "delivered", "bounced", "failed", "dropped", "deferred"})
RECENCY = ((DAY_MS, 40), (7 * DAY_MS, 30), (30 * DAY_MS, 20), (90 * DAY_MS, 10))  # ms: points
SCORE_MS = 90 * DAY_MS
_MOBILE_SYSTEMS = frozenset({"ios", "ipados", "android", "iphone os"})


def channel_of(event: Event, policy: ProfilePolicy) -> tuple[str, str]:
    """(channel, action) of a track, page or screen event; "" for unknown."""
    kind, action = event.type, ""
    if kind == "track":
        channel, action = _of_name(event.name)
        if channel:
            return channel, action
        step = policy.order_events.get(event.name)
        if step:
            action = "ordered" if step == "completed" else step
    else:
        action = "viewed"
    context = event.context
    named = context.get("channel")
    if isinstance(named, str):
        named = named.strip().lower()[:_NAME_MAX]
        channel = policy.channel_names.get(named, named)
        if channel:
            return channel, action
    channel = policy.source_channels.get(event.source, "")
    if channel:
        return channel, action
    if kind == "screen" or _is_mobile(context):
        return "mobile", action
    if kind == "page" or "page" in context:
        return "web", action
    return "", action


def count_engagement(profile: Profile, channel: str, action: str, at: int, limits: ProfileLimits) -> bool:
    """Counts one event on a channel. Returns False for one more channel than the limits allow."""
    channels = profile.channels
    stats = channels.get(channel)
    if stats is None:
        if len(channels) >= limits.channels:
            leave_out(profile.beyond_limits, "engagement")
            return False
        channels[channel] = ChannelStats(1, at, at, {action: 1} if action else {})
        return True
    stats.count += 1
    if at > stats.last:
        stats.last = at
    elif at < stats.first:
        stats.first = at
    if action:
        stats.actions[action] = stats.actions.get(action, 0) + 1
    return True


def merge_channels(into: Profile, other: Profile, limits: ProfileLimits) -> None:
    """Joins two persons' engagement, channel by channel."""
    channels = into.channels
    for channel, theirs in other.channels.items():
        stats = channels.get(channel)
        if stats is None:
            if len(channels) >= limits.channels:
                leave_out(into.beyond_limits, "engagement", theirs.count)
                continue
            channels[channel] = ChannelStats(theirs.count, theirs.first, theirs.last, dict(theirs.actions))
            continue
        stats.count += theirs.count
        stats.first = min(stats.first, theirs.first)
        stats.last = max(stats.last, theirs.last)
        for action, count in theirs.actions.items():
            stats.actions[action] = stats.actions.get(action, 0) + count


def engagement_score(profile: Profile, now: int) -> tuple[int, int]:
    """How engaged a person is at `now` ms, from 0 to 100, and when time alone will next change that (0: never).

    Recency of the latest engagement on any channel (40 within a day, 30 within a week, 20 within 30 days, 10 within
    90), 10 for each channel used within 90 days (30 at most), and 3 for each doubling of the number of engagements (30
    at most). Nothing within 90 days is a score of 0.
    """
    ages = [max(now - stats.last, 0) for stats in profile.channels.values()]
    recent = [age for age in ages if age < SCORE_MS]
    if not recent:
        return 0, 0
    recency = next(points for limit, points in RECENCY if min(recent) < limit)
    count = sum(stats.count for stats in profile.channels.values())
    score = recency + min(10 * len(recent), 30) + min(3 * count.bit_length(), 30)
    lasts = [stats.last for stats in profile.channels.values()]
    return score, min(at for last in lasts for limit, _ in RECENCY if (at := last + limit) > now)


def is_passive(name: str) -> bool:
    """Whether an event of this name is done by others, such as "Email Delivered"."""
    return _of_name(name)[1] in PASSIVE_ACTIONS


def _of_name(name: str) -> tuple[str, str]:
    """Channel and action that an event's name tells, as "Email Link Clicked" and "email_clicked" do."""
    first, _, rest = name.partition(" ")
    if not rest:
        first, _, rest = name.partition("_")
    known = _FIRST_WORDS.get(first.lower())
    if known is None or not rest:
        return "", ""
    channel, words = known
    action = words.get(rest.replace("_", " ").rpartition(" ")[2].lower())
    return (channel, action) if action else ("", "")


def _is_mobile(context: dict[str, Any]) -> bool:
    system = context.get("os")
    if isinstance(system, dict):
        name = system.get("name")
        if isinstance(name, str) and name.lower() in _MOBILE_SYSTEMS:
            return True
    device = context.get("device")
    if isinstance(device, dict):
        kind = device.get("type")
        return isinstance(kind, str) and kind.lower() in _MOBILE_SYSTEMS
    return False
