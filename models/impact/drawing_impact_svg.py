"""The report on a segment's holdout as an SVG picture: what each group brought, and how far they differ."""

from models.identity.drawing_svg import (
    AGAINST,
    BAND,
    FAINT,
    FOR,
    INK,
    MUTED,
    circle,
    group,
    line,
    picture,
    rectangle,
    shorten,
    text,
    typeset,
)
from models.impact.holdout_report import ImpactReport

# All in pixels.
_WIDTH, _HEIGHT, _MARGIN = 760, 330, 24
_LEFT, _RIGHT = 170, 640  # of bars and of the difference
_ROW, _BAR = 40, 18
_GROUPS, _DIFFERENCE = 100, 235
_SIZE, _SMALL = 13, 11


def impact_svg(report: ImpactReport) -> str:
    """The picture, 760 pixels wide."""
    title = f"{report.segment_id}: {report.verdict or 'nothing can be told yet'}"
    about = f"{report.outcome} within {report.within_days:g} days of entering, since {report.since}"
    parts = [
        text(_MARGIN, 38, shorten(title, 20, _WIDTH - 2 * _MARGIN), 20, bold=True),
        text(_MARGIN, 60, shorten(about, _SIZE, _WIDTH - 2 * _MARGIN), _SIZE, colour=MUTED),
        *_groups(report),
        *_difference(report),
    ]
    if report.notes:
        parts.append(text(_MARGIN, _HEIGHT - 18, shorten(report.notes[0], _SMALL, _WIDTH - 2 * _MARGIN), _SMALL,
                          colour=MUTED))  # fmt: skip
    return picture(_WIDTH, _HEIGHT, title, _description(report), parts)


def _groups(report: ImpactReport) -> list[str]:
    """A bar for each group, from nothing on."""
    if report.treated is None or report.holdout is None:
        return []
    most = max(abs(report.treated.mean), abs(report.holdout.mean)) or 1.0
    parts = []
    for place, (name, figures, colour) in enumerate(
        (("treated", report.treated, FOR), ("held out", report.holdout, MUTED))
    ):
        middle = _GROUPS + place * _ROW
        wide = max(figures.mean, 0.0) / most * (_RIGHT - _LEFT)
        told = typeset(f"{figures.mean:.4g} {report.unit}".rstrip())
        row = [
            text(_MARGIN, middle + 4, name, _SIZE),
            text(_MARGIN, middle + 18, f"{figures.people} people", _SMALL, colour=MUTED),
            rectangle(_LEFT, middle - _BAR / 2, wide, _BAR, colour, 2),
            text(_LEFT + wide + 8, middle + 4.5, told, _SIZE, bold=True),
        ]
        parts.append(group(row, f"{name}: {figures.mean:.4g}"))
    return parts


def _difference(report: ImpactReport) -> list[str]:
    """The difference with its interval beside nothing, which is in the middle."""
    if report.difference is None or report.low is None or report.high is None:
        return []
    reach = max(abs(report.low), abs(report.high)) * 1.1 or 1.0
    middle = (_LEFT + _RIGHT) / 2

    def x(value: float) -> float:
        return middle + value / reach * (_RIGHT - _LEFT) / 2

    colour = {"better": FOR, "worse": AGAINST}.get(report.verdict or "", INK)
    y = _DIFFERENCE
    told = f"{report.difference:+.4g} ({report.low:+.4g} to {report.high:+.4g})"
    interval = [
        line(x(report.low), y, x(report.high), y, colour, 4),
        circle(x(report.difference), y, 6, colour, "#fff", 2),
    ]
    return [
        rectangle(_MARGIN, y - 40, _WIDTH - 2 * _MARGIN, 76, BAND, 4),
        line(x(0), y - 30, x(0), y + 16, FAINT, 1.5, dashed=True),
        text(x(0), y + 30, "no difference", _SMALL, colour=MUTED, anchor="middle"),
        text(_MARGIN + 10, y + 4, "difference", _SIZE),
        group(interval, told),
        text(middle, y - 18, typeset(f"{told} {report.unit}".rstrip()), _SIZE, anchor="middle", bold=True, halo=True),
    ]


def _description(report: ImpactReport) -> str:
    """All that the picture shows, for those who cannot see it."""
    sentences = []
    for name, figures in (("Treated", report.treated), ("Held out", report.holdout)):
        if figures is not None:
            sentences.append(f"{name}: {figures.people} people, {figures.mean:.4g} {report.unit} each.")
    if report.difference is not None and report.low is not None and report.high is not None:
        sentences.append(f"Difference {report.difference:+.4g}, from {report.low:+.4g} to {report.high:+.4g}.")
    return " ".join([*sentences, *(f"{note}." for note in report.notes)]) or "Nothing can be told."
