"""The contract of spaces, which the package ships."""

from bonanza.spaces.contract.space import SpaceContract, isomorphism, networkx_graph, simplified

__all__ = ["SpaceContract", "isomorphism", "networkx_graph", "simplified"]
