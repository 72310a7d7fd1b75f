"""The real-time context: last page, screen, device, campaign, location, app, and the minutes of activity.

Only a few short fields of each are kept, as registers; addresses of pages lose their query and fragment,
which often carry personal data. Sessions are chains of active minutes with gaps below SESSION_GAP_MIN.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable
from typing import Any

from models.events.event import Event
from models.profile.registers import observe
from models.profile.state import Observation, Profile

MINUTE_MS = 60_000
ACTIVITY_MIN = 24 * 60  # minutes before the latest activity that are kept
SESSION_GAP_MIN = 30  # minutes without activity that end a session
_TEXT_MAX = 200  # characters of a value

_PAGE = ("title",)
_DEVICE = ("type", "manufacturer", "model")
_CAMPAIGN = ("name", "source", "medium", "term", "content")
_LOCATION = ("city", "region", "country", "latitude", "longitude")
_APP = ("name", "version")


def observe_context(profile: Profile, event: Event, timestamp: int, tie: int) -> bool:
    """Tells the real-time context of an event. Returns whether anything in it is another one now."""
    changed = False
    registers = profile.context
    for key, value in _contents(event):
        if observe(registers, key, Observation(timestamp, tie, value)):
            changed = True
    return changed


def mark_active(minutes: list[int], timestamp: int) -> None:
    """Notes activity at `timestamp` (ms), and forgets what is older than a day before the latest."""
    minute = timestamp // MINUTE_MS
    if not minutes:
        minutes.append(minute)
        return
    latest = minutes[-1]
    if minute == latest or minute <= latest - ACTIVITY_MIN:
        return
    if minute > latest:
        minutes.append(minute)
        if minutes[0] <= minute - ACTIVITY_MIN:
            del minutes[: bisect_right(minutes, minute - ACTIVITY_MIN)]
    elif minutes[bisect_right(minutes, minute) - 1] != minute:
        insort(minutes, minute)


def merge_minutes(minutes: list[int], others: Iterable[int]) -> None:
    """Joins two persons' minutes of activity."""
    joined = sorted({*minutes, *others})
    if joined:
        minutes[:] = joined[bisect_right(joined, joined[-1] - ACTIVITY_MIN) :]


def session_bounds(minutes: list[int]) -> tuple[int, int] | None:
    """(first, last) minute of the latest session; None if there never was one."""
    if not minutes:
        return None
    first = minutes[-1]
    for minute in reversed(minutes):
        if first - minute >= SESSION_GAP_MIN:
            break
        first = minute
    return first, minutes[-1]


def session_end(minutes: list[int]) -> int:
    """ms at which the latest session ends if nothing more happens; 0 if there never was one."""
    return (minutes[-1] + SESSION_GAP_MIN) * MINUTE_MS if minutes else 0


def _contents(event: Event) -> Iterable[tuple[str, Any]]:
    context = event.context
    page = context.get("page")
    if event.type == "page":
        value = _page(page if isinstance(page, dict) else {}, event.properties, event.name)
    else:
        value = _page(page, {}, "") if isinstance(page, dict) else {}
    if value:
        yield "page", value
    if event.type == "screen" and event.name:
        yield "screen", event.name[:_TEXT_MAX]
    if not context:
        return
    device = _device(context)
    if device:
        yield "device", device
    for key, fields in (("campaign", _CAMPAIGN), ("location", _LOCATION), ("app", _APP)):
        given = context.get(key)
        if isinstance(given, dict) and (value := _pick(given, fields)):
            yield key, value
    for key in ("locale", "timezone"):
        text = context.get(key)
        if text and isinstance(text, str):
            yield key, text[:_TEXT_MAX]


def _page(page: dict[str, Any], properties: dict[str, Any], name: str) -> dict[str, Any]:
    value = _pick({**page, **properties} if properties else page, _PAGE)
    url = properties.get("url") or page.get("url") or properties.get("path") or page.get("path")
    if isinstance(url, str):
        value["url"] = url.partition("?")[0].partition("#")[0][:_TEXT_MAX]
    if name:
        value["name"] = name[:_TEXT_MAX]
    return value


def _device(context: dict[str, Any]) -> dict[str, Any]:
    """What the device is: from context.device and context.os, else from what a browser tells of itself."""
    given = context.get("device")
    value = _pick(given, _DEVICE) if isinstance(given, dict) else {}
    system = context.get("os")
    if isinstance(system, dict):
        parts = [part for part in (system.get("name"), system.get("version")) if isinstance(part, str) and part]
        if parts:
            value["os"] = " ".join(parts)[:_TEXT_MAX]
    if value:
        return value
    hints = context.get("userAgentData")
    if isinstance(hints, dict):
        value = {"type": "mobile" if hints.get("mobile") is True else "desktop"}
        platform = hints.get("platform")
        if isinstance(platform, str) and platform:
            value["os"] = platform[:_TEXT_MAX]
        return value
    agent = context.get("userAgent")
    return _device_of_agent(agent) if isinstance(agent, str) else {}


def _device_of_agent(agent: str) -> dict[str, Any]:
    """Type and system of a browser by its User-Agent header; {} for clients that are no browsers."""
    if not agent.startswith("Mozilla/"):
        return {}
    if "iPhone" in agent:
        return {"type": "mobile", "os": "iOS"}
    if "iPad" in agent:
        return {"type": "tablet", "os": "iPadOS"}
    if "Android" in agent:
        return {"type": "mobile" if "Mobile" in agent else "tablet", "os": "Android"}
    if "Windows" in agent:
        return {"type": "desktop", "os": "Windows"}
    if "Mac OS X" in agent:
        return {"type": "desktop", "os": "macOS"}
    if "Linux" in agent or "CrOS" in agent:
        return {"type": "desktop", "os": "Linux"}
    return {}


def _pick(given: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """The fields that are there, short texts or numbers."""
    value: dict[str, Any] = {}
    for field in fields:
        found = given.get(field)
        if isinstance(found, str):
            if found:
                value[field] = found[:_TEXT_MAX]
        elif type(found) is float or type(found) is int:
            value[field] = found
    return value
