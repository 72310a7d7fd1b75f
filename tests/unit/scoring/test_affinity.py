"""Affinity: what people buy again and what they try, against popularity, on made-up people with tastes."""

import numpy as np
import pytest

from models.scoring.affinity import BUYERS_MIN, Purchases, fit_affinity, hit_rate

PEOPLE, PRODUCTS, DAYS = 600, 60, 200
GROUPS = 4


def bought(seed: int, tastes: bool) -> Purchases:
    """Purchases over some days. With tastes, people buy of one group of products, and few of those again and again."""
    rng = np.random.default_rng(seed)
    m = PEOPLE * 40
    people = rng.integers(0, PEOPLE, m)
    popularity = 1 / np.arange(1, PRODUCTS + 1)
    any_product = rng.choice(PRODUCTS, m, p=popularity / popularity.sum())
    of_group = rng.choice(PRODUCTS // GROUPS, m) * GROUPS + people % GROUPS
    usual = (people * 7 + rng.integers(0, 2, m)) % (PRODUCTS // GROUPS) * GROUPS + people % GROUPS
    kind = rng.random(m)
    products = np.where(kind < 0.4, usual, np.where(kind < 0.7, of_group, any_product)) if tastes else any_product
    return Purchases(people, products, rng.uniform(0, DAYS, m))


def test_tastes_are_learned() -> None:
    purchases, size = bought(1, tastes=True), (PEOPLE, PRODUCTS)
    model = fit_affinity(purchases, size, 160, 60, 28)
    counts = purchases.between(0, 160).counts(size, 160, 60)
    later = purchases.between(160, DAYS).counts(size, DAYS, np.inf)
    everybody = np.tile(model.popularity, (PEOPLE, 1))
    assert hit_rate(model.repeat_scores(counts), later, 5) > hit_rate(everybody, later, 5) + 0.1
    tried = later - later.multiply(counts > 0)
    popular = model._replace(mix=0.0).new_scores(counts)
    assert model.mix > 0
    assert hit_rate(model.new_scores(counts), tried, 5) > hit_rate(popular, tried, 5)


def test_without_tastes_popularity_is_what_there_is() -> None:
    purchases, size = bought(2, tastes=False), (PEOPLE, PRODUCTS)
    model = fit_affinity(purchases, size, DAYS, 60, 28)
    counts = purchases.counts(size, DAYS, 60)
    assert model.worth > 200  # purchases: nobody's own 40 say much
    assert np.corrcoef(model.repeat_scores(counts).mean(0), model.popularity)[0, 1] > 0.99


def test_scores_are_shares_and_new_is_what_was_never_bought() -> None:
    purchases, size = bought(3, tastes=True), (PEOPLE + 1, PRODUCTS)
    model = fit_affinity(purchases, size, DAYS, 60, 28)
    counts = purchases.counts(size, DAYS, 60)
    again, new = model.repeat_scores(counts), model.new_scores(counts)
    assert again.sum(1) == pytest.approx(1)
    assert again[PEOPLE] == pytest.approx(model.popularity)  # who bought nothing
    assert (np.isneginf(new) == (counts.toarray() > 0)).all()
    assert new[PEOPLE].argmax() == model.novelty.argmax()


def test_what_came_later_does_not_count() -> None:
    purchases, size = bought(4, tastes=True), (PEOPLE, PRODUCTS)
    model = fit_affinity(purchases, size, 100, 60, 28)
    past = fit_affinity(purchases.between(0, 100), size, 100, 60, 28)
    assert model.popularity == pytest.approx(past.popularity)
    assert (model.worth, model.mix) == (past.worth, past.mix)
    with pytest.raises(ValueError, match="older"):
        fit_affinity(purchases, size, 20, 60, 28)
    with pytest.raises(ValueError, match="late enough"):
        fit_affinity(purchases.between(0, 50), size, 100, 60, 28)


@pytest.mark.parametrize("together", [BUYERS_MIN - 1, BUYERS_MIN])
def test_the_basket_of_a_few_is_not_told_to_others(together: int) -> None:
    rng = np.random.default_rng(6)
    both = [(person, product) for person in range(together) for product in (0, 1)]
    alone = [(50 + number, number % 2) for number in range(40)]
    people, products = (np.array(each) for each in zip(*both, *alone, strict=True))
    model = fit_affinity(Purchases(people, products, rng.uniform(0, 100, len(people))), (90, 2), 100, 60, 20)
    assert bool(model.similarities[0, 1]) == (together >= BUYERS_MIN)
