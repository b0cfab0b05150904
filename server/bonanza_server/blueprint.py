"""A cell's network as a PyTorch file, as ``bonanza export-code`` writes it; made where torch may be loaded, which the API process never does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bonanza.spaces import space_from_spec
from bonanza.spaces.recurrent import WIDTH
from bonanza_server.errors import Refused

CLASSES, SHAPE = 10, (3, 32, 32)
TOKENS = 10_000


@dataclass(frozen=True)
class Cell:
    """An architecture of a stored study."""

    space: dict[str, Any]
    architecture: dict[str, Any]


def blueprint(cell: Cell) -> str:
    """The text of the file: the published network for images of CIFAR-10's size, or of Penn Treebank's vocabulary.

    Raises:
        Refused: no network is known of this space, or torch is not installed.
    """
    from bonanza.worker.networks import NoNetwork, Skeleton, export_code, export_language_model

    space = space_from_spec(cell.space)
    architecture = space.validate(cell.architecture)
    try:
        if space.kind == "recurrent":
            return export_language_model(space, architecture, tokens=TOKENS, width=WIDTH, layers=1)
        return export_code(space, architecture, skeleton=Skeleton(None, None), classes=CLASSES, shape=SHAPE)
    except NoNetwork as error:
        raise Refused("conflict", f"there is no code for this space: {error}") from error
    except ModuleNotFoundError as error:
        raise Refused(
            "unavailable",
            f"the code needs {error.name} on the server: pip install 'bonanza[worker]'",
            retry_after_s=3600,
        ) from error
