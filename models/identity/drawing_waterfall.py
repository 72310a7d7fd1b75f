"""The evidence on a pair of records as a waterfall: from the prior, weight by weight, to the score.

The same steps come as JSON, as text for a terminal and as an SVG picture. Drawing refuses an explanation whose
weights do not add up to its score: a picture of it would be wrong.
"""

import math

import msgspec

from models.identity.drawing_text import bits, cells, counted, cut, fit, percent, plain
from models.identity.evidence import Explanation, FieldEvidence, Method

TOLERANCE_BITS = 1e-6
_NARROWEST = 80
_WIDE = 100  # from here on there is room for the values beside the bar
_FIELD_CELLS_MAX, _LEVEL_CELLS_MAX, _BAR_CELLS_MAX = 20, 16, 40
_NUMBER_CELLS, _VALUES_CELLS, _BAR_CELLS = 7, 10, 11
_GAP = "  "


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One field's part of the way: the running total goes from `start` to `end` by `weight`. All in bits."""

    field: str
    level: str
    left: str
    right: str
    weight: float
    frequency: float
    start: float
    end: float


class Waterfall(msgspec.Struct, frozen=True, kw_only=True):
    """An explanation with its running totals."""

    method: Method
    model_version: str
    prior: float  # bits
    steps: tuple[Step, ...]
    score: float  # bits
    confidence: float  # [0, 1]


def check_sum(explanation: Explanation) -> None:
    """Raises ValueError unless prior + weights = score within `TOLERANCE_BITS` and every number can be drawn."""
    weights = [field.weight for field in explanation.fields]
    if not all(map(math.isfinite, (explanation.prior, explanation.score, *weights))):
        raise ValueError("explanation: expected finite weights, prior and score")
    if not all(math.isfinite(field.frequency) for field in explanation.fields):
        raise ValueError("explanation: expected finite frequency parts")
    if not 0 <= explanation.confidence <= 1:
        raise ValueError(f"confidence: expected a probability from 0 to 1, found {explanation.confidence}")
    total = math.fsum((explanation.prior, *weights))
    if abs(total - explanation.score) > TOLERANCE_BITS:
        raise ValueError(f"score: expected prior + weights = {total!r}, found {explanation.score!r}")


def waterfall(explanation: Explanation) -> Waterfall:
    """The steps of an explanation, in its fields' order. Raises ValueError if they do not add up."""
    check_sum(explanation)
    steps, weights = [], [explanation.prior]
    for field in explanation.fields:
        start = math.fsum(weights)
        weights.append(field.weight)
        steps.append(_step(field, start, math.fsum(weights)))
    return Waterfall(
        method=explanation.method,
        model_version=explanation.model_version,
        prior=explanation.prior,
        steps=tuple(steps),
        score=explanation.score,
        confidence=explanation.confidence,
    )


def _step(field: FieldEvidence, start: float, end: float) -> Step:
    return Step(
        field=field.field,
        level=field.level,
        left=field.left,
        right=field.right,
        weight=field.weight,
        frequency=field.frequency,
        start=start,
        end=end,
    )


def heading(drawn: Waterfall) -> str:
    """What it comes to, in one line. What follows from that depends on who asks: thresholds, limits and partings."""
    return f"{percent(drawn.confidence)} confidence that the two are one person"


def subheading(drawn: Waterfall) -> str:
    """Where it comes from, in one line."""
    made = f"{drawn.method}, model {plain(drawn.model_version)}" if drawn.model_version else drawn.method
    return f"score {bits(drawn.score)} bits: prior {bits(drawn.prior)} and {counted(len(drawn.steps), 'field')}; {made}"


def waterfall_json(explanation: Explanation) -> bytes:
    """The steps as a JSON object, with the members of `Waterfall`."""
    return msgspec.json.encode(waterfall(explanation))


