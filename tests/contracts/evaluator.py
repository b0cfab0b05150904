"""The contract of evaluators, which the package ships."""

from bonanza.worker.contract import EvaluatorContract

__all__ = ["EvaluatorContract"]
