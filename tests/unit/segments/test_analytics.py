"""What the analytics tell: nothing of few people, neither in a number nor in what two numbers leave."""

from typing import Any

import numpy as np
import pytest

from models.profile.lifecycle import STAGES
from models.scoring.contract import Output
from models.segments.analytics import Activity, Sales, Summary, Trait, report
from models.segments.predictions import Prediction, join_predictions, predicted

MICRO = 1_000_000


def told(**of: Any) -> dict[str, Any]:
    """The report of 100 members, of whom fewer than 10 are too few."""
    return report(Summary(100, **of), 10)


def plans(filled: int, **values: int) -> dict[str, Any]:
    traits = {"plan": Trait(filled, {f'"{name}"': count for name, count in values.items()})}
    found: dict[str, Any] = told(traits=traits)["demographics"]["plan"]
    return found


def test_others_are_told_where_they_are_many() -> None:
    assert plans(80, pro=50, free=15, a=8, b=7) == {
        "members": 80,
        "share": 0.8,
        "values": [{"value": "pro", "members": 50}, {"value": "free", "members": 15}],
        "others": 15,
    }
    assert plans(100, pro=60, free=40)["others"] == 0


def test_few_others_take_the_next_value_with_them() -> None:
    found = plans(61, pro=50, free=10, vip=1)
    assert (found["values"], found["others"]) == ([{"value": "pro", "members": 50}], 11)
    assert plans(11, pro=10, vip=1) == {"members": 11, "share": 0.11}


def test_a_trait_that_all_but_few_have() -> None:
    found = plans(97, pro=50, free=47)
    assert (found["members"], found["share"]) == (None, None)
    assert (found["values"], found["others"]) == ([{"value": "pro", "members": 50}], None)
    found = plans(97, pro=50, free=30, **{f"v{n}": 1 for n in range(17)})
    assert (len(found["values"]), found["members"], found["others"]) == (2, None, None)


def test_a_trait_that_few_have_is_left_out() -> None:
    assert told(traits={"plan": Trait(9, {'"pro"': 9})})["demographics"] == {}
    assert told(traits={"age": Trait(20, numbers=20, total=600.0)})["demographics"]["age"]["average"] == 30.0


@pytest.mark.parametrize(
    ("members", "recent", "expected"),
    [(50, 20, (50, 20)), (50, 45, (50, None)), (50, 3, (50, None)), (50, 0, (50, 0)), (95, 85, (None, 85))],
)
def test_events_and_channels(members: int, recent: int, expected: tuple[int | None, int | None]) -> None:
    activity = {"x": Activity(members, 200, recent, recent)}
    found = told(events=activity, channels=activity)
    for each in (found["behaviors"]["x"], found["engagement"]["channels"]["x"]):
        assert (each["members"], each["members_30d"]) == expected
        assert [each["share"], each["share_30d"]] == [None if count is None else count / 100 for count in expected]


def test_orders_of_all_do_not_tell_of_a_currency_of_few() -> None:
    euros, dollars = Sales(40, 80, 800 * MICRO), Sales(1, 1, 10 * MICRO)
    assert told(sales={"EUR": euros})["value"]["orders"] == 80
    found = told(sales={"EUR": euros, "USD": dollars})["value"]
    assert (found["orders"], list(found["by_currency"])) == (None, ["EUR"])
    money = found["by_currency"]["EUR"]
    assert (money["average_order_value"], money["revenue_per_member"]) == ("10.00", "8.00")
    most = told(sales={"EUR": Sales(95, 95, 950 * MICRO)})["value"]["by_currency"]["EUR"]
    assert (most["customers"], most["share"], most["orders"]) == (None, None, 95)
    assert told()["value"] == {"orders": 0, "by_currency": {}}


def test_what_adds_up_to_all_members_does_not_lack_one_number_alone() -> None:
    none = dict.fromkeys(STAGES, 0)
    assert told(stages={"known": 60, "active": 40})["lifecycle"] == {**none, "known": 60, "active": 40}
    found = told(stages={"known": 60, "active": 36, "lapsed": 4})["lifecycle"]
    assert found == {**none, "known": 60, "active": None, "lapsed": None}
    found = told(stages={"known": 88, "active": 6, "lapsed": 6})["lifecycle"]
    assert found == {**none, "known": 88, "active": None, "lapsed": None}
    scores = told(scores=[60, 0, 35, 0, 5, 0])["engagement"]["scores"]
    assert list(scores.values()) == [60, 0, None, 0, None, 0]


@pytest.mark.parametrize(
    ("entered", "converted", "expected"),
    [
        (50, 20, (50, 20, 0.4)),
        (50, 0, (50, 0, 0.0)),
        (50, 50, (50, 50, 1.0)),
        (50, 45, (50, None, None)),
        (50, 5, (50, None, None)),
        (9, 0, (None, None, None)),
        (0, 0, (0, 0, None)),
    ],
)
def test_conversion(entered: int, converted: int, expected: tuple[int | None, int | None, float | None]) -> None:
    found = told(entered=entered, converted=converted)["conversion"]
    assert (found["entered"], found["converted"], found["rate"]) == expected


def scored(*values: float, stale: int = 0) -> Prediction:
    is_stale = np.arange(len(values)) < stale
    return predicted(Output(kind="probability", unit="p"), np.array(values), is_stale)


def test_scores_of_members_by_fifths() -> None:
    parts = [{"churn": scored(*[0.05] * 30, 1.0)}, {"churn": scored(*[0.5] * 29), "new": scored(*[0.1] * 9)}]
    found = report(Summary(100), 10, join_predictions(parts))
    churn = found["churn_risk"]
    assert churn == found["scores"]["churn"]
    assert (churn["members"], churn["share"], churn["unit"]) == (60, 0.6, "p")
    assert churn["average"] == pytest.approx((30 * 0.05 + 29 * 0.5 + 1) / 60)
    # The one in the last fifth is not to be found by what the others leave.
    assert churn["distribution"] == {
        "0 to 0.2": 30,
        "0.2 to 0.4": 0,
        "0.4 to 0.6": None,
        "0.6 to 0.8": 0,
        "0.8 to 1": None,
    }
    assert "new" not in found["scores"]  # of nine
    assert report(Summary(100), 10)["churn_risk"] is None


def test_who_has_no_score_is_not_told_where_they_are_few() -> None:
    churn = report(Summary(65), 10, {"churn": scored(*[0.5] * 60, stale=5)})["churn_risk"]
    assert (churn["members"], churn["share"], churn["stale"]) == (None, None, None)
    assert "distribution" not in churn
    assert report(Summary(60), 10, {"churn": scored(*[0.5] * 60, stale=20)})["churn_risk"]["stale"] == 20
