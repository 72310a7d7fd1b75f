"""The door: whatever a source with a list of fields sends, nothing that is not on the list is in what is kept of it."""

from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from models.events.outcome import WireError
from models.events.wire import Source, WireParser
from models.privacy.door import Door, SourceFields
from models.privacy.field_rules import Keys

CANARY = "Zq7canary"
LISTED = SourceFields(
    events=("Order Completed", "Page Viewed: H*"),
    traits=("plan", "address.city"),
    properties=("sku", "items.id"),
    context=("page.title", "locale"),
)
SOURCE = Source("web", door=Door(LISTED, (), Keys(b"", b""), None))
PARSER = WireParser()

# Any JSON, all of its texts and names with the canary, but where a name is one that is on the list.
texts = st.builds(lambda text: CANARY + text, st.text(max_size=5))
names = texts | st.sampled_from(["city", "id", "title"])
leaves = texts | st.integers() | st.booleans() | st.none() | st.floats()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
strangers = st.dictionaries(texts, values, max_size=3)
secrets = st.builds(lambda inner: {"secret": [inner, CANARY]}, values)
parents = st.dictionaries(
    st.sampled_from(["address", "items", "page"]), strangers | texts | st.lists(strangers), max_size=2
)
sections = st.builds(lambda one, two, three: {**one, **two, **three}, strangers, parents, secrets) | values
messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "identify", "page", "screen", "group", "nonsense", CANARY, 7, None]),
        "userId": st.sampled_from(["u1", "", None]) | st.dictionaries(texts, texts, min_size=1),
        "event": st.sampled_from(["Order Completed", f"Bought {CANARY}", None])
        | st.dictionaries(texts, texts, min_size=1),
        "name": st.sampled_from(["Home", f"{CANARY} page"]) | st.lists(texts),
        "category": texts,
        "channel": texts | values,
        "groupId": st.sampled_from(["g1", None]) | st.lists(texts),
        "timestamp": st.sampled_from(["2026-01-01T00:00:00Z", "soon", None]) | st.lists(texts),
        "traits": sections,
        "properties": sections,
        "context": sections | st.builds(lambda t, c: {"traits": t, "consent": {"x": t, **c}}, sections, strangers),
        "integrations": sections,
        "mergeProperties": sections,
        CANARY: values,
        f"{CANARY}2": sections,
    },
)


def kept(parsed: Any) -> list[bytes]:
    """What reaches a disk: events, and refused messages with their reasons."""
    return [
        *(msgspec.msgpack.encode(event) for event in parsed.events),
        *(each.body + msgspec.json.encode([each.reasons, each.kind]) for each in parsed.rejected),
    ]


def parsed_of(document: Any, path: str) -> Any:
    return PARSER.parse(msgspec.json.encode(document), path, SOURCE, 1_767_300_000_000, lambda: "id")


@given(st.lists(messages, min_size=1, max_size=3), sections, st.sampled_from(["import", "batch"]))
def test_nothing_that_is_not_on_the_list_is_kept_of_a_batch(batch: list[Any], shared: Any, path: str) -> None:
    context = shared if isinstance(shared, dict) else {}
    try:
        parsed = parsed_of({"batch": batch, "context": context, "integrations": context}, path)
    except WireError:  # the whole request is refused: nothing is kept
        return
    assert len(parsed.events) + len(parsed.rejected) == len(batch)
    assert all(CANARY.encode() not in each for each in kept(parsed))


@example({"type": CANARY}, "track")
@given(messages, st.sampled_from(["track", "identify", "page", "group", "merge", "alias"]))
def test_nor_of_a_single_message_nor_when_it_is_tried_again(message: dict[str, Any], path: str) -> None:
    parsed = parsed_of(message, path)
    assert all(CANARY.encode() not in each for each in kept(parsed))
    again = PARSER.parse_items([each.body for each in parsed.rejected], SOURCE, 1, lambda: "id", again=True)
    assert all(CANARY.encode() not in each for each in kept(again))


@given(st.binary(max_size=20), st.integers(0, 3))
def test_of_what_cannot_be_read_there_stays_its_size(noise: bytes, depth: int) -> None:
    nested = b"[" * 40 * depth + b"1" + b"]" * 40 * depth
    bodies = [b'{"type": "track", "' + CANARY.encode() + b'": ' + nested + noise + b"\xff", nested + CANARY.encode()]
    parsed = PARSER.parse_items(bodies, SOURCE, 1, lambda: "id")
    assert [each.body for each in parsed.rejected] == [b'{"withheld_bytes":%d}' % len(body) for body in bodies]
    assert all(each.minimised and CANARY not in str(each.reasons) for each in parsed.rejected)


listed = st.fixed_dictionaries(
    {"plan": leaves, "address": st.fixed_dictionaries({"city": leaves})}, optional={"else": texts}
)


@given(listed)
def test_what_is_on_the_list_comes_in_as_it_is(traits: dict[str, Any]) -> None:
    body = msgspec.json.encode({"userId": "u1", "traits": traits, "context": {"locale": "de", "page": {"title": 1}}})
    wanted = msgspec.json.decode(body)
    parsed = PARSER.parse(body, "identify", SOURCE, 1_767_300_000_000, lambda: "id")
    if not parsed.events:  # an integer of more than 64 bits
        return
    (event,) = parsed.events
    wanted["traits"].pop("else", None)
    assert event.traits == wanted["traits"]
    assert event.context == wanted["context"]
    assert parsed.left_out == ({0: ["traits.else"]} if "else" in traits else {})
