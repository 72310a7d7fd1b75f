"""Whom a message is about: the identifiers that it carries, and the one that it is routed by."""

from typing import Any, NamedTuple

from models.events.event import Identifier
from models.events.outcome import Report
from models.identity.identifiers import PROBLEMS, IdentifierNormaliser

IDENTIFIERS_MAX = 32  # of one message; each may need another shard
_PERSONS = frozenset({"", "users"})  # collections whose external ids have their type as namespace
_UNENCODED = frozenset({"", "none"})
_ADVERTISING_NAMESPACES = {"ios": "idfa", "android": "gaid"}


class Subject(NamedTuple):
    """`identifiers`: highest priority first. `route`: the anonymous id if there is one, else the user id, else the
    highest in priority."""

    identifiers: tuple[Identifier, ...]
    route: Identifier


def find_subject(
    message: dict[str, Any],
    kind: str,
    traits: dict[str, Any],
    context: dict[str, Any],
    normaliser: IdentifierNormaliser,
    report: Report,
    by_any_id: bool,
) -> Subject | None:
    """The subject of a message, or None with the reasons in `report`.

    `traits` are the person's (not a group's). `by_any_id`: a message without userId and anonymousId will do if it
    has another identifier, as imported records may.
    """
    if kind == "merge":
        return _merge_subject(message, normaliser, report)
    found: list[Identifier] = []
    if kind == "alias":
        user = _required_id(message, "userId", "user_id", normaliser, report)
        previous = _required_id(message, "previousId", "anonymous_id", normaliser, report)
        if user is None or previous is None:
            return None
        anonymous = _id(message, "anonymousId", "anonymous_id", normaliser, report)
        found += [user, previous]
        route = anonymous or previous
    else:
        user = _id(message, "userId", "user_id", normaliser, report)
        anonymous = _id(message, "anonymousId", "anonymous_id", normaliser, report)
        if user is not None:
            found.append(user)
        route = anonymous or user or ""
        if not (by_any_id or route or _is_given(message, "userId") or _is_given(message, "anonymousId")):
            report.refuse("no_id", "userId", "userId or anonymousId is required")
            return None
    if anonymous is not None:
        found.append(anonymous)
    for trait, namespace in normaliser.settings.trait_identifiers.items():
        if trait in traits:
            _add(found, f"traits.{trait}", namespace, traits[trait], normaliser, report)
    if "externalIds" in context:
        _add_external_ids(found, context["externalIds"], normaliser, report)
    if "device" in context:
        _add_device_ids(found, context["device"], normaliser, report)
    if not found:
        report.refuse("no_identifier", "userId", "the message has no id that can be used as an identifier")
        return None
    identifiers = normaliser.settings.sort(found)
    if len(identifiers) > IDENTIFIERS_MAX:
        text = f"a message may have {IDENTIFIERS_MAX} identifiers; those of lowest priority were not used"
        report.warn("too_many_identifiers", "context.externalIds", text)
        kept = identifiers[:IDENTIFIERS_MAX]
        identifiers = kept if not route or route in kept else (*kept[:-1], route)
    return Subject(identifiers, route or identifiers[0])


def _is_given(message: dict[str, Any], field: str) -> bool:
    return message.get(field) not in (None, "")


def _id(
    message: dict[str, Any], field: str, namespace: str, normaliser: IdentifierNormaliser, report: Report
) -> Identifier | None:
    """The identifier in a top-level field, if there is one. A value of the wrong type refuses the message."""
    value = message.get(field)
    if value is None or value == "":
        return None
    identifier, problem = normaliser.normalise(namespace, value)
    if problem == "wrong_type":
        report.refuse("wrong_type", field, f"{field} {PROBLEMS[problem]}")
    elif problem:
        report.warn(problem, field, f"{field} {PROBLEMS[problem]}; it was not used as an identifier")
    return identifier


def _required_id(
    message: dict[str, Any], field: str, namespace: str, normaliser: IdentifierNormaliser, report: Report
) -> Identifier | None:
    """The identifier in a field of an alias; without it the message is refused."""
    value = message.get(field)
    if value is None or value == "":
        report.refuse("required", field, f"{field} is required")
        return None
    identifier, problem = normaliser.normalise(namespace, value)
    if problem:
        report.refuse(problem, field, f"{field} {PROBLEMS[problem]}")
    return identifier


