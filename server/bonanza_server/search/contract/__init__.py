"""What every strategy must hold, as a class of tests for its author to subclass: ``StrategyContract``.

Needs the extra ``contract``. Nothing else of Bonanza imports this::

    import pytest
    from bonanza_server.search.contract import StrategyContract
    from mylab.nearest import Nearest


    class TestNearest(StrategyContract):
        @pytest.fixture(scope="class")
        def strategy(self) -> Nearest:
            return Nearest()
"""

import pytest

pytest.register_assert_rewrite(f"{__name__}.strategy")  # before it is imported: failures then show their values

from bonanza_server.search.contract.strategy import StrategyContract  # noqa: E402

__all__ = ["StrategyContract"]
