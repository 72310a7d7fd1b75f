"""What criteria say of bands that no score has: they hold for nobody, or for everybody, and nothing fails.

Bands and scores may come later, and a trait of such a name may be told by events. So this is told, and not refused.
"""

from collections.abc import Iterator, Mapping

from models.scoring.bands import Edges
from models.scoring.statements import band_trait
from models.segments.criteria import AllOf, AnyOf, Demographic, Node, Not

_SUFFIX = band_trait("")
_ONE, _SEVERAL = ("equals", "not_equals"), ("in", "not_in")


def band_notes(tree: Node, bands: Mapping[str, Edges]) -> list[str]:
    """What of a tree names no band of a score: a sentence each, with the way out and without values."""
    return list(dict.fromkeys(note for clause in _clauses(tree) if (note := _note(clause, bands))))


def _clauses(node: Node) -> Iterator[Demographic]:
    match node:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _clauses(part)
        case Not(part):
            yield from _clauses(part)
        case Demographic():
            yield node


def _note(clause: Demographic, bands: Mapping[str, Edges]) -> str:
    """Empty if there is nothing to be said."""
    name = clause.trait.removesuffix(_SUFFIX)
    if name == clause.trait:
        return ""
    if name not in bands:
        known = ", ".join(bands) or "none"
        return (
            f"trait {clause.trait}: no score of that name has bands (scoring.bands: {known}): only events can tell it"
        )
    edges = bands[name]
    values = clause.value if clause.operator in _SEVERAL else (clause.value,) if clause.operator in _ONE else ()
    if edges and not all(value in edges for value in values):
        return f"trait {clause.trait}: expected bands of the score ({', '.join(edges)}): nobody is in another one"
    return ""
