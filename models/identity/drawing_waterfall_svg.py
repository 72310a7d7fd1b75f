"""The waterfall of a pair's evidence as an SVG picture: a row for each field, its bar from total to total."""

import math
from collections.abc import Sequence

from models.identity.drawing_svg import (
    AGAINST,
    AGAINST_LIGHT,
    BAND,
    FAINT,
    FOR,
    FOR_LIGHT,
    INK,
    MUTED,
    group,
    line,
    picture,
    rectangle,
    shorten,
    text,
    text_width,
    typeset,
)
from models.identity.drawing_text import bits
from models.identity.drawing_waterfall import Step, Waterfall, heading, subheading, waterfall
from models.identity.evidence import Explanation

# All in pixels. Columns from the left: names, values, bars, weight, total.
_WIDTH, _MARGIN = 960, 24
_NAMES, _VALUES, _BARS, _BARS_END, _WEIGHT, _TOTAL = 36, 204, 424, 744, 840, 924
_NAMES_WIDTH, _VALUES_WIDTH = _VALUES - _NAMES - 12, _BARS - _VALUES - 20
_TOP, _ROW, _BAR, _FOOT = 118, 42, 16, 52
_SIZE, _SMALL = 13, 11
_TICKS = 6  # at most, about
_SPAN_LEAST = 1.0  # bits: less is not worth a finer scale
_SLIVER = 1.5  # the least width of a bar that is not zero


def waterfall_svg(explanation: Explanation) -> str:
    """The picture, 960 pixels wide. Raises ValueError if the weights do not add up."""
    drawn = waterfall(explanation)
    scale = _Scale([0.0, drawn.prior, drawn.score, *(step.end for step in drawn.steps)])
    rows = len(drawn.steps) + 2
    bottom = _row_top(rows)
    parts = [
        text(_MARGIN, 38, heading(drawn), 20, bold=True),
        text(_MARGIN, 60, shorten(typeset(subheading(drawn)), _SIZE, _WIDTH - 2 * _MARGIN), _SIZE, colour=MUTED),
        *_column_heads(),
        *(rectangle(_MARGIN, _row_top(place), _WIDTH - 2 * _MARGIN, _ROW, BAND) for place in range(1, rows - 1, 2)),
        *_grid(scale, bottom),
        _end_row(_TOP, "prior", "before any field is compared", drawn.prior, scale, MUTED),
    ]
    for place, step in enumerate(drawn.steps):
        parts.append(_field_row(_row_top(place + 1), step, scale))
    parts.append(line(_MARGIN, bottom - _ROW, _WIDTH - _MARGIN, bottom - _ROW, MUTED))
    parts.append(_end_row(bottom - _ROW, "score", "prior and all weights", drawn.score, scale, INK))
    parts += _connectors(drawn, scale)
    parts += _legend(bottom + 32, any(map(_rarity_share, drawn.steps)))
    return picture(_WIDTH, bottom + _FOOT, heading(drawn), _description(drawn), parts)


def _row_top(place: int) -> float:
    return _TOP + _ROW * place


class _Scale:
    """From bits to pixels; holds zero and every total, and a round number of ticks."""

    def __init__(self, totals: Sequence[float]) -> None:
        low, high = min(totals), max(totals)
        exact = max(high - low, _SPAN_LEAST) / _TICKS
        size = 10.0 ** math.floor(math.log10(exact))
        self.step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= exact)
        self.first, self.last = math.floor(low / self.step), math.ceil(high / self.step)
        if self.first == self.last:
            self.last += 1

    def x(self, value: float) -> float:
        return _BARS + (value / self.step - self.first) / (self.last - self.first) * (_BARS_END - _BARS)

    def ticks(self) -> list[float]:
        return [place * self.step for place in range(self.first, self.last + 1)]


def _column_heads() -> list[str]:
    y = _TOP - 22
    heads = [("FIELD", _NAMES, "start"), ("VALUES", _VALUES, "start"), ("WEIGHT", _WEIGHT, "end")]
    return [
        text(x, y, word, _SMALL, colour=MUTED, anchor=anchor) for word, x, anchor in [*heads, ("TOTAL", _TOTAL, "end")]
    ]


def _grid(scale: _Scale, bottom: float) -> list[str]:
    parts = []
    for tick in scale.ticks():
        zero = tick == 0
        parts.append(line(scale.x(tick), _TOP - 6, scale.x(tick), bottom, MUTED if zero else FAINT, 1 if zero else 0.6))
        label = typeset(f"{tick:+g}" if tick else "0")
        parts.append(text(scale.x(tick), _TOP - 22, label, _SMALL, colour=MUTED, anchor="middle"))
    return parts


def _end_row(top: float, name: str, note: str, total: float, scale: _Scale, colour: str) -> str:
    """The first and the last row: a bar from zero."""
    middle = top + _ROW / 2
    left, width = _bar_place(scale.x(0), scale.x(total))
    return group(
        [
            text(_NAMES, middle + 4.5, name, _SIZE, bold=True),
            text(_VALUES, middle + 4.5, note, _SMALL, colour=MUTED),
            rectangle(left, middle - _BAR / 2, width if total else 0, _BAR, colour, 2),
            text(_TOTAL, middle + 4.5, typeset(bits(total)), _SIZE, anchor="end", bold=True),
        ],
        f"{name}: {bits(total)} bits",
    )


