"""Made-up people of whom a group differs, by what is known of them."""

import numpy as np

from models.scoring.additive import Column


def people(seed: int, effect: float, n: int = 4_000) -> tuple[dict[str, Column], np.ndarray, np.ndarray]:
    """Features, outcomes, and who looks. Young people of plan "b" bring `effect` more."""
    rng = np.random.default_rng(seed)
    age = np.where(rng.random(n) < 0.1, np.nan, rng.uniform(18, 80, n))
    plan = rng.choice(["a", "b", "c"], n)
    outcomes = rng.gamma(2.0, 5.0, n) + effect * ((age < 40) & (plan == "b"))
    features: dict[str, Column] = {"age": age, "plan": plan.tolist(), "noise": rng.normal(size=n)}
    return features, outcomes, rng.random(n) < 0.5
