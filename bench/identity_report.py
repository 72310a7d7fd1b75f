"""What the identity benchmark found, as a table for people and as a section of docs/performance.md."""

from collections.abc import Mapping, Sequence
from math import log2
from pathlib import Path

import msgspec

from bench.identity_scores import BestThreshold, SetScores
from bench.identity_sets import Bars, set_named

ENGINES = ("onefold", "splink")
TITLES = {"onefold": "Onefold", "splink": "Splink 5"}
RATIO_BAR, TWENTY_MILLION_S_BAR = 2.3, 1800.0
DETERMINISTIC_BAR = 500_000.0


class EngineRun(msgspec.Struct, frozen=True, kw_only=True):
    """One engine on one set: the median of its rounds."""

    engine: str
    seconds: float  # from reading the files to clusters written
    peak_mb: float
    scored: SetScores | None  # None if it was stopped
    best: BestThreshold | None = None  # of an engine that scores pairs and has a threshold
    limit_s: float = 0.0  # what it was stopped at


class SetRun(msgspec.Struct, frozen=True, kw_only=True):
    """All engines on one set."""

    name: str
    records: int
    runs: list[EngineRun]

    def run(self, engine: str) -> EngineRun | None:
        """The run of an engine, None if it did not run or was stopped."""
        return next((run for run in self.runs if run.engine == engine and run.scored), None)

    def speed(self) -> float | None:
        """How many times as fast as Splink Onefold is."""
        ours, theirs = (self.run(engine) for engine in ENGINES)
        return theirs.seconds / ours.seconds if ours and theirs else None


class ScaleRun(msgspec.Struct, frozen=True, kw_only=True):
    """Onefold on made-up people."""

    records: int
    seconds: float
    peak_mb: float
    scored: SetScores
    steps: dict[str, float]  # seconds


class DeterministicRun(msgspec.Struct, frozen=True, kw_only=True):
    """Exact identifiers alone, on one core."""

    records: int
    normalise_s: float
    join_s: float


class IdentityReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one run of the benchmark; parts that were not asked for are empty."""

    cores: int
    sets: list[SetRun] = []
    scale: list[ScaleRun] = []  # of N and 2 N records
    deterministic: DeterministicRun | None = None


HEADER = (
    *("set", "records", "engine", "s", "peak MB", "precision", "recall", "F1", "B-cubed F1", "exact entities"),
    *("over-merged", "best threshold: F1 / B-cubed"),
)


def table_rows(report: IdentityReport) -> list[tuple[str, ...]]:
    """The table's rows, as texts for HEADER."""
    rows = []
    for found in report.sets:
        for i, run in enumerate(found.runs):
            start = (found.name, f"{found.records:,}") if i == 0 else ("", "")
            rows.append((*start, TITLES[run.engine], *_figures(run, found.speed())))
    return rows


def _figures(run: EngineRun, speed: float | None) -> tuple[str, ...]:
    if run.scored is None:
        return (f"over {run.limit_s:.0f}", *([""] * (len(HEADER) - 4)))
    scores = run.scored.scores
    faster = f" ({speed:.1f}x)" if speed is not None and run.engine == "onefold" else ""
    best = f"{run.best.f1:.4f} / {run.best.bcubed_f1:.4f}" if run.best else ""
    return (
        f"{run.seconds:.1f}{faster}",
        f"{run.peak_mb:,.0f}",
        f"{scores.pairwise_precision:.4f}",
        f"{scores.pairwise_recall:.4f}",
        f"{scores.pairwise_f1:.4f}",
        f"{scores.bcubed_f1:.4f}",
        f"{scores.entities_exact_share:.3f}",
        f"{scores.clusters_over_merged:,}",
        best,
    )