def _field_row(top: float, step: Step, scale: _Scale) -> str:
    middle = top + _ROW / 2
    silent = step.weight == 0
    parts = [text(_NAMES, middle - 3, shorten(step.field, _SIZE, _NAMES_WIDTH), _SIZE, colour=MUTED if silent else INK)]
    parts.append(text(_NAMES, middle + 12, shorten(step.level, _SMALL, _NAMES_WIDTH), _SMALL, colour=MUTED))
    parts += _values(step, middle)
    parts += _bar(step, middle, scale)
    up = 3 if step.frequency else -4.5
    colour = MUTED if silent else FOR if step.weight > 0 else AGAINST
    parts.append(
        text(_WEIGHT, middle - up, typeset(bits(step.weight)), _SIZE, colour=colour, anchor="end", bold=not silent)
    )
    if step.frequency:
        parts.append(
            text(_WEIGHT, middle + 12, f"rarity {typeset(bits(step.frequency))}", _SMALL, colour=MUTED, anchor="end")
        )
    parts.append(text(_TOTAL, middle + 4.5, typeset(bits(step.end)), _SIZE, colour=MUTED, anchor="end"))
    return group(parts, f"{step.field}, {step.level}: {bits(step.weight)} bits, total {bits(step.end)}")


def _values(step: Step, middle: float) -> list[str]:
    """The two values under each other, or one line if they are the same."""
    if not (step.left or step.right):
        return []
    left, right = (shorten(value, 12, _VALUES_WIDTH) if value else "\u2013" for value in (step.left, step.right))
    if step.left == step.right:
        return [text(_VALUES, middle + 4.5, left, 12)]
    return [text(_VALUES, middle - 3, left, 12), text(_VALUES, middle + 13, right, 12)]


def _bar(step: Step, middle: float, scale: _Scale) -> list[str]:
    """The weight, its part that is owed to rarity in a lighter shade at the far end."""
    if step.weight == 0:
        return [line(scale.x(step.end), middle - _BAR / 2, scale.x(step.end), middle + _BAR / 2, MUTED, 2.5)]
    strong, light = (FOR, FOR_LIGHT) if step.weight > 0 else (AGAINST, AGAINST_LIGHT)
    left, width = _bar_place(scale.x(step.start), scale.x(step.end))
    parts = [rectangle(left, middle - _BAR / 2, width, _BAR, strong, 2)]
    if share := _rarity_share(step):
        lighter = width * share
        begin = left + width - lighter if step.weight > 0 else left
        parts.append(rectangle(begin, middle - _BAR / 2, lighter, _BAR, light, 2))
    return parts


def _rarity_share(step: Step) -> float:
    """How much of the bar is owed to rarity, from 0 to 1; 0 if rarity worked against the bar's direction."""
    return min(step.frequency / step.weight, 1.0) if step.frequency * step.weight > 0 else 0.0


def _bar_place(start: float, end: float) -> tuple[float, float]:
    return min(start, end), max(abs(end - start), _SLIVER)


def _connectors(drawn: Waterfall, scale: _Scale) -> list[str]:
    """Thin lines that lead each total from its row's bar to the next one's."""
    gap = (_ROW - _BAR) / 2
    totals = [drawn.prior, *(step.end for step in drawn.steps)]
    lines = []
    for place, total in enumerate(totals):
        y = _row_top(place + 1)
        lines.append(line(scale.x(total), y - gap, scale.x(total), y + gap, MUTED, 1))
    return lines


def _legend(y: float, rarity: bool) -> list[str]:
    entries = [(FOR, "speaks for a match"), (AGAINST, "speaks against")]
    if rarity:
        entries.append((FOR_LIGHT, "owed to how rare the value is"))
    parts, x = [], float(_NAMES)
    for colour, words in entries:
        parts.append(rectangle(x, y - 10, 12, 12, colour, 2))
        parts.append(text(x + 18, y, words, _SMALL, colour=MUTED))
        x += 18 + text_width(words, _SMALL) + 18
    parts.append(text(_TOTAL, y, "in bits: each one doubles the odds", _SMALL, colour=MUTED, anchor="end"))
    return parts


def _description(drawn: Waterfall) -> str:
    """All that the picture shows, for those who cannot see it; without the compared values, which are long."""
    sentences = [f"Waterfall of weights in bits. Prior {bits(drawn.prior)}."]
    for step in drawn.steps:
        rarity = f", {bits(step.frequency)} of it for rarity" if step.frequency else ""
        sentences.append(f"{step.field}, {step.level}: {bits(step.weight)}{rarity}, total {bits(step.end)}.")
    return " ".join([*sentences, f"Score {bits(drawn.score)}."])
