"""Drawings of any evidence: well-formed, within their width, and true to the sum; the weakest edge by its meaning."""

from math import isfinite
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from models.identity.drawing_graph import graph_text
from models.identity.drawing_graph_svg import graph_svg
from models.identity.drawing_text import cells
from models.identity.drawing_waterfall import TOLERANCE_BITS, check_sum, waterfall, waterfall_text
from models.identity.drawing_waterfall_svg import waterfall_svg
from models.identity.evidence import ClusterGraph, Edge, Explanation, FieldEvidence
from models.identity.spanning_tree import weakest_edge

MEASURES = {"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "width", "height", "stroke-width"}

weights = st.floats(-60, 60) | st.sampled_from([0.0, -0.0, 1e-9, 5e-324, -1e-300])
values = st.text(max_size=12) | st.text(st.characters(codec=None), max_size=5)
fields = st.builds(
    FieldEvidence, field=values, level=values, weight=weights, frequency=weights, left=values, right=values
)


@st.composite
def explanations(draw: st.DrawFn) -> Explanation:
    found, prior = tuple(draw(st.lists(fields, max_size=15))), draw(weights)
    return Explanation(
        method=draw(st.sampled_from(["exact", "probabilistic", "operator"])),
        model_version=draw(values),
        prior=prior,
        fields=found,
        score=prior + sum(field.weight for field in found),
        confidence=draw(st.floats(0, 1)),
    )


@st.composite
def graphs(draw: st.DrawFn, nodes_max: int = 9) -> ClusterGraph:
    nodes = tuple(draw(st.lists(values, min_size=1, max_size=nodes_max)))
    node = st.integers(0, len(nodes) - 1)
    scores = st.integers(-3, 9).map(float) | weights
    edges = tuple(draw(st.lists(st.builds(Edge, node, node, scores, st.floats(0, 1)), max_size=20)))
    return ClusterGraph(draw(values), nodes, edges, weakest_edge(nodes, edges))


@given(explanations(), st.integers(80, 120))
def test_any_waterfall_can_be_drawn(explanation: Explanation, width: int) -> None:
    check_sum(explanation)
    drawn = waterfall(explanation)
    last = drawn.steps[-1].end if drawn.steps else drawn.prior
    assert abs(last - drawn.score) <= TOLERANCE_BITS
    for step, following in zip(drawn.steps, drawn.steps[1:], strict=False):
        assert step.end == following.start
    lines = waterfall_text(explanation, width).split("\n")
    assert all(cells(line) <= width for line in lines)
    ET.fromstring(waterfall_svg(explanation))


@given(graphs() | graphs(nodes_max=30), st.integers(80, 120))
def test_any_graph_can_be_drawn(graph: ClusterGraph, width: int) -> None:
    assert all(cells(line) <= width for line in graph_text(graph, width).split("\n"))
    picture = graph_svg(graph)
    assert picture == graph_svg(graph)
    root = ET.fromstring(picture)
    for element in root.iter():
        assert all(isfinite(float(value)) for name, value in element.attrib.items() if name in MEASURES)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == len(graph.nodes)


def components(nodes: int, edges: list[Edge]) -> set[frozenset[int]]:
    groups = {node: {node} for node in range(nodes)}
    for edge in edges:
        if groups[edge.left] is not groups[edge.right]:
            joined = groups[edge.left] | groups[edge.right]
            for node in joined:
                groups[node] = joined
    return {frozenset(group) for group in groups.values()}


@given(graphs())
def test_the_weakest_edge_is_the_first_to_break_the_cluster(graph: ClusterGraph) -> None:
    """Naive twin: raise a threshold until the edges at or above it no longer join what all edges join."""
    nodes, edges = len(graph.nodes), list(graph.edges)
    whole = components(nodes, edges)
    holding = [
        score
        for score in {e.score for e in edges}
        if components(nodes, [e for e in edges if e.score >= score]) == whole
    ]
    if len(whole) == nodes:
        assert graph.weakest == -1
    else:
        weakest = edges[graph.weakest]
        assert weakest.score == max(holding)
        above = components(nodes, [e for e in edges if e.score > weakest.score])
        assert not any({weakest.left, weakest.right} <= group for group in above)
