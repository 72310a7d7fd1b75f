"""A cluster's graph as an SVG picture: records as circles, edges wider with their score, the weakest in orange.

Records are numbered. Up to a dozen have their labels beside them if these fit; else the labels stand in a key below.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.identity.drawing_graph import DrawnGraph, drawn_graph, graph_heading, weakest_sentence
from models.identity.drawing_layout import spread
from models.identity.drawing_svg import (
    AGAINST,
    FAINT,
    FOR,
    MUTED,
    circle,
    group,
    line,
    picture,
    rectangle,
    shorten,
    text,
    text_width,
    typeset,
)
from models.identity.drawing_text import bits, percent
from models.identity.evidence import ClusterGraph

_WIDTH, _MARGIN, _TOP = 960.0, 24.0, 100.0
_LABELLED_MAX = 12  # records
_SCORES_MAX = 8  # edges
_SIZE, _SMALL, _LABEL_WIDTH = 13.0, 11.0, 200.0
_WEAKEST_CELLS = 34  # of each label in the legend
_THIN, _THICK = 1.2, 6.0
_SPACING, _LABELLED_SCALE = 84.0, 1.4  # pixels between records, about, if the width allows; more for labels
_CROWD = 300.0  # pixels: the radius of a circle x the square root of their number, at most
_KEY_COLUMNS, _KEY_ROW = 3, 19.0
_ALONG = (0.5, 0.38, 0.62, 0.3, 0.7)  # where on its edge a score may stand
_CROSSING = 12.0  # how bad a few pixels of an edge under a label are, in square pixels of hidden things
_HIDDEN_MAX = 40.0  # square pixels that a label may hide; else all labels go to the key

Point = tuple[float, float]


class _Box(NamedTuple):
    """A rectangle that something takes up."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "_Box") -> float:
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across * down if across > 0 and down > 0 else 0.0

    def holds(self, point: Point) -> bool:
        return self.left <= point[0] <= self.right and self.top <= point[1] <= self.bottom


class _Words(NamedTuple):
    """A piece of text with its place; `x` is its left edge, its middle or its right edge."""

    x: float
    y: float
    anchor: str
    box: _Box


def graph_svg(graph: ClusterGraph) -> str:
    """The picture, 960 pixels wide and as high as it needs. Raises ValueError as `drawn_graph` does."""
    drawn = drawn_graph(graph)
    labelled = len(drawn.nodes) <= _LABELLED_MAX
    radius = min(11.0 if len(drawn.nodes) < 100 else 14.0, _CROWD / math.sqrt(max(len(drawn.nodes), 1)))
    centres, bottom = _centres(drawn, labelled, radius)
    scores, taken = _scores(drawn, centres)
    parts = [
        text(_MARGIN, 38, shorten(graph_heading(drawn), 20, _WIDTH - 2 * _MARGIN), 20, bold=True),
        *_legend(drawn),
        *_edges(drawn, centres),
        *_circles(drawn, centres, radius),
        *scores,
    ]
    labels = _labels(drawn, centres, radius, taken) if labelled else None
    if labels is None:
        labels, bottom = _key(drawn, bottom)
    parts += labels
    return picture(_WIDTH, bottom + _MARGIN, graph_heading(drawn), _description(drawn), parts)


def _centres(drawn: DrawnGraph, labelled: bool, radius: float) -> tuple[list[Point], float]:
    """Each record's centre, and where the drawing ends."""
    if not drawn.nodes:
        return [], _TOP
    places = np.array([(node.x, node.y) for node in drawn.nodes])
    room = _WIDTH - 2 * (_MARGIN + (_LABEL_WIDTH if labelled else 40))
    scale = min(room, _SPACING * (2 + math.sqrt(len(places))) * (_LABELLED_SCALE if labelled else 1))
    places = spread(places * scale, 2.5 * radius)
    places *= min(1.0, room / max(float(np.ptp(places[:, 0])), 1.0))
    low, high = places.min(axis=0), places.max(axis=0)
    places += ((_WIDTH - low[0] - high[0]) / 2, _TOP + 40 - low[1])
    return [(float(x), float(y)) for x, y in places], _TOP + 40 + float(high[1] - low[1]) + 44