def text_table(report: IdentityReport) -> list[str]:
    """The table for a terminal, a line each: figures to the right, in columns of equal width."""
    rows = [HEADER, *table_rows(report)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (0, 2)  # set and engine
    return [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


class Verdict(msgspec.Struct, frozen=True):
    """One bar."""

    name: str
    value: float
    limit: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the bar is met. Values are compared as they are, not as they are shown."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def line(self) -> str:
        """The bar as text."""
        sign = ">=" if self.at_least else "<="
        return f"{'ok  ' if self.met else 'MISS'} {self.name}: {self.value:,.4g} ({sign} {self.limit:,.4g})"


def verdicts(report: IdentityReport) -> list[Verdict]:
    """All bars of what was measured."""
    found = []
    for one in report.sets:
        found += [
            Verdict(f"{one.name}, Onefold done within {run.limit_s:.0f} s", 0, 1, True)
            for run in one.runs
            if run.engine == "onefold" and run.scored is None
        ]
        ours = one.run("onefold")
        if ours is not None and ours.scored is not None:
            found += set_verdicts(one.name, set_named(one.name).bars, ours.scored, one.speed())
    if len(report.scale) == 2:
        once, twice = report.scale
        found.append(
            Verdict(f"time of {twice.records:,} / {once.records:,} records", growth(once, twice), RATIO_BAR, False)
        )
        found.append(Verdict("20 million records, projected, s", projected(once, twice), TWENTY_MILLION_S_BAR, False))
    if report.deterministic is not None:
        rate = report.deterministic.records / report.deterministic.join_s
        found.append(Verdict("exact identifiers, records a second on one core", rate, DETERMINISTIC_BAR, True))
    return found


def set_verdicts(name: str, bars: Bars, scored: SetScores, speed: float | None) -> list[Verdict]:
    """The bars of one set."""
    scores = scored.scores
    values = (
        ("F1", bars.f1, scores.pairwise_f1, True),
        ("precision", bars.precision, scores.pairwise_precision, True),
        ("B-cubed F1", bars.bcubed_f1, scores.bcubed_f1, True),
        ("exact entities", bars.exact, scores.entities_exact_share, True),
        ("over-merged clusters", bars.over_merged, scores.clusters_over_merged_share, False),
        ("twins, fathers and sons merged", bars.apart, float(scored.merged_doubles), False),
        ("speed against Splink", bars.speed, speed, True),
    )
    return [
        Verdict(f"{name}, {what}", value, float(limit), at_least)
        for what, limit, value, at_least in values
        if limit is not None and value is not None
    ]


def growth(once: ScaleRun, twice: ScaleRun) -> float:
    """How many times as long twice the records take."""
    return twice.seconds / once.seconds


def projected(once: ScaleRun, twice: ScaleRun, records: float = 20e6) -> float:
    """Seconds for that many records if the time goes on growing as it did from the one size to the other."""
    doublings = log2(records / twice.records) / log2(twice.records / once.records)
    return float(twice.seconds * growth(once, twice) ** doublings)


def sections(report: IdentityReport) -> dict[str, str]:
    """The sections of docs/performance.md, in Markdown, by the part that they tell of: those that were measured."""
    found = {}
    if report.sets:
        found["sets"] = [
            "## Identity resolution: public sets (`python -m bench.identity --data DIR`)",
            "",
            f"Both engines in one run on {report.cores} cores, each in a process of its own; seconds are from reading",
            "the files to clusters written, without the interpreter's start and imports. Rows are shuffled and have",
            "new ids. Splink has the settings and thresholds of its own notebooks, and the columns that they use;",
            "Onefold is told nothing but which column is the id and, on touchpoints and senzing, the source. The last",
            "column is the threshold that the truth would pick for Splink: nobody has it who needs a result.",
            "",
            "| " + " | ".join(HEADER) + " |",
            "|---" * 3 + "|---:" * (len(HEADER) - 3) + "|",
            *("| " + " | ".join(row) + " |" for row in table_rows(report)),
            *_bar_lines(IdentityReport(cores=report.cores, sets=report.sets)),
        ]
    if report.scale:
        found["scale"] = [
            "## Identity resolution: scale (`python -m bench.identity --scale`)",
            "",
            f"Made-up people (`bench.identity_people`), {report.cores} cores.",
            "",
            "| records | s | peak MB | F1 | B-cubed F1 |",
            "|---:" * 5 + "|",
            *(
                f"| {run.records:,} | {run.seconds:.1f} | {run.peak_mb:,.0f} | {run.scored.scores.pairwise_f1:.4f} "
                f"| {run.scored.scores.bcubed_f1:.4f} |"
                for run in report.scale
            ),
            *_bar_lines(IdentityReport(cores=report.cores, scale=report.scale)),
        ]
    if report.deterministic is not None:
        exact = report.deterministic
        found["deterministic"] = [
            "## Identity resolution: exact identifiers alone (`python -m bench.identity --deterministic`)",
            "",
            f"{exact.records:,} made-up records, one core: {exact.records / exact.join_s:,.0f} records a second, and",
            f"{exact.records / (exact.join_s + exact.normalise_s):,.0f} with the normalisation of all their fields.",
            *_bar_lines(IdentityReport(cores=report.cores, deterministic=exact)),
        ]
    return {part: "\n".join(lines) for part, lines in found.items()}


def _bar_lines(report: IdentityReport) -> list[str]:
    lines = [bar.line().replace("ok  ", "met,").replace("MISS", "missed,") for bar in verdicts(report)]
    return ["", "Bars:", "", *(f"- {line}" for line in lines)] if lines else []


def write_sections(path: Path, texts: Mapping[str, str]) -> None:
    """Puts each section between its marks in a file, or at the end if it has no marks yet; others stay as they are."""
    document = path.read_text(encoding="utf-8")
    for part, text in texts.items():
        document = replaced(document, part, text)
    path.write_text(document, encoding="utf-8")


def marks(part: str) -> tuple[str, str]:
    """The lines that a section lies between."""
    return f"<!-- bench.identity, {part}: begin -->", f"<!-- bench.identity, {part}: end -->"


def replaced(document: str, part: str, text: str) -> str:
    """The document with a section replaced or added. Raises ValueError if one mark is there without the other."""
    begin, end = marks(part)
    marked = f"{begin}\n{text.rstrip()}\n{end}\n"
    before, has_begin, rest = document.partition(begin)
    _, has_end, after = rest.partition(end)
    if bool(has_begin) != bool(has_end) or (not has_begin and end in document):
        raise ValueError(f'expected both marks of the section, "{begin}" and "{end}", or none of them')
    if not has_begin:
        return f"{document.rstrip()}\n\n{marked}"
    return before + marked + after.removeprefix("\n")


def figures_of(values: Sequence[float]) -> float:
    """The median; the lower one of an even number of rounds, which is of one round and not of two."""
    return sorted(values)[(len(values) - 1) // 2]
