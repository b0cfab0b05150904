"""Search spaces: pure Python, shared by server, SDK and worker."""

from bonanza.spaces.base import Architecture, InvalidArchitecture, InvalidSpace, SearchSpace, count_ids
from bonanza.spaces.canonical import canonical_form
from bonanza.spaces.cost import Cost
from bonanza.spaces.dot import to_dot
from bonanza.spaces.drawing import draw
from bonanza.spaces.graph import LabelledDag, graph_id
from bonanza.spaces.kind import Kind
from bonanza.spaces.registry import nearest_kind, space_from_spec, space_kind, space_kinds
from bonanza.spaces.simplification import Simplified, simplify

__all__ = [
    "Architecture",
    "Cost",
    "InvalidArchitecture",
    "InvalidSpace",
    "Kind",
    "LabelledDag",
    "SearchSpace",
    "Simplified",
    "canonical_form",
    "count_ids",
    "draw",
    "graph_id",
    "nearest_kind",
    "simplify",
    "space_from_spec",
    "space_kind",
    "space_kinds",
    "to_dot",
]
