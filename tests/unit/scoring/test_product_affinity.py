"""Products that people buy again and try: the probabilities of one person, and as they are kept in a file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.profile.state import DAY_MS, MICRO, Order, Profile
from models.scoring.affinity import AffinityModel, Purchases, fit_affinity
from models.scoring.insights import told_prospects
from models.scoring.product_affinity import ProductAffinity, decayed_purchases
from models.scoring.ranking import Item, rank

DAY = 20_000
NOW = (DAY + 100) * DAY_MS + 1
PRODUCTS = ["tea", "cup", "soap", "towel", "coffee"]


def learned(mix: float = 0.5, worth: float = 2.0) -> ProductAffinity:
    """Tea goes with cups, soap with towels."""
    near = np.zeros((5, 5))
    near[0, 1] = near[1, 0] = near[2, 3] = near[3, 2] = 1.0
    popularity = np.array([0.4, 0.1, 0.3, 0.15, 0.05])
    model = AffinityModel(popularity, popularity[::-1] / 1.0, worth, sparse.csr_matrix(near), mix, 60.0)
    return ProductAffinity("affinity@3", PRODUCTS, model)


def buyer(*products: str, day: int = 100) -> Profile:
    profile = Profile(1, 1)
    for number, product in enumerate(products):
        profile.orders[str(number)] = Order((DAY + day) * DAY_MS, 0, MICRO, "EUR", [(product, 1000, MICRO)])
    return profile


bought = st.dictionaries(st.sampled_from([*PRODUCTS, "unknown"]), st.floats(0.01, 50))


@given(bought, st.sampled_from([0.0, 0.3, 0.9]), st.floats(0.1, 100))
@settings(deadline=None)
def test_the_next_purchase_is_one_of_all_products(own: dict[str, float], mix: float, worth: float) -> None:
    found = learned(mix, worth).prospects(own)
    known = own.keys() & set(PRODUCTS)
    assert {name for name, _ in found.again} == known
    assert {name for name, _ in found.first_time} == set(PRODUCTS) - known
    assert sum(each for _, each in (*found.again, *found.first_time)) == pytest.approx(1)
    for part in found:
        assert [each for _, each in part] == sorted((each for _, each in part), reverse=True)


def test_what_goes_with_it_is_tried_first_as_far_as_neighbours_are_trusted() -> None:
    assert learned(0.9).prospects({"soap": 3.0}).first_time[0][0] == "towel"
    assert learned(0.0).prospects({"soap": 3.0}).first_time[0][0] == "coffee"  # which most people try
    again = dict(learned().prospects({"soap": 3.0}).again)["soap"]
    assert again == pytest.approx((3 + 2 * 0.3) / (3 + 2))


def test_a_file_has_all_that_was_learned() -> None:
    rng = np.random.default_rng(5)
    purchases = Purchases(rng.integers(0, 50, 900), rng.integers(0, 20, 900), rng.uniform(0, 100, 900))
    products = [f"p{number}" for number in range(20)]
    model = ProductAffinity("affinity@1", products, fit_affinity(purchases, (50, 20), 100, 60, 20))
    again = ProductAffinity.decode("affinity@1", model.encode())
    own = {"p3": 1.5, "p7": 0.2}
    assert again.prospects(own) == model.prospects(own)
    assert again.shares(["p1", "p3", "none"], own, None) == model.shares(["p1", "p3", "none"], own, None)
    with pytest.raises(ValueError, match="products"):
        ProductAffinity.decode("affinity@1", b"\x80")


def test_a_profile_tells_them_as_of_the_day() -> None:
    profile = buyer("tea", "tea", day=40)
    told = told_prospects(learned(), profile, NOW)
    assert told["version"] == "affinity@3"
    assert [each["name"] for each in told["likely_again"]] == ["tea"]
    assert told["likely_first"][0]["name"] == "cup"
    assert told == told_prospects(learned(), profile, NOW + DAY_MS // 2)
    later = told_prospects(learned(), profile, NOW + 30 * DAY_MS)
    assert later["likely_again"][0]["likely"] < told["likely_again"][0]["likely"]
    assert told_prospects(learned(), Profile(1, 1), NOW) == {}


def test_purchases_count_half_after_their_half_life_and_cancelled_ones_nothing() -> None:
    profile = buyer("tea", "soap", day=40)
    profile.orders["1"].cancelled = True
    assert decayed_purchases(profile, (DAY + 100) * DAY_MS) == {"tea": pytest.approx(0.5)}


def test_ranking_uses_what_was_learned_where_the_caller_says_nothing() -> None:
    items = [Item(name) for name in ("new", "coffee", "soap", "tea")]
    strangers = [each.id for each in rank(items, None, NOW, learned())]
    assert strangers == ["tea", "soap", "new", "coffee"]  # what is not known is as popular as the least
    told = [item._replace(popularity=float(place + 1)) for place, item in enumerate(items)]
    assert [each.id for each in rank(told, None, NOW, learned())] == ["tea", "soap", "coffee", "new"]
    offers = [Item("a", "drinks"), Item("b", "care")]  # of which nothing was learned
    drinker = buyer("tea")
    drinker.orders["0"].categories = ["drinks"]
    assert rank(offers, drinker, NOW, learned()) == rank(offers, drinker, NOW)
    assert [each.id for each in rank(offers[::-1], drinker, NOW, learned())] == ["a", "b"]


def test_products_that_go_with_what_was_bought_come_forward() -> None:
    items = [Item(name) for name in ("tea", "towel", "cup", "new")]
    mine = buyer("soap", "soap")
    plain, near = rank(items, mine, NOW, learned(0.0)), rank(items, mine, NOW, learned(0.9))
    assert near[0].id == "towel" != plain[0].id
    assert sum(each.likely for each in near) == pytest.approx(1)


@given(bought, st.sampled_from([0.0, 0.3, 0.9]), st.floats(0.1, 100))
@settings(deadline=None)
def test_among_all_products_shares_are_the_models(own: dict[str, float], mix: float, worth: float) -> None:
    """The quick one of a person and some products, against the one of all people and all products."""
    model = learned(mix, worth)
    counts = sparse.csr_matrix([[own.get(product, 0.0) for product in PRODUCTS]])
    if own.keys() & set(PRODUCTS):
        assert model.shares(PRODUCTS, own, None) == pytest.approx(model.model.likely(counts)[0], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("worth", [0.5, 50.0])
def test_popularity_is_worth_what_was_learned_of_the_products_that_are_shown(worth: float) -> None:
    items = [Item("tea", popularity=3.0), Item("soap", popularity=1.0)]
    found = {each.id: each.likely for each in rank(items, buyer("soap"), NOW, learned(0.0, worth))}
    own, shown = 0.5 ** (1 / (60 * DAY_MS)), worth * (0.4 + 0.3)
    assert found["soap"] == pytest.approx((own + shown / 4) / (own + shown))
