"""What criteria say of bands that no score has: they hold for nobody, or for everybody, and nothing fails.

Bands and scores may come later, and events may tell a trait of such a name (`age_band`). So it is told of a name that
is a score's, or much like one, and nothing is refused.
"""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from models.scoring.bands import Edges
from models.scoring.statements import band_trait
from models.segments.criteria import AllOf, AnyOf, Demographic, Node, Not

_SUFFIX = band_trait("")
_ONE, _SEVERAL = ("equals", "not_equals"), ("in", "not_in")


def band_notes(tree: Node, bands: Mapping[str, Edges], scores: Collection[str]) -> list[str]:
    """What of a tree names no band of a score: a sentence each, with the way out and without values. `scores` are names
    of those that there are, with bands or without."""
    return list(dict.fromkeys(note for clause in _clauses(tree) if (note := _note(clause, bands, scores))))


def _clauses(node: Node) -> Iterator[Demographic]:
    match node:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _clauses(part)
        case Not(part):
            yield from _clauses(part)
        case Demographic():
            yield node


def _note(clause: Demographic, bands: Mapping[str, Edges], scores: Collection[str]) -> str:
    """Empty if there is nothing to be said."""
    name = clause.trait.removesuffix(_SUFFIX)
    if name == clause.trait:
        return ""
    if name not in bands:
        if name in scores:
            return f"trait {clause.trait}: the score has no bands, so only events can tell it: set scoring.bands.{name}"
        near = get_close_matches(name, {*bands, *scores})
        meant = " or ".join(f"{each}{_SUFFIX}" for each in near)
        return f"trait {clause.trait}: no score is called {name}: was {meant} meant?" if near else ""
    edges = bands[name]
    values = clause.value if clause.operator in _SEVERAL else (clause.value,) if clause.operator in _ONE else ()
    if edges and not all(value in edges for value in values):
        return f"trait {clause.trait}: expected bands of the score ({', '.join(edges)}): nobody is in another one"
    return ""
