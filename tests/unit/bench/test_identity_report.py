"""The identity benchmark's table, bars and section."""

import os

import numpy as np
import pytest

from bench.identity_report import (
    BEGIN,
    END,
    HEADER,
    DeterministicRun,
    EngineRun,
    IdentityReport,
    ScaleRun,
    SetRun,
    figures_of,
    projected,
    replaced,
    section,
    table_rows,
    text_table,
    verdicts,
)
from bench.identity_scores import BestThreshold, SetScores
from bench.processes import peak_bytes, resident_bytes, with_descendants
from models.identity.evaluation import evaluate

_TRUTH = np.array([0, 0, 1, 1, 2])
_GOOD = SetScores(scores=evaluate(_TRUTH, _TRUTH), merged_doubles=0)
_BAD = SetScores(scores=evaluate(np.zeros(5, np.int64), _TRUTH), merged_doubles=3)


def _set(name: str, ours: SetScores, seconds: float, theirs: SetScores | None) -> SetRun:
    best = BestThreshold(2.0, 0.91, 0.92) if theirs else None
    splink = EngineRun(engine="splink", seconds=9.0, peak_mb=600.4, scored=theirs, best=best, limit_s=150)
    onefold = EngineRun(engine="onefold", seconds=seconds, peak_mb=1_200.0, scored=ours)
    return SetRun(name=name, records=50_578, runs=[onefold, splink])


def _scale(records: int, seconds: float) -> ScaleRun:
    return ScaleRun(records=records, seconds=seconds, peak_mb=10, scored=_GOOD, steps={"read": 1.0})


def test_the_table_has_both_engines_of_a_set_and_the_speed() -> None:
    rows = table_rows(IdentityReport(cores=2, sets=[_set("historical_50k", _GOOD, 4.5, _BAD)]))
    assert all(len(row) == len(HEADER) for row in rows)
    assert rows[0][:5] == ("historical_50k", "50,578", "Onefold", "4.5 (2.0x)", "1,200")
    assert rows[1][:5] == ("", "", "Splink 5", "9.0", "600")
    assert rows[0][5:] == ("1.0000", "1.0000", "1.0000", "1.0000", "1.000", "0", "")
    assert rows[1][5:8] == ("0.2000", "1.0000", "0.3333") and rows[1][-1] == "0.9100 / 0.9200"


def test_an_engine_that_was_stopped_has_no_figures_and_gives_no_speed() -> None:
    report = IdentityReport(cores=2, sets=[_set("touchpoints", _GOOD, 4.5, None)])
    ours, theirs = table_rows(report)
    assert ours[3] == "4.5" and theirs[3] == "over 150" and set(theirs[4:]) == {""}
    assert "speed" not in " ".join(bar.name for bar in verdicts(report))


def test_columns_of_the_text_table_line_up() -> None:
    lines = text_table(IdentityReport(cores=2, sets=[_set("traps", _GOOD, 1, _BAD), _set("febrl3", _GOOD, 1, _BAD)]))
    ends = {line.index("1.0000") for line in lines if "Onefold" in line}
    assert len(lines) == 5 and len(ends) == 1


@pytest.mark.parametrize(("scored", "met"), [(_GOOD, True), (_BAD, False)])
def test_bars_are_those_of_the_set(scored: SetScores, met: bool) -> None:
    found = verdicts(IdentityReport(cores=2, sets=[_set("traps", scored, 1, _BAD)]))
    assert [bar.name for bar in found] == [
        "traps, B-cubed F1",
        "traps, over-merged clusters",
        "traps, twins, fathers and sons merged",
    ]
    assert {bar.met for bar in found} == {met}


def test_a_bar_is_missed_by_less_than_what_is_shown() -> None:
    report = IdentityReport(cores=2, sets=[_set("historical_50k", _GOOD, 6.0001, _BAD)])
    speed = next(bar for bar in verdicts(report) if "speed" in bar.name)
    assert not speed.met and speed.line() == "MISS historical_50k, speed against Splink: 1.5 (>= 1.5)"


def test_twenty_million_are_projected_by_the_measured_growth() -> None:
    assert projected(_scale(1_000_000, 10), _scale(2_000_000, 20)) == pytest.approx(200)
    assert projected(_scale(5_000_000, 10), _scale(10_000_000, 40)) == pytest.approx(160)
    bars = verdicts(IdentityReport(cores=2, scale=[_scale(1_000_000, 10), _scale(2_000_000, 40)]))
    assert [bar.met for bar in bars] == [False, False]


def test_the_section_holds_what_was_measured_and_nothing_else() -> None:
    everything = IdentityReport(
        cores=2,
        sets=[_set("traps", _BAD, 1, _GOOD)],
        scale=[_scale(1_000_000, 10), _scale(2_000_000, 21)],
        deterministic=DeterministicRun(records=1_000_000, normalise_s=3.0, join_s=1.0),
    )
    text = section(everything)
    assert "| traps | 50,578 | Onefold | 1.0 (9.0x) |" in text
    assert "| 2,000,000 | 21.0 | 10 | 1.0000 | 1.0000 |" in text
    assert "1,000,000 records\na second, 250,000 with" in text
    assert "- missed, traps, B-cubed F1" in text and "- met, time of 2,000,000" in text
    bare = section(IdentityReport(cores=2, scale=everything.scale))
    assert "Splink" not in bare and "Exact identifiers" not in bare


def test_a_section_is_added_once_and_then_replaced() -> None:
    once = replaced("# Performance\n\ntext\n", "## A\n")
    assert once == f"# Performance\n\ntext\n\n{BEGIN}\n## A\n{END}\n"
    between = once + "\n## Later\n"
    assert replaced(between, "## B\n") == between.replace("## A", "## B")
    with pytest.raises(ValueError, match="both marks"):
        replaced(f"text\n{BEGIN}\n", "## B")
    with pytest.raises(ValueError, match="both marks"):
        replaced(f"text\n{END}\n", "## B")


def test_the_median_of_rounds_is_one_of_them() -> None:
    assert figures_of([3.0, 1.0, 2.0]) == 2.0
    assert figures_of([4.0, 1.0, 2.0, 3.0]) == 2.0


def test_memory_of_this_process() -> None:
    own = os.getpid()
    assert 0 < resident_bytes(own) <= peak_bytes(own) + 2**20
    assert with_descendants(own)[0] == own and own in with_descendants(os.getppid())
