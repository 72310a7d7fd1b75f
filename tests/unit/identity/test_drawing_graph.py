"""Cluster graphs: what JSON, text and picture show of records and edges."""

import json
from itertools import combinations
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from models.identity.drawing_graph import drawn_graph, graph_json, graph_text
from models.identity.drawing_graph_svg import graph_svg
from models.identity.drawing_svg import AGAINST
from models.identity.drawing_text import cells
from models.identity.evidence import ClusterGraph, Edge
from models.identity.spanning_tree import weakest_edge

SVG = "{http://www.w3.org/2000/svg}"
TRIO = ClusterGraph(
    "ent_1", ("crm:1 Jane", "web:2 J.", "pos:3 Doe"), (Edge(0, 1, 3.0, 0.89), Edge(1, 2, 8.5, 0.997)), 0
)


def clique(size: int) -> ClusterGraph:
    nodes = tuple(f"source:{n} Somebody" for n in range(size))
    edges = tuple(Edge(a, b, 1.0 + (a * 7 + b * 3) % 20, 0.9) for a, b in combinations(range(size), 2))
    return ClusterGraph("ent_2", nodes, edges, weakest_edge(nodes, edges))


def parts(graph: ClusterGraph, tag: str) -> list[ET.Element]:
    return list(ET.fromstring(graph_svg(graph)).iter(f"{SVG}{tag}"))


def words(graph: ClusterGraph) -> list[str]:
    return [element.text or "" for element in parts(graph, "text")]


def test_json_has_places_and_edges_strongest_first() -> None:
    told = json.loads(graph_json(TRIO))
    assert [node["label"] for node in told["nodes"]] == list(TRIO.nodes)
    assert [node["edges"] for node in told["nodes"]] == [1, 2, 1]
    assert all(0 <= node[axis] <= 1 for node in told["nodes"] for axis in "xy")
    assert [(edge["left"], edge["right"], edge["weakest"]) for edge in told["edges"]] == [(1, 2, False), (0, 1, True)]
    assert told["weakest"] == told["edges"][1]
    assert json.loads(graph_json(ClusterGraph("e", ("a",), ())))["weakest"] is None


def test_text_numbers_the_records_and_marks_the_weakest_edge() -> None:
    assert graph_text(TRIO).splitlines() == [
        "Entity ent_1: 3 records, 2 edges",
        "weakest edge 1 \u2013 2, +3.00 bits, 89.0% confidence: crm:1 Jane \u2013 web:2 J.",
        "",
        "#  RECORD      EDGES",
        "1  crm:1 Jane      1",
        "2  web:2 J.        2",
        "3  pos:3 Doe       1",
        "",
        "PAIR      SCORE   CONFIDENCE",
        "2 - 3     +8.50        99.7%  ++++++++++++++++++++++++",
        "1 - 2     +3.00        89.0%  ++++++++ <- weakest",
    ]


def test_text_keeps_to_its_width() -> None:
    graph = ClusterGraph("e" * 200, ("東京" * 80, "x" * 300), (Edge(0, 1, -2.0, 0.2),), 0)
    for width in (20, 80, 120):
        lines = graph_text(graph, width).splitlines()
        assert max(map(cells, lines)) <= max(width, 80)
        assert lines[-1].endswith("-" * 24 + " <- weakest")


def test_the_weakest_edge_is_marked_and_named() -> None:
    marked = [line for line in parts(TRIO, "line") if line.get("stroke") == AGAINST]
    assert len(marked) == 2  # in the legend and in the graph
    assert [circle.get("stroke") == AGAINST for circle in parts(TRIO, "circle")] == [True, True, False]
    assert "weakest edge 1 \u2013 2, +3.00 bits, 89.0% confidence: crm:1 Jane \u2013 web:2 J." in words(TRIO)
    unmarked = ClusterGraph(TRIO.entity_id, TRIO.nodes, TRIO.edges)
    assert AGAINST not in graph_svg(unmarked)


