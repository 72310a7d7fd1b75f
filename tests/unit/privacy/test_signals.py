"""Decisions: nothing is granted that a signal does not grant."""

from dataclasses import replace

import pytest

from models.privacy.gpp import GppSignals, decode_gpp
from models.privacy.signals import Decision, from_categories, from_gpc, from_gpp, from_tcf, purposes_of
from models.privacy.tcf import TcfConsent, decode_tcf
from tests.strategies.consent_strings import Tcf, gpp, us_section

NAMES = {1: "storage", 2: "ads", 7: "measurement", 8: "content"}


def tcf(**changes: object) -> TcfConsent:
    return decode_tcf(replace(Tcf(), **changes).encode())  # type: ignore[arg-type]


def national(*opted_out: int, child: int = 0, gpc: bool | None = None) -> GppSignals:
    """A national section in which the fields at these positions are 1, all others "did not opt out"."""
    values = [1 if position in opted_out else 2 for position in range(9)] + [0] * 12 + [child, 0] + [0, 2, 0, 0]
    return decode_gpp(gpp({7: us_section(1, values, gpc)}))


def test_a_tc_string_grants_what_it_says_and_denies_the_rest() -> None:
    consent = tcf(purposes_consent=frozenset({1, 2}), purposes_li=frozenset({2, 7}))
    assert from_tcf(consent, NAMES) == [
        Decision("storage", True, "consent"),
        Decision("ads", True, "consent"),
        Decision("measurement", True, "legitimate_interest"),
        Decision("content", False, "consent"),
    ]


def test_a_purpose_that_no_string_can_hold_is_denied() -> None:
    everything = tcf(purposes_consent=frozenset(range(1, 25)))
    assert from_tcf(everything, {0: "none", 25: "beyond"}) == [
        Decision("none", False, "consent"),
        Decision("beyond", False, "consent"),
    ]


def test_all_parts_of_a_purpose_must_be_granted() -> None:
    mapping = {2: "marketing", 7: "marketing"}
    assert from_tcf(tcf(purposes_consent=frozenset({2})), mapping) == [Decision("marketing", False, "consent")]
    assert from_tcf(tcf(purposes_consent=frozenset({7})), mapping) == [Decision("marketing", False, "consent")]
    both = tcf(purposes_consent=frozenset({2}), purposes_li=frozenset({7}))
    assert from_tcf(both, mapping) == [Decision("marketing", True, "legitimate_interest")]


@pytest.mark.parametrize(("policy", "granted"), [(2, {2, 3, 4, 5, 6, 7}), (4, {2, 7}), (5, {2, 7})])
def test_legitimate_interest_does_not_reach_purposes_that_need_consent(policy: int, granted: set[int]) -> None:
    consent = tcf(policy_version=policy, purposes_li=frozenset(range(1, 8)))
    decisions = from_tcf(consent, {number: str(number) for number in range(1, 8)})
    assert {int(decision.purpose) for decision in decisions if decision.granted} == granted


@pytest.mark.parametrize(
    "signals",
    [
        national(6),  # sale
        national(7),  # sharing
        national(8),  # targeted advertising
        national(child=1),
        national(gpc=True),
        decode_gpp(gpp({6: "1NYN"})),
    ],
)
def test_an_opt_out_denies(signals: GppSignals) -> None:
    assert from_gpp(signals, ["ads", "resale", "ads"]) == [
        Decision("ads", False, "opt_out"),
        Decision("resale", False, "opt_out"),
    ]


@pytest.mark.parametrize(
    "signals",
    [national(), national(child=2), national(gpc=False), decode_gpp("DBAA"), decode_gpp(gpp({6: "1---", 24: "x"}))],
)
def test_no_opt_out_says_nothing(signals: GppSignals) -> None:
    assert from_gpp(signals, ["ads"]) == []


@pytest.mark.parametrize("value", ["", "0", "1 ", " 1", "11", "true", "1,1", "\uff11"])
def test_only_1_is_global_privacy_control(value: str) -> None:
    assert from_gpc("1") is True
    assert from_gpc(value) is False


def test_only_true_grants_a_category() -> None:
    preferences: dict[str, object] = {"a": True, "b": False, "c": None, "d": 1, "e": "true", "f": [True], "g": {}}
    assert [decision.purpose for decision in from_categories(preferences) if decision.granted] == ["a"]
    assert [decision.purpose for decision in from_categories(preferences)] == list(preferences)
    assert {decision.basis for decision in from_categories(preferences)} == {"consent"}


def test_decisions_of_a_whole_signal() -> None:
    consented = Tcf(purposes_consent=frozenset({1, 2}))
    assert purposes_of(decode_tcf(consented.encode()), {1: "storage"}, ["storage"]) == [
        Decision("storage", True, "consent")
    ]
    both = decode_gpp(gpp({2: consented.encode(), 6: "1NYN"}))
    assert purposes_of(both, {1: "storage", 2: "ads"}, ["ads"]) == [
        Decision("ads", False, "opt_out"),
        Decision("storage", True, "consent"),
    ]
