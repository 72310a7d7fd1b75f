"""The door: what of a message may come in at all. It works on parsed JSON, before anything of it is kept anywhere.

    1. The source's list of fields: what is not on it is left out.
    2. Rules of single fields: left out, hashed, made a token or coarser (`models.privacy.field_rules`).
    3. Free text is looked through, and what is found is noted or redacted (`models.privacy.free_text`).

Under a list a message is nothing but what the list and the tracking API's own envelope name: ids, type, times. Signals
of consent always come in. An event whose name is not on the list becomes an identify, which says that the person was
seen: the traits of its context that are on the list are still told.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from models.privacy.field_lists import FieldList
from models.privacy.field_rules import FieldRule, Keys, changed, transform_of
from models.privacy.free_text import Kind, Scan
from models.profile.behaviors import PAGE_VIEWED, SCREEN_VIEWED

EVERY_SOURCE = "*"
_ALWAYS = frozenset({"type", "messageId", "userId", "anonymousId", "timestamp", "originalTimestamp", "sentAt"})
_BY_KIND: Mapping[str, frozenset[str]] = {
    "track": frozenset({"event"}),
    "page": frozenset({"name", "category"}),
    "screen": frozenset({"name", "category"}),
    "group": frozenset({"groupId"}),
    "alias": frozenset({"previousId"}),
    "merge": frozenset({"mergeProperties"}),
}
_VIEWS = {"page": PAGE_VIEWED, "screen": SCREEN_VIEWED}
_NAMES = ("event", "name", "category", "properties")
_SIGNALS = ("tcString", "gppString", "gpc", "noticeVersion", "jurisdiction")
_LISTED = ("traits", "properties", "context", "integrations")


class SourceFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a source may deliver. What it does not name stays out."""

    events: tuple[str, ...] = ()  # as profiles count them: "Order Completed", "Page Viewed: Home", "Screen Viewed*"
    traits: tuple[str, ...] = ()  # of people and groups
    properties: tuple[str, ...] = ()
    context: tuple[str, ...] = ()  # beside traits and consent
    integrations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for kind in self.__struct_fields__:
            try:
                FieldList(getattr(self, kind))
            except ValueError as error:
                raise ValueError(f"{kind}: {error}") from None


class Tally(msgspec.Struct):
    """What the door did to the messages of a request."""

    left_out: Counter[str] = msgspec.field(default_factory=Counter)  # section, or field of a rule -> how often
    found: Counter[tuple[str, Kind]] = msgspec.field(default_factory=Counter)  # path, kind -> how often


class Door:
    """The way in of one source. Safe to share between threads."""

    def __init__(
        self,
        allowed: SourceFields | None,
        rules: tuple[FieldRule, ...],
        keys: Keys,
        scan: Scan | None,
    ) -> None:
        self._lists = None if allowed is None else {name: FieldList(getattr(allowed, name)) for name in _LISTED}
        self._events = None if allowed is None else FieldList(allowed.events)
        self._rules = rules
        self._keys = keys
        self._scan = scan

    def admitted(
        self, message: dict[str, Any], kind: str, tally: Tally, again: bool = False
    ) -> tuple[dict[str, Any], str, list[str]]:
        """The message as it may come in, its type by now, and the paths of what was left out.

        `kind`: the message's type, "" if it has none. `again`: it came through the door before, and is replayed. The
        message must be nested no deeper than those that are taken.
        """
        left_out: list[str] = []
        message = dict(message)
        if self._lists is not None:
            kind = self._enter(message, kind, left_out)
            self._count(tally, left_out)
        if self._rules:
            self._transform(message, left_out, tally, again)
        if self._scan is not None:
            self._look(message, tally)
        return message, kind, left_out

    def admitted_shared(self, shared: dict[str, Any], tally: Tally) -> tuple[dict[str, Any], list[str]]:
        """The same for what a batch says for all of its messages."""
        message, _, left_out = self.admitted(shared, "", tally)
        return message, left_out

    def _enter(self, message: dict[str, Any], kind: str, left_out: list[str]) -> str:
        """Takes everything out of the message that is not on the list. Returns its type by now."""
        lists, events = self._lists, self._events
        assert lists is not None
        assert events is not None
        channel = message.pop("channel", None)
        if channel is not None:
            if isinstance(channel, str) and lists["context"].has("channel"):
                message["channel"] = channel
            else:
                left_out.append("context.channel")
        if "properties" in message:
            message["properties"] = self._listed("properties", message["properties"], left_out)
        name = _event_name(message, kind)
        if name and not events.has(name):
            for field in _NAMES:
                message.pop(field, None)
            left_out.append("event")
            kind = message["type"] = "identify"
        known = _ALWAYS | _BY_KIND.get(kind, frozenset())
        if not kind:
            known -= {"type"}
        elif message.get("type", kind) != kind:  # the path has said what it is, and the message something else
            message["type"] = kind
            left_out.append("type")
        for field in list(message):
            value = message[field]
            if field == "properties":
                continue
            if field in lists:
                message[field] = self._listed(field, value, left_out)
            elif field == "channel":
                continue
            elif field not in known:
                del message[field]
                left_out.append(f"unknown.{field}")
            elif field == "mergeProperties":
                message[field] = _pairs(value)
            elif isinstance(value, dict | list):
                message[field] = []  # refused, by its type
        if "category" in message and not lists["properties"].has("category"):
            del message["category"]
            left_out.append("properties.category")
        return kind

    def _listed(self, field: str, value: Any, left_out: list[str]) -> Any:
        lists = self._lists
        assert lists is not None
        if not isinstance(value, dict):
            return None if value is None else []  # refused, by its type
        if field != "context":
            return lists[field].kept(value, left_out, f"{field}.")
        others = {name: inner for name, inner in value.items() if name not in ("traits", "consent")}
        kept = lists["context"].kept(others, left_out, "context.")
        kept = dict(kept) if kept is others else kept
        if "consent" in value:
            kept["consent"] = _consent(value["consent"])
        if isinstance(value.get("traits"), dict):
            kept["traits"] = lists["traits"].kept(value["traits"], left_out, "traits.")
        return kept

    def _count(self, tally: Tally, left_out: list[str]) -> None:
        """By section: names of fields that nobody has listed may be personal data themselves."""
        tally.left_out.update(path.partition(".")[0] for path in left_out)

    def _transform(self, message: dict[str, Any], left_out: list[str], tally: Tally, again: bool) -> None:
        def note(field: str) -> None:
            tally.left_out[field] += 1
            left_out.append(field)

        for rule in self._rules:
            transform = transform_of(rule, self._keys, note, again)
            _rewrite(message, rule.root, partial(changed, steps=rule.steps, transform=transform))

    def _look(self, message: dict[str, Any], tally: Tally) -> None:
        assert self._scan is not None
        found: list[tuple[str, Kind]] = []
        for root in ("traits", "properties"):
            _rewrite(message, root, partial(self._scan, path=root, found=found))
        if found:
            tally.found.update(found)


