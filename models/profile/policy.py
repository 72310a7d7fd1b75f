"""What may be configured of the reduction: merge policies of attributes, channels, money, preferences.

Plain data, so that it travels to every shard; `msgspec.convert` makes it from JSON and names what is wrong.
A changed policy applies to what comes after: what was folded under the old one is not folded again.
"""

from typing import Literal

import msgspec

MergePolicy = Literal["latest", "first", "source_priority", "most_frequent"]
OrderStep = Literal["completed", "refunded", "cancelled"]


class AttributePolicy(msgspec.Struct, frozen=True):
    """Which of an attribute's observed values is kept.

    latest           the latest; null unsets
    first            the earliest that is not null
    source_priority  the latest of the source that comes first in `sources` (others come after them); null unsets
    most_frequent    the one observed most often, of equals the latest; null does not count
    """

    merge: MergePolicy = "latest"
    sources: tuple[str, ...] = ()  # source ids, best first

    def __post_init__(self) -> None:
        if self.merge == "source_priority" and not self.sources:
            raise ValueError("sources must list at least one source id, best first, for merge = source_priority")
        if self.merge != "source_priority" and self.sources:
            raise ValueError("sources are only for merge = source_priority")


def _spellings(*names: str) -> dict[str, str]:
    """Trait names, snake_case and camelCase, to the preference that they set."""
    found = {}
    for name in names:
        trait, _, preference = name.partition(">")
        head, *rest = trait.split("_")
        found[trait] = found[head + "".join(word.capitalize() for word in rest)] = preference or trait
    return found


PREFERENCE_TRAITS = _spellings(
    *("language", "preferred_language>language", "locale"),
    *("timezone", "time_zone>timezone"),
    *("preferred_channel>channel", "contact_preference>channel"),
    *("email_opt_in", "email_subscribed>email_opt_in", "sms_opt_in", "sms_subscribed>sms_opt_in"),
    *("push_opt_in", "push_enabled>push_opt_in", "phone_opt_in", "mail_opt_in"),
    *("marketing_opt_in", "accepts_marketing>marketing_opt_in", "subscribed>marketing_opt_in"),
    *("newsletter>newsletter_opt_in", "newsletter_opt_in"),
)
# The same the other way round: true means no.
OPT_OUT_TRAITS = _spellings(
    *("unsubscribed>marketing_opt_in", "do_not_contact>marketing_opt_in", "marketing_opt_out>marketing_opt_in"),
    *("email_opt_out>email_opt_in", "unsubscribed_from_emails>email_opt_in"),
    *("sms_opt_out>sms_opt_in", "push_opt_out>push_opt_in", "do_not_call>phone_opt_in"),
)
ORDER_EVENTS: dict[str, OrderStep] = {
    "Order Completed": "completed",
    "Completed Order": "completed",
    "Purchase": "completed",
    "purchase": "completed",
    "Order Refunded": "refunded",
    "refund": "refunded",
    "Order Cancelled": "cancelled",
    "Order Canceled": "cancelled",
}
# What clients call a channel in context.channel, to the channel. "" leaves it to the other rules.
CHANNEL_NAMES = {
    **{"web": "web", "browser": "web", "website": "web"},
    **{"mobile": "mobile", "app": "mobile", "ios": "mobile", "android": "mobile"},
    **{"email": "email", "e-mail": "email", "sms": "sms", "push": "push"},
    **{"store": "store", "pos": "store", "in-store": "store", "in_store": "store", "retail": "store"},
    **{"support": "support", "helpdesk": "support", "call_center": "support", "chat": "support"},
    **{"ads": "ads", "ad": "ads", "advertising": "ads"},
    "server": "",
}


# Properties that are not kept beside an occurrence: addresses hold personal data, and orders are kept as such.
IGNORED_PROPERTIES = frozenset({"url", "referrer", "search", "products", "items"})


class ProfileLimits(msgspec.Struct, frozen=True):
    """How much is kept of one person. What is beyond is left out and counted; see docs/profile.md, "Limits"."""

    text: int = 200  # characters of a key: a trait, an event name, a group or order id, a product id
    traits: int = 512
    value_bytes: int = 4096  # encoded, of one trait's value or one group's traits
    section_bytes: int = 32_768  # encoded, of all attributes, and the same of all groups
    counted_values: int = 256  # different values of one most_frequent attribute
    events: int = 512  # event names
    exact_times: int = 8192  # of all event names together; older ones are counted by day
    days: int = 4096  # day counts of all event names together
    properties: int = 16  # of one occurrence of an event
    property_bytes: int = 65_536  # encoded, of all occurrences
    channels: int = 64
    groups: int = 64
    consents: int = 128
    orders: int = 1000  # in detail; older ones are folded into totals
    order_bytes: int = 65_536  # encoded, of the orders in detail
    currencies: int = 64  # of folded orders

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 1:
                raise ValueError(f"profile.limits.{name} must be at least 1")


class ProfilePolicy(msgspec.Struct, frozen=True):
    """How events are folded into profiles."""

    attributes: dict[str, AttributePolicy] = {}  # trait -> policy
    default_attribute: AttributePolicy = AttributePolicy()
    source_channels: dict[str, str] = {}  # source id -> channel of its events, where the event does not tell
    channel_names: dict[str, str] = msgspec.field(default_factory=CHANNEL_NAMES.copy)
    currency: str = "USD"  # of orders that name none
    order_events: dict[str, OrderStep] = msgspec.field(default_factory=ORDER_EVENTS.copy)
    preference_traits: dict[str, str] = msgspec.field(default_factory=PREFERENCE_TRAITS.copy)
    opt_out_traits: dict[str, str] = msgspec.field(default_factory=OPT_OUT_TRAITS.copy)
    ignored_properties: frozenset[str] = IGNORED_PROPERTIES
    limits: ProfileLimits = ProfileLimits()
