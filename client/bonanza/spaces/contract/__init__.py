"""What every search space must hold, as a class of tests for its author to subclass: ``SpaceContract``.

Needs the extra ``contract`` (pytest, hypothesis, networkx). Nothing else of Bonanza imports this::

    from bonanza.spaces.contract import SpaceContract


    class TestRings(SpaceContract):
        spec = {"kind": "rings", "size": 5}
"""

import pytest

for _module in ("space", "interpreter"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")  # before they are imported: failures then show their values

from bonanza.spaces.contract.space import SpaceContract  # noqa: E402

__all__ = ["SpaceContract"]
