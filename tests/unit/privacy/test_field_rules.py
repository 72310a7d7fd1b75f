"""Rules of single fields: what each does, that it is stable, and that a wrong one is named."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.privacy.door import Door, Doors, SourceFields, Tally
from models.privacy.field_rules import FieldRule, Keys, revealed, token_of

KEYS = Keys(b"h" * 64, b"t" * 64)
encode = msgspec.json.Encoder(order="deterministic").encode
OTHERS = Keys(b"x" * 64, b"y" * 64)
json = st.recursive(
    st.text() | st.integers(-(1 << 53), 1 << 53) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def entered(message: dict[str, Any], *rules: FieldRule, again: bool = False) -> dict[str, Any]:
    return Door(None, rules, KEYS, None).admitted(message, "identify", Tally(), again)[0]


def trait(value: Any, **rule: Any) -> Any:
    """What a rule makes of a trait; None if it is left out."""
    return entered({"traits": {"t": value}}, FieldRule(field="traits.t", **rule))["traits"].get("t")


@pytest.mark.parametrize(
    ("value", "to", "left"),
    [
        ("192.0.2.77", "network", "192.0.2.0"),
        ("2001:db8:1234:5678::9", "network", "2001:db8:1234::"),
        ("::ffff:192.0.2.77", "network", "192.0.2.0"),
        ("example.com", "network", None),
        ("1985-07-21", "year", "1985"),
        ("1985", "year", "1985"),
        (-1_000_000_000, "year", "1938"),
        ("July", "year", None),
        (52.520008, "two_decimals", 52.52),
        ("13.404954", "two_decimals", "13.4"),
        ("north", "two_decimals", None),
        (True, "two_decimals", None),
        (float("nan"), "two_decimals", None),
    ],
)
def test_truncation(value: Any, to: Any, left: Any) -> None:
    assert trait(value, action="truncate", to=to) == left
    assert trait(left, action="truncate", to=to) == left


def test_characters() -> None:
    assert trait("10115 Berlin", action="truncate", to="characters", characters=2) == "10"
    assert trait(10115, action="truncate", to="characters", characters=2) is None


@given(json, json)
def test_hashes_are_equal_for_equal_values_under_one_key(one: Any, other: Any) -> None:
    hashed = trait(one, action="hash")
    assert hashed == trait(one, action="hash")
    assert (hashed == trait(other, action="hash")) == (encode(one) == encode(other))
    others = Door(None, (FieldRule(field="traits.t", action="hash"),), OTHERS, None)
    assert others.admitted({"traits": {"t": one}}, "identify", Tally())[0]["traits"]["t"] != hashed


@given(json)
def test_tokens_are_turned_back_by_their_key_alone(value: Any) -> None:
    token = trait(value, action="tokenise")
    assert token == token_of(value, KEYS)
    assert revealed(token, KEYS) == value
    for wrong, keys in ((token, OTHERS), (token[:-3], KEYS), (token[4:], KEYS), ("tok_", KEYS), ("tok_\u00e9", KEYS)):
        with pytest.raises(ValueError, match="expected a token"):
            revealed(wrong, keys)


def test_a_rule_finds_its_field_wherever_it_is() -> None:
    rules = (
        FieldRule(field="traits.home.lat*", action="drop"),
        FieldRule(field="properties.cards.number", action="drop"),
    )
    where = {"home": {"latitude": 1, "lat": 2, "city": "x"}, "home.lat": 3}
    message = {
        "traits": where,
        "context": {"traits": where, "ip": "x"},
        "properties": {"cards": [{"number": 1, "kind": "a"}, 7, {"number": 2}]},
    }
    assert entered(message, *rules) == {
        "traits": {"home": {"city": "x"}},
        "context": {"traits": {"home": {"city": "x"}}, "ip": "x"},
        "properties": {"cards": [{"kind": "a"}, 7, {}]},
    }
    assert message["traits"] is where
    assert where["home.lat"] == 3


def test_signals_of_consent_are_out_of_reach() -> None:
    context = {"consent": {"gpc": True}, "connection": 1}
    assert entered({"context": context}, FieldRule(field="context.con*", action="drop")) == {
        "context": {"consent": {"gpc": True}}
    }


def test_what_came_in_before_is_not_hashed_again() -> None:
    rules = (FieldRule(field="traits.a", action="hash"), FieldRule(field="traits.b", action="drop"))
    once = entered({"traits": {"a": "x", "b": 1}}, *rules)
    assert entered(once, *rules, again=True) == once != entered(once, *rules)


@pytest.mark.parametrize("action", ["hash", "tokenise"])
def test_what_came_in_before_its_rule_is_not_kept_as_it_was(action: Any) -> None:
    rule = FieldRule(field="traits.a", action=action)
    for value in ("x", 5, {"b": 1}, "hmac_1", "tok_1"):
        made = entered({"traits": {"a": value}}, rule)
        assert entered({"traits": {"a": value}}, rule, again=True) == made != {"traits": {"a": value}}


def test_rules_and_lists_are_a_sources_own() -> None:
    rule = FieldRule(field="traits.a", action="drop", sources=("crm",))
    doors = Doors({"web": SourceFields(traits=("b",))}, (rule,), KEYS, None)
    assert doors.of("shop") is None
    left = {}
    for source in ("crm", "web"):
        door = doors.of(source)
        assert door is not None
        left[source] = door.admitted({"traits": {"a": 1, "b": 2, "c": 3}}, "identify", Tally())[0]["traits"]
    assert left == {"crm": {"b": 2, "c": 3}, "web": {"b": 2}}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"field": "ssn", "action": "drop"}, "field ssn: expected traits"),
        ({"field": "traits.", "action": "drop"}, "field traits.: expected"),
        ({"field": "traits.*.x", "action": "drop"}, "at its end only"),
        ({"field": "context.traits.ssn", "action": "drop"}, "expected traits.NAME"),
        ({"field": "context.consent.gpc", "action": "drop"}, "always kept"),
        ({"field": "traits.a", "action": "truncate"}, "`to` says"),
        ({"field": "traits.a", "action": "drop", "to": "year"}, "for truncate only"),
        ({"field": "traits.a", "action": "truncate", "to": "characters"}, "`characters`"),
    ],
)
def test_a_wrong_rule_is_named(rule: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        FieldRule(**rule)


def test_a_wrong_list_is_named() -> None:
    with pytest.raises(ValueError, match="traits: expected names"):
        SourceFields(traits=("a*b",))
