"""Drawings of evidence, kept as they are: a change of a picture or a table shows here.

tests/golden/drawing/NAME.json holds an Explanation (waterfall_*) or a ClusterGraph (graph_*), NAME.txt and NAME.svg
what is drawn of it. A graph has no stored picture: the last digit of a place may differ between machines. Set
ONEFOLD_GOLDEN_UPDATE=1 to draw anew, and look at the difference before committing it.
"""

import os
from pathlib import Path

import msgspec
import pytest

from models.identity.drawing_graph import graph_text
from models.identity.drawing_waterfall import waterfall_text
from models.identity.drawing_waterfall_svg import waterfall_svg
from models.identity.evidence import ClusterGraph, Explanation

DRAWINGS = Path(__file__).parent / "drawing"
WATERFALLS = sorted(DRAWINGS.glob("waterfall_*.json"))
GRAPHS = sorted(DRAWINGS.glob("graph_*.json"))


def as_kept(drawn: str, path: Path) -> None:
    if os.environ.get("ONEFOLD_GOLDEN_UPDATE"):
        path.write_text(drawn, encoding="utf-8")
    assert drawn == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", WATERFALLS, ids=lambda path: path.stem)
def test_waterfall_is_drawn_as_before(path: Path) -> None:
    explanation = msgspec.json.decode(path.read_bytes(), type=Explanation)
    texts = [waterfall_text(explanation, width) for width in (80, 100, 120)]
    as_kept("\n".join(texts), path.with_suffix(".txt"))
    as_kept(waterfall_svg(explanation), path.with_suffix(".svg"))


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_graph_is_told_as_before(path: Path) -> None:
    as_kept(graph_text(msgspec.json.decode(path.read_bytes(), type=ClusterGraph)), path.with_suffix(".txt"))