def _rewrite(message: dict[str, Any], root: str, rewrite: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Rewrites a section of the message wherever it is: traits are in the context, too."""
    fields = message.get(root)
    if isinstance(fields, dict):
        if root == "context":
            fixed = {name: fields[name] for name in ("traits", "consent") if name in fields}
            others = {name: value for name, value in fields.items() if name not in fixed}
            message[root] = {**rewrite(others), **fixed}
        else:
            message[root] = rewrite(fields)
    context = message.get("context")
    if root == "traits" and isinstance(context, dict) and isinstance(context.get("traits"), dict):
        message["context"] = {**context, "traits": rewrite(context["traits"])}


def _event_name(message: dict[str, Any], kind: str) -> str:
    """What a profile counts the message as; "" if it counts as nothing."""
    if kind == "track":
        name = message.get("event")
        return name if isinstance(name, str) else ""
    if kind not in _VIEWS:
        return ""
    properties = message.get("properties")
    name = message.get("name") or (properties.get("name") if isinstance(properties, dict) else "")
    return f"{_VIEWS[kind]}: {name}" if isinstance(name, str) and name else _VIEWS[kind]


def _consent(given: Any) -> Any:
    """Signals of consent, without what else may stand there. What cannot be read stays unreadable: it is a no."""
    if not isinstance(given, dict):
        return []
    kept: dict[str, Any] = {}
    for name in _SIGNALS:
        value = given.get(name)
        if value is not None:
            kept[name] = value if isinstance(value, str | bool) else ""
    categories = given.get("categoryPreferences")
    if isinstance(categories, dict):
        kept["categoryPreferences"] = {name: answer is True for name, answer in categories.items()}
    return kept


def _pairs(value: Any) -> list[Any]:
    """The two identifiers of a merge, without what else may stand there."""
    if not isinstance(value, list):
        return []
    return [
        {name: item[name] for name in ("type", "value") if isinstance(item.get(name), str | int)}
        for item in value
        if isinstance(item, dict)
    ]


class Doors:
    """The doors of all sources, from the settings."""

    def __init__(
        self, sources: Mapping[str, SourceFields], rules: tuple[FieldRule, ...], keys: Keys, scan: Scan | None
    ) -> None:
        def door(source_id: str) -> Door | None:
            allowed = sources.get(source_id, sources.get(EVERY_SOURCE))
            mine = tuple(rule for rule in rules if not rule.sources or source_id in rule.sources)
            return Door(allowed, mine, keys, scan) if allowed is not None or mine or scan is not None else None

        named = {*sources, *(source_id for rule in rules for source_id in rule.sources)}
        self._others = door(EVERY_SOURCE)
        self._named = {source_id: door(source_id) for source_id in named}

    def of(self, source_id: str) -> Door | None:
        """The door of a source; None if everything may come in as it is."""
        return self._named.get(source_id, self._others)
