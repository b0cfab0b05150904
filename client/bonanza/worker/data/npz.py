"""Images of your own, in one file: an npz of ``x_train``, ``y_train``, ``x_test``, ``y_test``.

Images are N x H x W x C or N x H x W, u8, of any size and number of channels; labels whole numbers from 0. A mirrored image counts as of the same
class where there are three channels, and not where there is one, as in characters; an array ``mirrors`` (0 or 1) says otherwise.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from bonanza.worker.data.images import Part
from bonanza.worker.data.place import UnusableData

ARRAYS: Final = ("x_train", "y_train", "x_test", "y_test")


class Npz:
    """The images of a file; what is read is read at once, so that a file on a network is not kept open."""

    def __init__(self, path: Path) -> None:
        """Look into it.

        Raises:
            UnusableData: there is no such file, or not such arrays in it.
        """
        self._path = path
        self.name = f"npz:{path.name}"
        if not path.is_file():
            raise UnusableData(
                f"there is no file {path}: numpy.savez_compressed({str(path)!r}, x_train=…, y_train=…, x_test=…, y_test=…) makes one"
            )
        names = self._read("files")
        if missing := [name for name in ARRAYS if name not in names]:
            raise UnusableData(
                f"{path} has no array {missing[0]}: it must have {', '.join(ARRAYS)}, and has {', '.join(names)}"
            )
        self.mirrors = bool(self._read("mirrors")) if "mirrors" in names else self.training().shape[0] == 3

    def training(self) -> Part:
        """Of ``x_train`` and ``y_train``."""
        return self._part("train")

    def test(self) -> Part:
        """Of ``x_test`` and ``y_test``."""
        return self._part("test")

    def _part(self, which: str) -> Part:
        images, labels = self._read(f"x_{which}"), self._read(f"y_{which}")
        if images.dtype != np.uint8 or images.ndim not in {3, 4}:
            raise UnusableData(
                f"x_{which} of {self._path} must be images N x H x W x C of u8, and is {images.dtype} of {images.shape}: "
                "floats from 0 to 1 become (255 * x).astype('uint8')"
            )
        if images.ndim == 3:
            images = images[..., None]
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise UnusableData(
                f"y_{which} of {self._path} must be {len(images)} whole numbers, one an image, and is {labels.dtype} of {labels.shape}"
            )
        return Part(
            torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))),
            torch.from_numpy(labels.astype(np.int64)),
        )

    def _read(self, name: str) -> Any:
        """An array, or the names of all."""
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return list(arrays.files) if name == "files" else arrays[name]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
            raise UnusableData(
                f"{self._path} cannot be read as an npz without pickled objects, it may be cut short: {error}"
            ) from error
