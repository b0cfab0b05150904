"""A learning curve: what was measured after each epoch, and which epoch's value is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from bonanza.worker.protocol import Objective


@dataclass
class Curve:
    """Accuracy in percent (or the perplexity of a language model) and the mean training loss after each epoch so far."""

    values: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    falls: bool = False
    """Whether less is better, as of a perplexity."""

    def add(self, *, accuracy: float, loss: float) -> None:
        """An epoch is over."""
        self.values.append(accuracy)
        self.losses.append(loss)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def last(self) -> float:
        """After the last epoch."""
        return self.values[-1]

    @property
    def best(self) -> float:
        """After the best epoch."""
        return min(self.values) if self.falls else max(self.values)

    def told(self, objective: Objective) -> float | None:
        """What the protocol tells; None before the first epoch is over."""
        if not self.values:
            return None
        return self.last if objective == "last" else self.best

    def metrics(self, name: str) -> dict[str, float]:
        """Last, best, and which epoch was the best; nothing before the first epoch is over."""
        if not self.values:
            return {}
        return {
            f"{name}_last": self.last,
            f"{name}_best": self.best,
            "epoch_best": self.values.index(self.best),
            "epochs": len(self),
            "train_loss": self.losses[-1],
        }

    def state(self) -> dict[str, Any]:
        """Plain lists, for a checkpoint."""
        return {"values": list(self.values), "losses": list(self.losses)}

    @classmethod
    def restored(cls, state: dict[str, Any], *, falls: bool = False) -> Self:
        """The curve of a checkpoint."""
        return cls(list(state["values"]), list(state["losses"]), falls)
