"""The report on a decision point as an SVG picture: what a decision is worth, taken one way or another."""

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
from models.impact.policy_report import AS_DECIDED, PolicyFigures, PolicyReport

# All in pixels.
_WIDTH, _MARGIN = 760, 24
_LEFT, _RIGHT = 190, 520  # of the intervals
_TOP, _ROW, _FOOT = 96, 44, 34
_SIZE, _SMALL = 13, 11
_COLOURS = {"better": FOR, "worse": AGAINST}


def policies_svg(report: PolicyReport) -> str:
    """The picture, 760 pixels wide, with a row for each way of deciding."""
    told = [each for each in report.policies if each.value is not None]
    title = f"{report.decision}: {'what a decision is worth' if told else 'nothing can be told yet'}"
    about = f"{report.value} within {report.horizon_days} days, after costs, in {report.unit}"
    height = _TOP + max(len(told), 1) * _ROW + _FOOT
    parts = [
        text(_MARGIN, 38, shorten(title, 20, _WIDTH - 2 * _MARGIN), 20, bold=True),
        text(_MARGIN, 60, shorten(about, _SIZE, _WIDTH - 2 * _MARGIN), _SIZE, colour=MUTED),
        *_rows(told),
    ]
    if report.notes:
        note = shorten(report.notes[0], _SMALL, _WIDTH - 2 * _MARGIN)
        parts.append(text(_MARGIN, height - 14, note, _SMALL, colour=MUTED))
    return picture(_WIDTH, height, title, _description(report), parts)


def _rows(told: list[PolicyFigures]) -> list[str]:
    """Intervals on one scale; the dashed line is what was decided."""
    if not told:
        return []
    low = min(each.low for each in told if each.low is not None)
    high = max(each.high for each in told if each.high is not None)
    reach = (high - low) or 1.0

    def x(value: float) -> float:
        return _LEFT + (value - low) / reach * (_RIGHT - _LEFT)

    bottom = _TOP + len(told) * _ROW - _ROW / 2
    parts = [
        line(x(each.value), _TOP - 14, x(each.value), bottom, FAINT, 1.5, dashed=True)
        for each in told
        if each.policy == AS_DECIDED and each.value is not None
    ]
    for place, each in enumerate(told):
        if each.value is None or each.low is None or each.high is None:
            continue
        y = _TOP + place * _ROW
        colour = _COLOURS.get(each.verdict or "", INK)
        figures = typeset(f"{each.value:.4g} ({each.low:.4g} to {each.high:.4g})")
        row = [
            text(_MARGIN, y + 4, shorten(each.policy, _SIZE, _LEFT - _MARGIN - 12), _SIZE),
            text(_MARGIN, y + 18, f"{each.decisions} decisions", _SMALL, colour=MUTED),
            line(x(each.low), y, x(each.high), y, colour, 4),
            circle(x(each.value), y, 6, colour, "#fff", 2),
            text(_RIGHT + 20, y + 4.5, figures, _SIZE, bold=True),
            text(_RIGHT + 20, y + 19, each.verdict or "", _SMALL, colour=MUTED),
        ]
        if place % 2:
            parts.insert(0, rectangle(_MARGIN, y - 20, _WIDTH - 2 * _MARGIN, _ROW, BAND, 4))
        parts.append(group(row, f"{each.policy}: {figures}"))
    return parts


def _description(report: PolicyReport) -> str:
    """All that the picture shows, for those who cannot see it."""
    sentences = []
    for each in report.policies:
        if each.value is not None:
            verdict = f", {each.verdict} than as decided" if each.verdict in _COLOURS else ""
            verdict = f", {each.verdict} from as decided" if each.verdict == "not distinguishable" else verdict
            told = f"{each.value:.4g} {report.unit}, from {each.low:.4g} to {each.high:.4g}"
            sentences.append(f"{each.policy}: {told}, by {each.decisions} decisions{verdict}.")
    return " ".join([*sentences, *(f"{note}." for note in report.notes)]) or "Nothing can be told."
