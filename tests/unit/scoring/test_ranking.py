"""Ranking: one's own purchases, popularity where they say little, and margins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.profile.state import DAY_MS, MICRO, Order, Profile
from models.scoring.ranking import Item, rank

DAY = 20_000
NOW = (DAY + 100) * DAY_MS
ITEMS = [Item("tea", "drinks", 1), Item("coffee", "drinks", 3), Item("soap", "care", 6)]


def buyer(*lines: tuple[int, str, str]) -> Profile:
    profile = Profile(1, 1)
    for number, (day, product, category) in enumerate(lines):
        at = (DAY + day) * DAY_MS
        profile.orders[str(number)] = Order(at, 0, MICRO, "EUR", [(product, 1000, MICRO)], categories=[category])
    return profile


def order(profile: Profile | None, items: list[Item] = ITEMS) -> list[str]:
    return [each.id for each in rank(items, profile, NOW)]


def test_strangers_are_shown_what_is_popular() -> None:
    assert order(None) == order(Profile(1, 1)) == ["soap", "coffee", "tea"]
    assert [each.likely for each in rank(ITEMS, None, NOW)] == pytest.approx([0.6, 0.3, 0.1])


def test_what_was_bought_often_and_lately_comes_first() -> None:
    assert order(buyer(*((90, "tea", "drinks"),) * 6))[0] == "tea"
    long_ago = buyer(*((-900, "tea", "drinks"),) * 6)
    assert order(long_ago)[0] == "soap" and rank(ITEMS, long_ago, NOW)[-1].bought


def test_a_category_speaks_for_what_is_new_in_it() -> None:
    juice = buyer(*((90, "juice", "drinks"),) * 6)
    assert order(juice) == ["coffee", "soap", "tea"]
    assert not any(each.bought for each in rank(ITEMS, juice, NOW))


def test_margins_count() -> None:
    items = [item._replace(margin=10 if item.id == "tea" else 1) for item in ITEMS]
    assert order(None, items) == ["tea", "soap", "coffee"]


lines = st.lists(st.tuples(st.integers(0, 100), st.sampled_from("abcd"), st.sampled_from(["x", "y", ""])), max_size=8)
items = st.lists(
    st.builds(Item, st.sampled_from("abcde"), st.sampled_from(["x", "y", "z", ""]), st.floats(0.01, 100)),
    min_size=1,
    unique_by=lambda item: item.id,
)


@given(items, lines)
def test_likelihoods_are_of_all_items_together(given_items: list[Item], bought: list[tuple[int, str, str]]) -> None:
    ranked = rank(given_items, buyer(*bought), NOW)
    assert sum(each.likely for each in ranked) == pytest.approx(1)
    assert sorted(each.id for each in ranked) == sorted(item.id for item in given_items)
