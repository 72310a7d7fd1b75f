"""The maximum spanning tree of a cluster: the strongest edges that hold it together, and the weakest of them.

Kruskal, "On the shortest spanning subtree of a graph and the traveling salesman problem", 1956, with the highest
scores first. Ties are broken by the nodes, so the order of edges does not matter unless two join the same nodes.
"""

from collections.abc import Sequence

from models.identity.evidence import Edge


def weakest_edge(nodes: Sequence[str], edges: Sequence[Edge]) -> int:
    """Position of the edge of the lowest score on the maximum spanning tree (forest), -1 if there is no edge.

    Without it the cluster falls in two, and no path between the halves is better. Among equal scores the answer does
    not depend on the order of `edges`. Raises ValueError for an edge that is not between two of the nodes.
    """
    tree = spanning_tree(len(nodes), edges)
    return tree[-1] if tree else -1


def spanning_tree(nodes: int, edges: Sequence[Edge]) -> list[int]:
    """Positions of the edges of the maximum spanning tree (forest), highest score first."""
    for position, edge in enumerate(edges):
        if not (0 <= edge.left < nodes and 0 <= edge.right < nodes):
            raise ValueError(
                f"edges[{position}]: expected nodes from 0 to {nodes - 1}, found {edge.left}, {edge.right}"
            )
        if edge.score != edge.score:
            raise ValueError(f"edges[{position}].score: expected a number, found NaN")
    # Kruskal's algorithm, with ties broken by the nodes.
    order = sorted(range(len(edges)), key=lambda e: (-edges[e].score, sorted((edges[e].left, edges[e].right))))
    parent = list(range(nodes))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    tree = []
    for position in order:
        left, right = root(edges[position].left), root(edges[position].right)
        if left != right:
            parent[right] = left
            tree.append(position)
    return tree
