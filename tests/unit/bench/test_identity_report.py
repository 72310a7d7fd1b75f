"""The identity benchmark's table, bars and section."""

import os
from pathlib import Path

import numpy as np
import pytest

from bench.identity_report import (
    HEADER,
    DeterministicRun,
    EngineRun,
    IdentityReport,
    ScaleRun,
    SetRun,
    figures_of,
    marks,
    projected,
    replaced,
    sections,
    table_rows,
    text_table,
    verdicts,
    write_sections,
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


def test_an_onefold_that_was_stopped_misses_a_bar() -> None:
    stopped = EngineRun(engine="onefold", seconds=150, peak_mb=0, scored=None, limit_s=150)
    report = IdentityReport(cores=2, sets=[SetRun(name="febrl3", records=5_000, runs=[stopped])])
    assert [bar.line() for bar in verdicts(report)] == ["MISS febrl3, Onefold done within 150 s: 0 (>= 1)"]


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


def test_there_is_a_section_for_each_part_that_was_measured() -> None:
    everything = IdentityReport(
        cores=2,
        sets=[_set("traps", _BAD, 1, _GOOD)],
        scale=[_scale(1_000_000, 10), _scale(2_000_000, 21)],
        deterministic=DeterministicRun(records=1_000_000, normalise_s=3.0, join_s=1.0),
    )
    texts = sections(everything)
    assert list(texts) == ["sets", "scale", "deterministic"]
    assert "| traps | 50,578 | Onefold | 1.0 (9.0x) |" in texts["sets"]
    assert "- missed, traps, B-cubed F1" in texts["sets"] and "made-up" not in texts["sets"]
    assert "| 2,000,000 | 21.0 | 10 | 1.0000 | 1.0000 |" in texts["scale"]
    assert "- met, time of 2,000,000" in texts["scale"] and "traps" not in texts["scale"]
    assert "1,000,000 records a second, and\n250,000 with" in texts["deterministic"]
    assert list(sections(IdentityReport(cores=2, scale=everything.scale))) == ["scale"]


def test_a_section_is_added_once_and_then_replaced_and_others_stay(tmp_path: Path) -> None:
    begin, end = marks("scale")
    once = replaced("# Performance\n\ntext\n", "scale", "## A\n")
    assert once == f"# Performance\n\ntext\n\n{begin}\n## A\n{end}\n"
    document = tmp_path / "performance.md"
    document.write_text(once + "\n## Later\n")
    write_sections(document, {"scale": "## B", "sets": "## C"})
    first, last = marks("sets")
    expected = once.replace("## A", "## B") + f"\n## Later\n\n{first}\n## C\n{last}\n"
    assert document.read_text() == expected
    for half in (begin, end):
        with pytest.raises(ValueError, match="both marks"):
            replaced(f"text\n{half}\n", "scale", "## B")


def test_the_median_of_rounds_is_one_of_them() -> None:
    assert figures_of([3.0, 1.0, 2.0]) == 2.0
    assert figures_of([4.0, 1.0, 2.0, 3.0]) == 2.0


def test_memory_of_this_process() -> None:
    own = os.getpid()
    assert 0 < resident_bytes(own) <= peak_bytes(own) + 2**20
    assert with_descendants(own)[0] == own and own in with_descendants(os.getppid())
