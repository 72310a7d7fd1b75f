"""Signs of life events and affinities in a profile: what they are made of, and that nothing else is told."""

import pytest

from models.profile.state import DAY_MS, MICRO, EventStats, Order, Profile
from models.scoring.insights import LifeEvents, affinities, told_signs
from models.scoring.life_events import DEFAULT_LIFE_EVENTS, OnsetRule

DAY = 20_000
NOW = (DAY + 400) * DAY_MS


def buyer(*lines: tuple[int, str, str]) -> Profile:
    """Somebody known for 400 days, with an order a line: day, product, category."""
    profile = Profile(1, DAY * DAY_MS, first_seen=DAY * DAY_MS)
    for number, (day, product, category) in enumerate(lines):
        at = (DAY + day) * DAY_MS
        profile.orders[str(number)] = Order(
            at, 0, 10 * MICRO, "EUR", [(product, 1000, 10 * MICRO)], categories=[category]
        )
    return profile


MOVER = buyer(
    (300, "sofa", "Furniture"), (310, "boxes", "Moving supplies"), (311, "bed", "furniture"), (350, "x", "Tea")
)


def test_a_sign_has_its_evidence() -> None:
    (sign,) = LifeEvents(DEFAULT_LIFE_EVENTS).signs(MOVER, NOW, lambda _: True, True)
    told = told_signs([sign], lambda at: str(at // DAY_MS - DAY))
    assert told == [
        {
            "name": "moving",
            "since": "300",
            "evidence": [
                {"at": "300", "category": "Furniture"},
                {"at": "310", "category": "Moving supplies"},
                {"at": "311", "category": "furniture"},
            ],
        }
    ]


@pytest.mark.parametrize(
    "profile",
    [
        buyer((300, "sofa", "Furniture"), (310, "tea", "Tea")),  # too little
        buyer((100, "a", "Furniture"), (200, "b", "Furniture"), (300, "c", "Furniture")),  # not at once
        buyer(*((day, "a", "Furniture") for day in range(0, 400, 20))),  # always
        buyer((300, "a", "")),
        Profile(1, 1),
    ],
)
def test_no_sign_is_none(profile: Profile) -> None:
    assert LifeEvents(DEFAULT_LIFE_EVENTS).signs(profile, NOW, lambda _: True, True) == []


def test_signs_are_made_of_what_may_be_read_alone() -> None:
    rules = {"leaving": OnsetRule(events=("cancel *",), at_least=1), **DEFAULT_LIFE_EVENTS}
    profile = MOVER
    at = (DAY + 390) * DAY_MS
    profile.events["Cancel Page Viewed"] = EventStats(1, at, at, [at])
    found = LifeEvents(rules)
    assert [sign.name for sign in found.signs(profile, NOW, lambda _: True, True)] == ["leaving", "moving"]
    assert [sign.name for sign in found.signs(profile, NOW, lambda _: False, True)] == ["moving"]
    assert [sign.name for sign in found.signs(profile, NOW, lambda _: True, False)] == ["leaving"]
    assert LifeEvents({}).signs(profile, NOW, lambda _: True, True) == []


def test_late_purchases_weigh_more_and_cancelled_ones_nothing() -> None:
    profile = buyer((0, "old", "A"), (60, "new", "B"), (60, "gone", "B"))
    assert affinities(profile)["products"] == [("gone", 0.4), ("new", 0.4), ("old", 0.2)]
    profile.orders["2"].cancelled = True
    found = affinities(profile)
    assert [name for name, _ in found["products"]] == ["new", "old"]
    assert found["products"][0][1] == pytest.approx(2 / 3)
    assert found["categories"][0][0] == "B"
    assert affinities(Profile(1, 1)) == {}
    assert len(affinities(buyer(*((day, f"p{day}", "") for day in range(9))))["products"]) == 5
    assert "categories" not in affinities(buyer((1, "p", "")))
