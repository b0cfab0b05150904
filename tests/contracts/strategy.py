"""The contract of strategies, which the package ships."""

from bonanza_server.search.contract.strategy import (
    SPACES,
    USUAL,
    VALUES,
    Drawn,
    StrategyContract,
    cells_of,
    drawn,
    few,
    ids_of,
)

__all__ = ["SPACES", "USUAL", "VALUES", "Drawn", "StrategyContract", "cells_of", "drawn", "few", "ids_of"]