def _strength(drawn: DrawnGraph, score: float) -> float:
    """Where a score lies between the lowest (0) and the highest (1) of the cluster."""
    low, high = drawn.edges[-1].score, drawn.edges[0].score
    return (score - low) / (high - low) if high > low else 1.0


def _edge_width(strength: float) -> float:
    return _THIN + strength * (_THICK - _THIN)


def _edges(drawn: DrawnGraph, centres: Sequence[Point]) -> list[str]:
    """Strong edges over weak ones, and the one that is marked over all; the more there are, the fainter."""
    crowd = min(1.0, 3 * len(drawn.nodes) / max(len(drawn.edges), 1))
    parts = []
    for edge in sorted(reversed(drawn.edges), key=lambda edge: edge.weakest):
        strength = _strength(drawn, edge.score)
        ends = (*centres[edge.left], *centres[edge.right])
        if edge.weakest:
            stroke = line(*ends, AGAINST, max(_edge_width(strength), 3), dashed=edge.score < 0)
        else:
            opacity = (0.4 + 0.4 * strength) * max(crowd, 0.25)
            stroke = line(*ends, FOR, _edge_width(strength) * max(crowd, 0.4), opacity=opacity, dashed=edge.score < 0)
        names = f"{drawn.nodes[edge.left].label} \u2013 {drawn.nodes[edge.right].label}"
        parts.append(group([stroke], f"{names}: {bits(edge.score)} bits, {percent(edge.confidence)} confidence"))
    return parts


def _circles(drawn: DrawnGraph, centres: Sequence[Point], radius: float) -> list[str]:
    marked = {drawn.weakest.left, drawn.weakest.right} if drawn.weakest else set()
    size = min(_SMALL, radius)
    parts = []
    for place, (node, (x, y)) in enumerate(zip(drawn.nodes, centres, strict=True)):
        shape = [
            circle(x, y, radius, "#fff", AGAINST if place in marked else FOR, 2.5),
            text(x, y + size * 0.36, str(place + 1), size, anchor="middle", bold=True),
        ]
        parts.append(group(shape, node.label))
    return parts


def _scores(drawn: DrawnGraph, centres: Sequence[Point]) -> tuple[list[str], list[_Box]]:
    """The scores on the edges, if they are few, else on the weakest one alone; and the room they take."""
    told = drawn.edges if len(drawn.edges) <= _SCORES_MAX else tuple(edge for edge in drawn.edges if edge.weakest)
    parts, taken = [], [_around(centre, 12) for centre in centres]
    for edge in sorted(told, key=lambda edge: not edge.weakest):
        words = typeset(bits(edge.score))
        (x1, y1), (x2, y2) = centres[edge.left], centres[edge.right]
        choices = [
            _words(x1 + (x2 - x1) * along, y1 + (y2 - y1) * along + 4, "middle", words, _SMALL) for along in _ALONG
        ]
        best = min(choices, key=lambda choice: sum(choice.box.overlap(box) for box in taken))
        taken.append(best.box)
        colour = AGAINST if edge.weakest else MUTED
        parts.append(
            rectangle(best.box.left - 2, best.box.top, best.box.right - best.box.left + 4, _SMALL + 4, "#fff", 3)
        )
        parts.append(text(best.x, best.y, words, _SMALL, colour=colour, anchor="middle", bold=edge.weakest))
    return parts, taken


def _labels(drawn: DrawnGraph, centres: Sequence[Point], radius: float, taken: Sequence[_Box]) -> list[str] | None:
    """The records' labels, each beside, below or above its circle, where it hides least; None if they do not fit."""
    middle = (
        (sum(x for x, _ in centres) / len(centres), sum(y for _, y in centres) / len(centres)) if centres else (0, 0)
    )
    trace = [point for edge in drawn.edges for point in _points(centres[edge.left], centres[edge.right])]
    boxes, parts = list(taken), []
    for node, (x, y) in zip(drawn.nodes, centres, strict=True):
        words = shorten(node.label, _SIZE, _LABEL_WIDTH)
        out = radius + 6
        choices = [
            _words(x + out, y + 4.5, "start", words, _SIZE),
            _words(x - out, y + 4.5, "end", words, _SIZE),
            _words(x, y + out + 10, "middle", words, _SIZE),
            _words(x, y - out - 1, "middle", words, _SIZE),
            _words(x - 4, y + out + 10, "start", words, _SIZE),
            _words(x + 4, y + out + 10, "end", words, _SIZE),
            _words(x - 4, y - out - 1, "start", words, _SIZE),
            _words(x + 4, y - out - 1, "end", words, _SIZE),
        ]
        if x < middle[0]:
            choices[:2] = choices[1::-1]  # outwards first

        best = min(choices, key=lambda choice: _hidden(choice.box, boxes) + _CROSSING * _crossed(choice.box, trace))
        if _hidden(best.box, boxes) > _HIDDEN_MAX:
            return None
        boxes.append(best.box)
        parts.append(text(best.x, best.y, words, _SIZE, anchor=best.anchor, halo=True))
    return parts