def waterfall_text(explanation: Explanation, width: int = 100) -> str:
    """Aligned lines of at most `width` cells (80 at least), each with its end of line.

    In the bar + is for a match and - against; | is zero. From 100 cells on the compared values stand in a column,
    below that on a line of their own. What does not fit is cut: JSON has it whole.
    """
    drawn = waterfall(explanation)
    width = max(width, _NARROWEST)
    table = _Table(drawn, width)
    lines = [heading(drawn), cut(subheading(drawn), width), ""]
    lines.append(table.row("FIELD", "LEVEL", "VALUES", "WEIGHT", "RARITY", "TOTAL", ""))
    lines.append(table.row("prior", "", "", "", "", bits(drawn.prior), table.bar(0, drawn.prior, "=")))
    for step in drawn.steps:
        rarity = bits(step.frequency) if step.frequency else ""
        bar = table.bar(step.start, step.end, "+" if step.weight > 0 else "-")
        values = _values(step, table.values_cells) if table.values_cells else ""
        lines.append(table.row(step.field, step.level, values, bits(step.weight), rarity, bits(step.end), bar))
        if not table.values_cells and (step.left or step.right):
            lines.append(table.indent + _values(step, width - len(table.indent)))
    lines.append(table.row("score", "", "", "", "", bits(drawn.score), table.bar(0, drawn.score, "=")))
    lines += ["", "Weights in bits: each doubles the odds. Bars: + for a match, - against, | zero."]
    if any(step.frequency for step in drawn.steps):
        lines.append("RARITY is the part of WEIGHT owed to how rare the value is.")
    return "\n".join(lines) + "\n"


class _Table:
    """Column widths for one waterfall, and the scale of its bars, which holds zero and every total."""

    def __init__(self, drawn: Waterfall, width: int) -> None:
        self.field_cells = _widest([step.field for step in drawn.steps], len("prior"), _FIELD_CELLS_MAX)
        self.level_cells = _widest([step.level for step in drawn.steps], len("LEVEL"), _LEVEL_CELLS_MAX)
        self.indent = " " * (self.field_cells + len(_GAP))
        self.values_cells = 0
        free = width - self.field_cells - self.level_cells - 3 * _NUMBER_CELLS - 5 * len(_GAP)
        if width >= _WIDE:
            free -= len(_GAP)
            wanted = [_values(step, width) for step in drawn.steps]
            self.values_cells = _widest(wanted, _VALUES_CELLS, free - max(_BAR_CELLS, free // 3))
        self.bar_cells = min(free - self.values_cells, _BAR_CELLS_MAX)
        totals = [0.0, drawn.prior, drawn.score, *(step.end for step in drawn.steps)]
        self.low = min(totals)
        self.span = max(totals) - self.low or 1.0

    def row(self, field: str, level: str, values: str, weight: str, rarity: str, total: str, bar: str) -> str:
        parts = [fit(plain(field), self.field_cells), fit(plain(level), self.level_cells)]
        if self.values_cells:
            parts.append(fit(values, self.values_cells))
        parts += [fit(text, _NUMBER_CELLS, right=True) for text in (weight, rarity, total)]
        return _GAP.join([*parts, bar]).rstrip()

    def bar(self, start: float, end: float, mark: str) -> str:
        row = [" "] * self.bar_cells
        first, last = sorted((self._cell(start), self._cell(end)))
        if start != end:
            row[first : last + 1] = mark * (last + 1 - first)
        row[self._cell(0.0)] = "|"
        return "".join(row)

    def _cell(self, value: float) -> int:
        return round((value - self.low) / self.span * (self.bar_cells - 1))


def _values(step: Step, width: int) -> str:
    """Both values in `width` cells, or one if they are the same; each is given the same room."""
    left, right = plain(step.left), plain(step.right)
    if left == right:
        return cut(left, width) if left else ""
    left, right = left or "-", right or "-"
    room = width - 3
    half = room // 2
    if cells(left) <= half:
        right = cut(right, max(room - cells(left), 1))
    elif cells(right) <= room - half:
        left = cut(left, max(room - cells(right), 1))
    else:
        left, right = cut(left, max(half, 1)), cut(right, max(room - half, 1))
    return f"{left} | {right}"


def _widest(texts: list[str], least: int, most: int) -> int:
    return max(least, min(max((cells(plain(text)) for text in texts), default=0), most))