def _add(
    found: list[Identifier],
    field: str,
    namespace: str,
    value: Any,
    normaliser: IdentifierNormaliser,
    report: Report,
) -> None:
    """Adds what `value` makes as an identifier; if it makes none, says so. Null and "" say nothing."""
    if value is None or value == "":
        return
    identifier, problem = normaliser.normalise(namespace, value)
    if identifier is not None:
        found.append(identifier)
    else:
        report.warn(problem, field, f"{field} {PROBLEMS[problem]}; it was not used as an identifier")


def _add_external_ids(found: list[Identifier], entries: Any, normaliser: IdentifierNormaliser, report: Report) -> None:
    """context.externalIds: [{id, type, collection, encoding}].

    The namespace is the type; ids of another collection than "users" have it in front ("leads.crm_id"), and ids
    that are hashed or otherwise encoded have the encoding behind ("email.sha256"): they equal none that is plain.
    """
    if type(entries) is not list:
        if entries is not None:
            report.warn("wrong_type", "context.externalIds", "context.externalIds must be an array; it was not used")
        return
    for position, entry in enumerate(entries):
        field = f"context.externalIds[{position}]"
        parts = _external_id_parts(entry)
        if parts is None:
            text = f"{field} must be an object with id, type and, if wanted, collection and encoding; it was not used"
            report.warn("wrong_type", field, text)
            continue
        namespace, collection, encoding = parts
        if collection in normaliser.settings.group_collections:
            text = f"{field} belongs to a group, not to a person; it was not used as an identifier"
            report.warn("not_a_person", field, text)
            continue
        if collection not in _PERSONS:
            namespace = f"{collection}.{namespace}"
        if encoding not in _UNENCODED:
            namespace = f"{namespace}.{encoding}"
        _add(found, field, namespace, entry.get("id"), normaliser, report)


def _external_id_parts(entry: Any) -> tuple[str, str, str] | None:
    """Type, collection and encoding of an entry of context.externalIds, or None if it is malformed."""
    if type(entry) is not dict:
        return None
    namespace, collection, encoding = entry.get("type"), entry.get("collection"), entry.get("encoding")
    if type(namespace) is not str or type(collection or "") is not str or type(encoding or "") is not str:
        return None
    return namespace, (collection or "").strip().lower(), (encoding or "").strip().lower()


def _add_device_ids(found: list[Identifier], device: Any, normaliser: IdentifierNormaliser, report: Report) -> None:
    """context.device: {id, advertisingId, type, adTrackingEnabled}.

    An advertising id is used unless its owner has turned ad tracking off.
    """
    if type(device) is not dict:
        if device is not None:
            report.warn("wrong_type", "context.device", "context.device must be an object; it was not used")
        return
    _add(found, "context.device.id", "device_id", device.get("id"), normaliser, report)
    advertising_id = device.get("advertisingId")
    if advertising_id is not None and device.get("adTrackingEnabled") is not False:
        platform = device.get("type")
        platform = platform.lower() if type(platform) is str else ""
        namespace = _ADVERTISING_NAMESPACES.get(platform, "advertising_id")
        _add(found, "context.device.advertisingId", namespace, advertising_id, normaliser, report)


def _merge_subject(message: dict[str, Any], normaliser: IdentifierNormaliser, report: Report) -> Subject | None:
    """mergeProperties: [{type, value}, {type, value}]: two identifiers of one person."""
    entries = message.get("mergeProperties")
    if type(entries) is not list or len(entries) != 2:
        report.refuse("required", "mergeProperties", "mergeProperties must be an array of two {type, value}")
        return None
    found: list[Identifier] = []
    for position, entry in enumerate(entries):
        field = f"mergeProperties[{position}]"
        if type(entry) is not dict or type(entry.get("type")) is not str or "value" not in entry:
            report.refuse("wrong_type", field, f"{field} must be an object with type and value")
            continue
        identifier, problem = normaliser.normalise(entry["type"], entry["value"])
        if identifier is None:
            report.refuse(problem, field, f"{field} {PROBLEMS[problem]}")
        else:
            found.append(identifier)
    if len(found) != 2:
        return None
    if found[0] == found[1]:
        report.refuse("same_identifier", "mergeProperties", "mergeProperties names the same identifier twice")
        return None
    for field in ("userId", "anonymousId"):
        if _is_given(message, field):
            report.warn("unused_field", field, f"{field} is not used in a merge; name it in mergeProperties")
    identifiers = normaliser.settings.sort(found)
    anonymous = next((i for i in identifiers if i.startswith("anonymous_id:")), "")
    user = next((i for i in identifiers if i.startswith("user_id:")), "")
    return Subject(identifiers, anonymous or user or identifiers[0])
