"""A profile's document as the protobuf message `onefold.v1.Profile`: the same sections, names and texts, with types."""

from collections.abc import Mapping
from typing import Any

import msgspec

from protos.onefold.v1 import profile_pb2 as pb

_SIGHTINGS = ("page", "screen", "device", "campaign", "location", "app")
_TOTALS = ("orders", "revenue", "average_order_value", "refunds", "net_revenue")

_encode = msgspec.json.Encoder().encode


def profile_message(document: Mapping[str, Any]) -> pb.Profile:
    """The message of a document made by `models.profile.document.document`."""
    return pb.Profile(
        customer_id=document["customer_id"],
        version=document["version"],
        created_at=document["created_at"],
        first_seen=document["first_seen"] or "",
        last_seen=document["last_seen"] or "",
        identities=[pb.Identity(**identity) for identity in document["identities"]],
        attributes={name: _attribute(told) for name, told in document["attributes"].items()},
        behaviors={name: pb.Behavior(**stats) for name, stats in document["behaviors"].items()},
        transactions=_transactions(document["transactions"]),
        engagement={channel: pb.Engagement(**stats) for channel, stats in document["engagement"].items()},
        segments=[pb.Membership(**membership) for membership in document["segments"]],
        preferences={name: _attribute(told) for name, told in document["preferences"].items()},
        lifecycle=pb.Lifecycle(**document["lifecycle"]),
        privacy=pb.Privacy(
            consents={category: pb.Consent(**told) for category, told in document["privacy"]["consents"].items()}
        ),
        real_time_context=_real_time(document["realTimeContext"]),
        groups=[
            pb.Group(
                id=group["id"],
                traits_json=json_text(group["traits"]),
                source=group["source"],
                updated_at=group["updated_at"],
            )
            for group in document["groups"]
        ],
        scores_json=json_text(document["scores"]),
        insights_json=json_text(document["insights"]),
        beyond_limits=document.get("beyond_limits"),
        withheld=document.get("withheld"),
        region=document.get("region", ""),
    )


def json_text(value: Any) -> str:
    """The JSON of an open-ended value."""
    return _encode(value).decode()


def _attribute(told: Mapping[str, Any]) -> pb.Attribute:
    return pb.Attribute(value_json=json_text(told["value"]), source=told["source"], updated_at=told["updated_at"])


def _transactions(section: Mapping[str, Any]) -> pb.Transactions:
    return pb.Transactions(
        currency=section.get("currency", ""),
        totals=_totals(section),
        other_currencies={
            currency: _totals(totals) for currency, totals in section.get("other_currencies", {}).items()
        },
        first_at=section.get("first_at", ""),
        last_at=section.get("last_at", ""),
        cancelled=section["cancelled"],
        products=[pb.Product(**product) for product in section["products"]],
        latest=[pb.Order(**order) for order in section["latest"]],
    )


def _totals(totals: Mapping[str, Any]) -> pb.Totals:
    return pb.Totals(**{name: totals[name] for name in _TOTALS if name in totals})


def _real_time(section: Mapping[str, Any]) -> pb.RealTimeContext:
    return pb.RealTimeContext(
        session=section["session"] and pb.Session(**section["session"]),
        **{
            name: pb.Sighting(value_json=json_text(section[name]["value"]), at=section[name]["at"])
            for name in _SIGHTINGS
            if name in section
        },
    )
