"""A successful answer of a server, before anybody has looked into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from bonanza.errors import InvalidRequest, UnexpectedAnswer
from bonanza.schemas import Answer

M = TypeVar("M", bound=Answer)


@dataclass(frozen=True)
class Reply:
    """One answer. ``body`` is the JSON, the text where it is not JSON, or None where it is empty."""

    server: str
    status: int
    body: Any

    def read(self, model: type[M]) -> M:
        """The body as a value of the wire.

        Raises:
            UnexpectedAnswer: it is not one.
        """
        try:
            return model.model_validate(self.body)
        except ValidationError as error:
            raise self._unexpected(model, error) from error

    def lines(self, model: type[M]) -> list[M]:
        """The body's lines (ndjson) as values of the wire.

        Raises:
            UnexpectedAnswer: one of them is not.
        """
        try:
            return [model.model_validate_json(line) for line in str(self.body or "").splitlines() if line]
        except ValidationError as error:
            raise self._unexpected(model, error) from error

    def _unexpected(self, model: type[Answer], error: ValidationError) -> UnexpectedAnswer:
        return UnexpectedAnswer(
            f"{self.server} answered {self.status}, but no {model.__name__}: {InvalidRequest.from_validation(error)}. "
            "Is the address right, and is the server of a version that goes with this one?",
            status=self.status,
        )