def test_edges_are_wider_with_their_score_and_dashed_below_zero() -> None:
    edges = (Edge(0, 1, 12.0, 1.0), Edge(1, 2, 6.0, 0.9), Edge(0, 2, -3.0, 0.1))
    root = ET.fromstring(graph_svg(ClusterGraph("e", ("a", "b", "c"), edges)))
    drawn = {}
    for group in root.findall(f"{SVG}g"):
        if (line := group.find(f"{SVG}line")) is not None:
            drawn[(group.findtext(f"{SVG}title") or "")[:5]] = line
    widths = [float(drawn[pair].get("stroke-width", "")) for pair in ("a \u2013 b", "b \u2013 c", "a \u2013 c")]
    assert widths == sorted(widths, reverse=True) and widths[0] > 2 * widths[2]
    assert [drawn[pair].get("stroke-dasharray") for pair in drawn].count("5 4") == 1
    assert drawn["a \u2013 c"].get("stroke-dasharray") == "5 4"


@pytest.mark.parametrize("size", [1, 2, 8, 12, 13, 40, 120])
def test_every_record_is_drawn_apart_and_labelled(size: int) -> None:
    graph = clique(size)
    root = ET.fromstring(graph_svg(graph))
    circles = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in root.iter(f"{SVG}circle")]
    told = {text.text for text in root.iter(f"{SVG}text")}
    width, height = map(float, (root.get("viewBox") or "").split()[2:])
    assert len(circles) == size
    assert all(20 < x < width - 20 and 90 < y < height - 20 for x, y in circles)
    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) > 20 for a, b in combinations(circles, 2))
    assert {*graph.nodes, *(str(n + 1) for n in range(size))} <= told


@pytest.mark.parametrize("size", [900, 2_100])
def test_a_cluster_too_large_to_read_keeps_within_the_picture(size: int) -> None:
    edges = tuple(Edge(n, (n * 7 + 1) % size, 1.0 + n % 9, 0.9) for n in range(size))
    root = ET.fromstring(graph_svg(ClusterGraph("e", tuple(map(str, range(size))), edges)))
    across = [float(c.get("cx", "")) for c in root.iter(f"{SVG}circle")]
    assert len(across) == size and min(across) > 24 and max(across) < 936


def test_labels_that_do_not_fit_beside_their_records_go_to_a_key() -> None:
    spaced = ClusterGraph("e", ("a", "b", "c"), TRIO.edges)
    chain = ClusterGraph(
        "e",
        tuple(f"record number {n} of a chain" for n in range(12)),
        tuple(Edge(n, n + 1, 5.0, 0.9) for n in range(11)),
    )
    rows = [{text.get("y") for text in parts(graph, "text") if text.text in graph.nodes} for graph in (spaced, chain)]
    assert len(rows[1]) == 4  # twelve labels in three columns
    assert max(float(y or 0) for y in rows[0]) < max(float(c.get("cy", "")) for c in parts(spaced, "circle")) + 30


def test_labels_cannot_become_markup() -> None:
    hostile = '"/><script>alert(1)</script>\x07&'
    root = ET.fromstring(graph_svg(ClusterGraph(hostile, (hostile, hostile), (Edge(0, 1, 1.0, 0.6),), 0)))
    assert "script" not in {element.tag.removeprefix(SVG) for element in root.iter()}
    assert root.findtext(f"{SVG}title", "").startswith('Entity "/><script>alert(1)</script>\ufffd&: 2 records')


def test_a_cluster_of_nothing_is_still_a_picture() -> None:
    empty = ClusterGraph("ent_3", (), ())
    assert graph_text(empty).splitlines()[0] == "Entity ent_3: 0 records, 0 edges"
    assert words(empty) == ["Entity ent_3: 0 records, 0 edges"]


@pytest.mark.parametrize("draw", [drawn_graph, graph_json, graph_text, graph_svg])
def test_graphs_that_contradict_themselves_are_refused(draw: Any) -> None:
    with pytest.raises(ValueError, match="weakest: expected -1 to 1, found 2"):
        draw(ClusterGraph("e", TRIO.nodes, TRIO.edges, 2))
    with pytest.raises(ValueError, match=r"edges\[0\]: expected nodes from 0 to 1, found 0, 2"):
        draw(ClusterGraph("e", ("a", "b"), (Edge(0, 2, 1.0, 0.5),)))
    with pytest.raises(ValueError, match=r"edges\[0\]\.score: expected a finite number, found inf"):
        draw(ClusterGraph("e", ("a", "b"), (Edge(0, 1, float("inf"), 1.0),)))
