"""Where residency is kept to in a replica: at the way in, and before data goes to somebody in another region.

What belongs to another region is refused before anything of it is written, so it is no dead letter either: the answer
says where to send it.
"""

import json
from contextlib import suppress
from typing import Any

import msgspec

from actors.api_keys import Scope
from models.events.outcome import ParsedBatch, Rejection, reason
from models.privacy.residency import Crossing, NoTransfer, Residency
from serve.auth import Principal
from serve.errors import Forbidden

WRONG_REGION = "wrong_region"
_READING: tuple[Scope, ...] = ("read", "privacy", "admin")  # scopes whose answers tell of people


def crossing_of(residency: Residency, caller: Principal, scope: Scope) -> Crossing | None:
    """What permits this caller to be answered if they are in another region; None if they are not.

    A key without a region is used where the service is. Raises Forbidden."""
    if scope not in _READING:
        return None
    try:
        return residency.crossing(caller.region or residency.region)
    except NoTransfer as missing:
        raise Forbidden(
            f"residency.transfers: nothing permits {missing.rule}, and the API key is used in {caller.region}: name a "
            "mechanism for it in the settings, or use a key of this region"
        ) from None


def may_be_told(residency: Residency, caller: Principal) -> bool:
    """Whether somebody who sends events may be told what these made of people."""
    try:
        crossing_of(residency, caller, "read")
    except Forbidden:
        return False
    return caller.allows("read")


def crossing_facts(crossing: Crossing) -> dict[str, str]:
    """What the audit log says of it."""
    return {"transfer": crossing.rule, "mechanism": crossing.mechanism}


def keep_here(residency: Residency, parsed: ParsedBatch, source: str) -> ParsedBatch:
    """The batch with what belongs to another region refused, and not to be kept."""
    if not residency.is_on:
        return parsed
    kept: list[int] = []
    refused: list[Rejection] = []
    for place, event in enumerate(parsed.events):
        region = residency.region_of(source, event.traits, event.context)
        if region == residency.region:
            kept.append(place)
        else:
            refused.append(_refused(residency, parsed.positions[place], event.type, region))
    for rejection in parsed.rejected:
        region = _region_of_body(residency, rejection.body, source)
        is_here = region == residency.region
        refused.append(rejection if is_here else _refused(residency, rejection.index, rejection.kind, region))
    if len(kept) == len(parsed.events) and refused == parsed.rejected:
        return parsed
    return msgspec.structs.replace(
        parsed,
        events=[parsed.events[place] for place in kept],
        positions=[parsed.positions[place] for place in kept],
        rejected=sorted(refused, key=lambda each: each.index),
        left_out={new: parsed.left_out[old] for new, old in enumerate(kept) if old in parsed.left_out},
    )


def _refused(residency: Residency, index: int, kind: str, region: str) -> Rejection:
    url = residency.regions[region].url
    where = f"send it to {url}" if url else "send it to the service there"
    message = f"this belongs to the region {region} and this service is in {residency.region}: {where}"
    return Rejection(index, b"", kind, [reason(WRONG_REGION, "", message)], kept=False)


def _region_of_body(residency: Residency, body: bytes, source: str) -> str:
    """Where a message belongs that could not be taken."""
    message: Any = None
    with suppress(ValueError, RecursionError):  # nothing can be told then but its source
        message = json.loads(body)
    table = message if isinstance(message, dict) else {}
    traits, context = table.get("traits"), table.get("context")
    return residency.region_of(
        source, traits if isinstance(traits, dict) else {}, context if isinstance(context, dict) else {}
    )
