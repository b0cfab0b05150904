"""Images in folders, one a class, as SPORT8, MIT67 and FLOWERS102 come or are easily put; needs pillow.

``DIR/train/CLASS/*`` and ``DIR/test/CLASS/*``; or ``DIR/CLASS/*`` with the lists ``TrainImages.txt`` and ``TestImages.txt`` of MIT67, or without, and
then one in five of each class is the test part, always the same. An image is scaled so that its shorter side is ``image_size``, and
cropped to the square in its middle. They are decoded once, when the worker starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch

from bonanza.worker.data.images import Part
from bonanza.worker.data.place import UnusableData
from bonanza.worker.data.split import split

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"})
DEFAULT_SIZE: Final = 224
TEST_SHARE: Final = 0.2

Labelled = tuple[Path, int]


class Folder:
    """The images of a folder of folders."""

    mirrors = True

    def __init__(self, folder: Path, *, image_size: int = 0) -> None:
        """Look for them.

        Args:
            folder: see the module's docstring.
            image_size: a side of the square in pixels; 0 is 224.

        Raises:
            UnusableData: pillow is missing, or there are no images.
        """
        try:
            import PIL.Image  # noqa: F401 found out before a worker asks for a trial
        except ModuleNotFoundError as error:
            raise UnusableData(
                "images in folders need pillow, which is not installed: pip install 'bonanza[images]'"
            ) from error
        self.name = f"folder:{folder.name}"
        self._size = image_size or DEFAULT_SIZE
        if not folder.is_dir():
            raise UnusableData(
                f"there is no folder {folder}: put one folder a class with its images into {folder}/train and {folder}/test"
            )
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            names = _classes(folder / "train")
            self._training, self._test = (_listed(folder / part, names) for part in ("train", "test"))
        else:
            inner = folder / "Images" if (folder / "Images").is_dir() else folder
            names = _classes(inner)
            lists = [folder / f"{part}Images.txt" for part in ("Train", "Test")]
            if all(path.is_file() for path in lists):
                self._training, self._test = (_from_list(path, inner, names) for path in lists)
            else:
                everything = _listed(inner, names)
                learn, test = split([label for _, label in everything], (1 - TEST_SHARE, TEST_SHARE), 0)
                self._training, self._test = ([everything[i] for i in part] for part in (learn, test))

    def training(self) -> Part:
        """Decode what a search may see.

        Raises:
            UnusableData: an image cannot be decoded.
        """
        return self._decoded(self._training)

    def test(self) -> Part:
        """Decode what it may not.

        Raises:
            UnusableData: an image cannot be decoded.
        """
        return self._decoded(self._test)

    def _decoded(self, files: list[Labelled]) -> Part:
        images = torch.empty(len(files), 3, self._size, self._size, dtype=torch.uint8)
        for n, (path, _) in enumerate(files):
            images[n] = torch.from_numpy(_square(path, self._size).transpose(2, 0, 1).copy())
        return Part(images, torch.tensor([label for _, label in files], dtype=torch.int64))


def _square(path: Path, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BILINEAR))
    except (OSError, ValueError, SyntaxError) as error:
        raise UnusableData(f"{path} cannot be decoded: {error}. Delete it or get it again") from error


def _classes(folder: Path) -> list[str]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    if not names:
        raise UnusableData(f"{folder} has no folders: one a class is needed, with its images in it")
    return names


def _listed(folder: Path, names: list[str]) -> list[Labelled]:
    if strange := [name for name in _classes(folder) if name not in names]:
        raise UnusableData(f"{folder} has the class {strange[0]}, which has no folder among the training images")
    files = [
        (path, label)
        for label, name in enumerate(names)
        for path in (sorted((folder / name).iterdir()) if (folder / name).is_dir() else [])
        if path.suffix.lower() in SUFFIXES
    ]
    if not files:
        raise UnusableData(f"{folder} has no images ({', '.join(sorted(SUFFIXES))}) in its folders")
    return files


def _from_list(path: Path, folder: Path, names: list[str]) -> list[Labelled]:
    """The files of a list of ``class/file``, one a line."""
    files = []
    for line in filter(
        None, (text.strip() for text in path.read_text(encoding="utf-8", errors="replace").splitlines())
    ):
        name = line.partition("/")[0]
        if name not in names or not (folder / line).is_file():
            raise UnusableData(f"{path} lists {line}, and there is no {folder / line}")
        files.append((folder / line, names.index(name)))
    if not files:
        raise UnusableData(f"{path} lists no image")
    return files
