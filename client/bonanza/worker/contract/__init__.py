"""What every evaluator must hold, as a class of tests for its author to subclass: ``EvaluatorContract``.

Needs the extra ``contract``. Nothing else of Bonanza imports this.
"""

import pytest

pytest.register_assert_rewrite(f"{__name__}.evaluator")  # before it is imported: failures then show their values

from bonanza.worker.contract.evaluator import EvaluatorContract  # noqa: E402

__all__ = ["EvaluatorContract"]
