"""A cluster as a graph: its records, what holds them together, and the edge where it would break first.

As JSON with a place for each record, so that a page can draw the same picture, and as text for a terminal; the
picture itself is drawing_graph_svg. Edges are told strongest first.
"""

import msgspec

from models.identity.drawing_layout import Places, layout
from models.identity.drawing_text import bits, cells, counted, cut, fit, percent, plain
from models.identity.evidence import ClusterGraph, Edge

_NARROWEST = 80
_NUMBER_CELLS, _CONFIDENCE_CELLS, _BAR_CELLS = 8, 11, 24
_GAP = "  "


class PlacedNode(msgspec.Struct, frozen=True, kw_only=True):
    """A record; `x` and `y` run from 0 to 1, y downwards, on one scale."""

    label: str
    x: float
    y: float
    edges: int  # how many end here


class DrawnEdge(msgspec.Struct, frozen=True, kw_only=True):
    """An edge between two positions of the nodes."""

    left: int
    right: int
    score: float  # bits
    confidence: float
    weakest: bool


class DrawnGraph(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster with a place for each record; edges with the highest score first."""

    entity_id: str
    nodes: tuple[PlacedNode, ...]
    edges: tuple[DrawnEdge, ...]
    weakest: DrawnEdge | None


def drawn_graph(graph: ClusterGraph) -> DrawnGraph:
    """The cluster, laid out. Raises ValueError for an edge or a weakest edge that does not exist, or a score that is
    not a finite number."""
    if not -1 <= graph.weakest < len(graph.edges):
        raise ValueError(f"weakest: expected -1 to {len(graph.edges) - 1}, found {graph.weakest}")
    for position, edge in enumerate(graph.edges):
        if not abs(edge.score) < float("inf"):
            raise ValueError(f"edges[{position}].score: expected a finite number, found {edge.score}")
    places = _in_unit_square(layout(len(graph.nodes), graph.edges))
    degrees = [0] * len(graph.nodes)
    for edge in graph.edges:
        for node in {edge.left, edge.right}:
            degrees[node] += 1
    order = sorted(range(len(graph.edges)), key=lambda e: (-graph.edges[e].score, e))
    edges = tuple(_edge(graph.edges[position], position == graph.weakest) for position in order)
    return DrawnGraph(
        entity_id=graph.entity_id,
        nodes=tuple(
            PlacedNode(label=label, x=round(float(x), 3), y=round(float(y), 3), edges=degree)
            for label, (x, y), degree in zip(graph.nodes, places, degrees, strict=True)
        ),
        edges=edges,
        weakest=next((edge for edge in edges if edge.weakest), None),
    )


def _edge(edge: Edge, weakest: bool) -> DrawnEdge:
    return DrawnEdge(left=edge.left, right=edge.right, score=edge.score, confidence=edge.confidence, weakest=weakest)


def _in_unit_square(places: Places) -> Places:
    if not len(places):
        return places
    low, high = places.min(axis=0), places.max(axis=0)
    extent = float((high - low).max())
    if not extent:
        return places - places + 0.5
    inside: Places = 0.5 + (places - (low + high) / 2) / extent
    return inside


def graph_json(graph: ClusterGraph) -> bytes:
    """The cluster as a JSON object, with the members of `DrawnGraph`."""
    return msgspec.json.encode(drawn_graph(graph))


def graph_heading(drawn: DrawnGraph) -> str:
    """What is drawn, in one line."""
    counts = f"{counted(len(drawn.nodes), 'record')}, {counted(len(drawn.edges), 'edge')}"
    return f"Entity {plain(drawn.entity_id)}: {counts}"


def weakest_sentence(drawn: DrawnGraph, label_cells: int = 1000) -> str:
    """The weakest edge by its figures and its records, whose labels are cut; empty if none is marked."""
    edge = drawn.weakest
    if edge is None:
        return ""
    left, right = (cut(plain(drawn.nodes[node].label), label_cells) for node in (edge.left, edge.right))
    numbers = f"{edge.left + 1} \u2013 {edge.right + 1}"
    figures = f"{bits(edge.score)} bits, {percent(edge.confidence)} confidence"
    return f"weakest edge {numbers}, {figures}: {left} \u2013 {right}"


def graph_text(graph: ClusterGraph, width: int = 100) -> str:
    """Aligned lines of at most `width` cells (80 at least), each with its end of line: the records by number, then
    the edges between the numbers."""
    drawn = drawn_graph(graph)
    width = max(width, _NARROWEST)
    lines = [cut(graph_heading(drawn), width)]
    if sentence := weakest_sentence(drawn):
        lines.append(cut(sentence, width))
    digits = len(str(len(drawn.nodes)))
    most = max((cells(plain(node.label)) for node in drawn.nodes), default=0)
    label_cells = max(min(most, width - digits - 2 * len(_GAP) - len("EDGES")), len("RECORD"))
    lines += ["", _GAP.join([fit("#", digits, right=True), fit("RECORD", label_cells), "EDGES"])]
    for place, node in enumerate(drawn.nodes, 1):
        number, edges = fit(str(place), digits, right=True), fit(str(node.edges), len("EDGES"), right=True)
        lines.append(_GAP.join([number, fit(plain(node.label), label_cells), edges]))
    if drawn.edges:
        pair_cells = max(2 * digits + 3, len("PAIR"))
        head = [fit("PAIR", pair_cells), fit("SCORE", _NUMBER_CELLS, right=True)]
        lines += ["", _GAP.join([*head, fit("CONFIDENCE", _CONFIDENCE_CELLS, right=True)])]
        longest = max((abs(edge.score) for edge in drawn.edges), default=0) or 1.0
        for edge in drawn.edges:
            pair = f"{edge.left + 1:>{digits}} - {edge.right + 1:>{digits}}"
            score, confidence = bits(edge.score), percent(edge.confidence)
            bar = ("+" if edge.score > 0 else "-") * round(abs(edge.score) / longest * _BAR_CELLS)
            parts = [fit(pair, pair_cells), fit(score, _NUMBER_CELLS, right=True)]
            parts += [fit(confidence, _CONFIDENCE_CELLS, right=True), bar + (" <- weakest" if edge.weakest else "")]
            lines.append(_GAP.join(parts).rstrip())
    return "\n".join(lines) + "\n"
