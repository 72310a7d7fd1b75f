"""Where people's data belongs, and what may leave."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.privacy.residency import ELSEWHERE, NO_RESIDENCY, NoTransfer, Region, Residency, Transfer

SCC = Transfer("scc", "contract of 2026-01-01")
REGIONS = {
    "eu": Region(countries=("DE", "FR"), sources=("shop-eu",)),
    "us": Region(countries=("US",), url="https://us.example.com"),
    "ch": Region(countries=("CH",)),
}
EU = Residency(region="eu", default="us", regions=REGIONS, transfers={"eu->us": SCC, "us->ch": SCC})


@pytest.mark.parametrize(
    ("source", "traits", "context", "region"),
    [
        ("shop-eu", {"address": {"country": "US"}}, {"location": {"country": "US"}}, "eu"),
        ("web", {"address": {"country": " de "}}, {"location": {"country": "US"}}, "eu"),
        ("web", {}, {"traits": {"address": {"country": "CH"}}, "location": {"country": "FR"}}, "ch"),
        ("web", {}, {"location": {"country": "FR"}}, "eu"),
        ("web", {"address": {"country": "Atlantis"}}, {"location": {"country": "CH"}}, "ch"),
        ("web", {"address": "Berlin"}, {"location": ["FR"]}, "us"),
        ("web", {}, {}, "us"),
    ],
)
def test_the_first_rule_that_knows(source: str, traits: dict[str, Any], context: dict[str, Any], region: str) -> None:
    assert EU.region_of(source, traits, context) == region


@given(
    st.text(max_size=10),
    st.recursive(st.none() | st.text(max_size=4) | st.integers(), lambda inner: st.dictionaries(st.text(), inner)),
    st.sampled_from(["address", "country", "location", "traits"]),
)
def test_every_event_belongs_somewhere(source: str, value: Any, name: str) -> None:
    assert EU.region_of(source, {name: value}, {name: value}) in REGIONS


def test_what_may_leave() -> None:
    assert EU.crossing("eu") is None
    crossing = EU.crossing("us")
    assert crossing is not None
    assert (crossing.rule, crossing.mechanism, crossing.reference) == ("eu->us", "scc", SCC.reference)
    for recipient, rule in (("ch", "eu->ch"), ("", f"eu->{ELSEWHERE}"), ("mars", "eu->mars")):
        with pytest.raises(NoTransfer) as caught:
            EU.crossing(recipient)
        assert caught.value.rule == rule
    assert [each.rule for each in EU.crossings()] == ["eu->us"]


def test_off_everything_stays_as_it_is() -> None:
    assert not NO_RESIDENCY.is_on
    assert NO_RESIDENCY.crossing("") is NO_RESIDENCY.crossing("us") is None
    assert list(NO_RESIDENCY.crossings()) == []


@pytest.mark.parametrize(
    "given",
    [
        {"region": "mars"},
        {"region": "eu", "default": "mars"},
        {"regions": REGIONS},
        {"transfers": {"eu->us": SCC}},
        {"region": "eu", "regions": {"eu": Region(countries=("Germany",))}},
        {"region": "eu", "regions": {"eu": Region(countries=("DE",)), "us": Region(countries=("DE",))}},
        {"region": "eu", "regions": {"eu": Region(sources=("a",)), "us": Region(sources=("a",))}},
        {"region": ELSEWHERE, "regions": {ELSEWHERE: Region()}},
        {"region": "E U", "regions": {"E U": Region()}},
        {"region": "eu", "regions": REGIONS, "transfers": {"eu": SCC}},
        {"region": "eu", "regions": REGIONS, "transfers": {"eu->eu": SCC}},
        {"region": "eu", "regions": REGIONS, "transfers": {"eu->mars": SCC}},
    ],
)
def test_settings_that_contradict_themselves(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"residency\."):
        Residency(**({"regions": REGIONS} if given.get("region") in ("mars",) else {}) | given)


def test_a_transfer_has_a_reference() -> None:
    with pytest.raises(ValueError, match="reference"):
        Transfer("bcr", " ")
