"""What the benchmarks of requests are made of: turns that end in time, and a champion that chooses by the person."""

from bench.deciding import NAME, POINT, champion
from bench.latencies import in_turns, latency_of
from models.scoring.deciding import Champion, choose


def test_rounds_are_bounded_in_number_and_in_time() -> None:
    made: list[str] = []
    asked = {"one": lambda: made.append("one"), "other": lambda: made.append("other")}
    assert set(in_turns(lambda: asked, 5)) == {"one", "other"}
    assert made == ["one", "other"] * 5
    made.clear()
    in_turns(lambda: asked, 1_000, seconds_max=0.0)
    assert made == ["one", "other"] * 2  # of fewer no quantile can be told


def test_quantiles() -> None:
    told = latency_of([float(number) for number in range(1, 100)])
    assert (told.p50_ms, told.p99_ms) == (50.0, 99.0)


def test_the_champion_chooses_by_the_person() -> None:
    made = Champion.of(champion(1))
    assert made.parameters.name == NAME and made.parameters.model.is_personal
    known = dict.fromkeys(POINT.features, 5.0)
    people = [{**known, "plan": plan} for plan in ("gold", "basic")]
    chosen = [choose(POINT, made, person, list(POINT.actions), 0.5) for person in people]
    assert [each.action for each in chosen] == ["letter", "call"]
    assert all(each.personal for each in chosen)