def _hidden(box: _Box, boxes: Sequence[_Box]) -> float:
    """Square pixels of a label that lie over other things or outside the picture."""
    room = _Box(_MARGIN, _TOP, _WIDTH - _MARGIN, math.inf)
    outside = (box.right - box.left) * (box.bottom - box.top) - box.overlap(room)
    return outside + sum(box.overlap(other) for other in boxes)


def _crossed(box: _Box, trace: Sequence[Point]) -> int:
    return sum(box.holds(point) for point in trace)


def _words(x: float, y: float, anchor: str, words: str, size: float) -> _Words:
    width = text_width(words, size)
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return _Words(x, y, anchor, _Box(left, y - size, left + width, y + size * 0.3))


def _around(centre: Point, radius: float) -> _Box:
    return _Box(centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)


def _points(start: Point, end: Point) -> list[Point]:
    """Points along an edge, a few pixels apart."""
    count = max(int(math.dist(start, end) / 6), 1)
    return [
        (start[0] + (end[0] - start[0]) * i / count, start[1] + (end[1] - start[1]) * i / count)
        for i in range(count + 1)
    ]


def _key(drawn: DrawnGraph, top: float) -> tuple[list[str], float]:
    """The labels by number, in columns read downwards, and where they end."""
    rows = math.ceil(len(drawn.nodes) / _KEY_COLUMNS)
    column = (_WIDTH - 2 * _MARGIN) / _KEY_COLUMNS
    parts = [line(_MARGIN, top, _WIDTH - _MARGIN, top, FAINT)]
    for place, node in enumerate(drawn.nodes):
        x, y = _MARGIN + place // rows * column, top + 26 + place % rows * _KEY_ROW
        parts.append(text(x + 26, y, str(place + 1), _SMALL, colour=MUTED, anchor="end"))
        parts.append(text(x + 34, y, shorten(node.label, 12, column - 46), 12))
    return parts, top + 26 + rows * _KEY_ROW


def _legend(drawn: DrawnGraph) -> list[str]:
    if not drawn.edges:
        return []
    parts: list[str] = []
    if sentence := weakest_sentence(drawn, _WEAKEST_CELLS):
        parts.append(line(_MARGIN, 60, _MARGIN + 54, 60, AGAINST, 3))
        room = _WIDTH - 2 * _MARGIN - 64
        parts.append(text(_MARGIN + 64, 64, shorten(typeset(sentence), _SIZE, room), _SIZE, colour=AGAINST, bold=True))
    low, high = drawn.edges[-1].score, drawn.edges[0].score
    words = f"{bits(low)} to {bits(high)} bits" if low < high else f"{bits(high)} bits"
    words = typeset(f"score {words}" + (", dashed below 0" if low < 0 else ""))
    parts.append(text(_MARGIN + 64, 86, words, 12, colour=MUTED))
    for place, strength in enumerate((0.0, 0.5, 1.0)):
        begin = _MARGIN + 19 * place
        width = _edge_width(strength if low < high else 1.0)
        parts.append(line(begin, 82, begin + 16, 82, FOR, width, opacity=0.8))
    return parts


def _description(drawn: DrawnGraph) -> str:
    """All that the picture shows, for those who cannot see it."""
    sentences = [f"Graph of {graph_heading(drawn)}."]
    if sentence := weakest_sentence(drawn):
        sentences.append(f"{sentence[0].upper()}{sentence[1:]}.")
    if drawn.edges:
        scores = f"{bits(drawn.edges[-1].score)} to {bits(drawn.edges[0].score)} bits"
        sentences.append(f"Edges are wider with their score, {scores}.")
    return " ".join(sentences)
