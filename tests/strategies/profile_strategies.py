"""Hypothesis strategies for events and policies, built to collide: few names, few ids, few times."""

from typing import Any

from hypothesis import strategies as st

from models.events.event import Event
from models.profile.policy import AttributePolicy, ProfilePolicy
from models.profile.reduce import add_identifier, apply
from models.profile.state import Profile

IDENTIFIERS = ("user_id:u1", "email:a@example.com", "anonymous_id:x", "anonymous_id:y")
SOURCES = ("web", "crm", "shop")
CREATED_AT = 1_700_000_000_000  # ms

scalars = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(-2, 2), st.sampled_from(["", "a", "Ä"]))
values = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(st.sampled_from("pq"), scalars, max_size=2))
# Some in one millisecond, some in one minute, some in one day, some years apart, some before 1970.
timestamps = st.one_of(
    st.integers(0, 2).map(lambda n: CREATED_AT + n),
    st.integers(0, 90).map(lambda n: CREATED_AT + n * 60_000),
    st.integers(-200, 200).map(lambda n: CREATED_AT + n * 3_600_000),
    st.integers(-10, 4_000_000_000_000),
)
amounts: st.SearchStrategy[Any] = st.one_of(
    st.integers(-5, 5),
    st.floats(),
    st.sampled_from(["19.99", "1e3", "junk", "", None, True, 10**30, [], "0.0000005"]),
)
products = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"product_id": st.sampled_from(["p1", "p2", 3, None])}, optional={"price": amounts, "quantity": amounts}
        ),
        st.just("junk"),
    ),
    max_size=3,
)
orders = st.fixed_dictionaries(
    {},
    optional={
        "order_id": st.sampled_from(["o1", "o2", 3, None]),
        "revenue": amounts,
        "total": amounts,
        "currency": st.sampled_from(["EUR", "usd", "", 5]),
        "products": products,
    },
)
traits = st.dictionaries(
    st.sampled_from(["city", "plan", "email_opt_in", "unsubscribed", "language", "preferred_language"]),
    values,
    max_size=4,
)
consents = st.dictionaries(st.sampled_from(["ads", "analytics"]), st.sampled_from([True, False, "true", None]))
contexts = st.fixed_dictionaries(
    {},
    optional={
        "channel": st.sampled_from(["web", "server", "pos", "kiosk", 3]),
        "page": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"url": values, "title": values})),
        "device": st.one_of(st.none(), st.fixed_dictionaries({"type": st.sampled_from(["ios", "tv"])})),
        "campaign": st.fixed_dictionaries({"name": values}),
        "locale": st.sampled_from(["en-GB", "de-DE", None]),
        "timezone": st.sampled_from(["Europe/Paris", "UTC"]),
        "traits": st.one_of(traits, st.none()),
        "consent": st.one_of(st.none(), st.fixed_dictionaries({"categoryPreferences": consents})),
    },
)
NAMES = (
    *("Product Viewed", "Order Completed", "Order Refunded", "Order Cancelled", "purchase"),
    *("Email Opened", "Email Delivered", "email_unsubscribed", "SMS Subscribed"),
)


@st.composite
def events(draw: st.DrawFn, message_id: str = "m0") -> Event:
    """One event of any kind; its identifiers are one to three of IDENTIFIERS."""
    kind = draw(st.sampled_from(["track", "track", "identify", "page", "screen", "group", "alias"]))
    name, properties, told, group_id = "", {}, {}, ""
    if kind == "track":
        name = draw(st.sampled_from(NAMES))
        properties = draw(orders)
    elif kind in ("page", "screen"):
        name = draw(st.sampled_from(["", "Home"]))
        properties = {"title": draw(values)}
    elif kind == "identify":
        told = draw(traits)
    elif kind == "group":
        group_id = draw(st.sampled_from(["g1", "g2"]))
        told = draw(traits)
    at = draw(timestamps)
    identifiers = tuple(draw(st.lists(st.sampled_from(IDENTIFIERS), min_size=1, max_size=3, unique=True)))
    source = draw(st.sampled_from(SOURCES))
    context = draw(contexts)
    return Event(message_id, kind, name, at, at, source, identifiers, identifiers[0], told, properties, context,
                 group_id=group_id)  # fmt: skip


# Different messages of only three ties (see models.profile.state.tie_of).
MESSAGE_IDS = tuple(
    f"m{number}" for number in (120, 121, 124, 31324, 31325, 31320, 38507, 38506, 38503, 86240, 86241, 86244)
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """At most twelve events, with different message ids."""
    return [draw(events(message_id)) for message_id in MESSAGE_IDS[: draw(st.integers(0, len(MESSAGE_IDS)))]]


attribute_policies = st.sampled_from(
    [
        AttributePolicy("latest"),
        AttributePolicy("first"),
        AttributePolicy("most_frequent"),
        AttributePolicy("source_priority", ("crm", "shop")),
    ]
)
policies = st.builds(
    ProfilePolicy,
    attributes=st.dictionaries(st.sampled_from(["city", "plan"]), attribute_policies),
    default_attribute=attribute_policies,
    source_channels=st.sampled_from([{}, {"crm": "support"}]),
)


def fold(history: list[Event], policy: ProfilePolicy, **fields: Any) -> Profile:
    """A profile that has seen these events, and has all their identifiers."""
    profile = Profile(**{"customer_id": 1, "created_at": CREATED_AT, **fields})
    for event in history:
        for identifier in event.identifiers:
            add_identifier(profile, identifier, event)
        apply(profile, event, policy)
    return profile
