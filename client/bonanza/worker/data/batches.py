"""CIFAR-10, CIFAR-100 and ImageNet16-120 from their official pickled batches, each checked against its published MD5.

An archive is read as it is, an unpacked one from its folder. A pickle can run code as it is read: nothing but arrays is let through, and nothing is
unpickled whose checksum is not the published one.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from bonanza.worker.data.images import Part
from bonanza.worker.data.place import UnusableData, check_md5

LETTERS: Final = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}


@dataclass(frozen=True)
class Batches:
    """A data set in pickled batches: which files it has, with their checksums, and how large it is."""

    name: str
    folder: Path
    train: tuple[tuple[str, str], ...]
    tests: tuple[tuple[str, str], ...]
    labels: str
    """The key of the labels in a batch."""
    side: int
    classes: int
    from_where: str
    within: str = ""
    """The folder within the archive."""
    archive: tuple[str, str] | None = None
    first_label: int = 0
    mirrors: bool = True

    def training(self) -> Part:
        """The images of the training batches, in their order.

        Raises:
            UnusableData: a file is missing or not the published one.
        """
        return self._part(self.train)

    def test(self) -> Part:
        """The images of the test batch.

        Raises:
            UnusableData: a file is missing or not the published one.
        """
        return self._part(self.tests)

    def _part(self, files: tuple[tuple[str, str], ...]) -> Part:
        found = [self._images(name, _unpickled(raw, name)) for name, raw in self._raw(files)]
        images, labels = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        chosen = labels < self.classes
        return Part(torch.from_numpy(images[chosen]), torch.from_numpy(labels[chosen]))

    def _images(self, name: str, batch: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        try:
            images = np.asarray(batch["data"]).reshape(-1, 3, self.side, self.side)
            labels = np.asarray(batch[self.labels], dtype=np.int64) - self.first_label
        except (KeyError, TypeError, ValueError) as error:
            raise UnusableData(
                f"{name} of {self.name} holds no images of 3 x {self.side} x {self.side} with {self.labels}: {error}"
            ) from error
        if images.dtype != np.uint8 or len(images) != len(labels):
            raise UnusableData(
                f"{name} of {self.name} holds {len(images)} images of {images.dtype} and {len(labels)} labels"
            )
        return images, labels

    def _raw(self, files: tuple[tuple[str, str], ...]) -> list[tuple[str, bytes]]:
        """The files' bytes, from the folder or from the archive, once their checksums are right."""
        for folder in (self.folder, self.folder / self.within):
            if all((folder / name).is_file() for name, _ in files):
                for name, md5 in files:
                    check_md5(folder / name, md5)
                return [(name, (folder / name).read_bytes()) for name, _ in files]
        if self.archive is None or (archive := self._archive(self.archive[0])) is None:
            raise UnusableData(self._missing(files))
        check_md5(archive, self.archive[1])
        try:
            with tarfile.open(archive) as tar:
                return [(name, _member(tar, f"{self.within}/{name}")) for name, _ in files]
        except (OSError, tarfile.TarError, KeyError) as error:
            raise UnusableData(f"{archive} cannot be unpacked: {error}") from error

    def _archive(self, name: str) -> Path | None:
        return next((path for path in (self.folder, self.folder / name) if path.is_file()), None)

    def _missing(self, files: tuple[tuple[str, str], ...]) -> str:
        wanted = files[0][0] if self.archive is None else self.archive[0]
        unpacked = "" if self.archive is None else f", or unpacked there as {self.within}/{files[0][0]} and so on"
        there = self.folder if self.folder.suffix != ".gz" else self.folder.parent
        return f"{self.name} is not in {self.folder}: get {wanted} from {self.from_where} and put it there as {there / wanted}{unpacked}"


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


class _Arrays(pickle.Unpickler):
    """Reads arrays and plain values, and nothing that could act."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in LETTERS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no array")
        return super().find_class(module, name)


def _unpickled(raw: bytes, name: str) -> Any:
    try:
        return _Arrays(io.BytesIO(raw), encoding="latin1").load()  # written by Python 2
    except Exception as error:
        raise UnusableData(f"{name} cannot be read: {error}") from error


def cifar10(folder: Path) -> Batches:
    """CIFAR-10: 50,000 images of 32 x 32 in 10 classes to learn from, 10,000 to test (Krizhevsky 2009)."""
    return Batches(
        name="cifar10",
        folder=folder,
        archive=("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
        within="cifar-10-batches-py",
        train=(
            ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
            ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
            ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
            ("data_batch_4", "634d18415352ddfa80567beed471001a"),
            ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
        ),
        tests=(("test_batch", "40351d587109b95175f43aff81a1287e"),),
        labels="labels",
        side=32,
        classes=10,
        from_where="https://www.cs.toronto.edu/~kriz/cifar.html",
    )


def cifar100(folder: Path) -> Batches:
    """CIFAR-100: as many in 100 classes (the fine labels)."""
    return Batches(
        name="cifar100",
        folder=folder,
        archive=("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),
        within="cifar-100-python",
        train=(("train", "16019d7e3df5f24257cddd939b257f8d"),),
        tests=(("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),),
        labels="fine_labels",
        side=32,
        classes=100,
        from_where="https://www.cs.toronto.edu/~kriz/cifar.html",
    )


def imagenet16(folder: Path) -> Batches:
    """ImageNet16-120: 151,700 images of 16 x 16 in the first 120 classes, 6,000 to test (Chrabaszcz et al. 2017; Dong and Yang 2020)."""
    return Batches(
        name="imagenet16-120",
        folder=folder,
        train=(
            ("train_data_batch_1", "27846dcaa50de8e21a7d1a35f30f0e91"),
            ("train_data_batch_2", "c7254a054e0e795c69120a5727050e3f"),
            ("train_data_batch_3", "4333d3df2e5ffb114b05d2ffc19b1e87"),
            ("train_data_batch_4", "1620cdf193304f4a92677b695d70d10f"),
            ("train_data_batch_5", "348b3c2fdbb3940c4e9e834affd3b18d"),
            ("train_data_batch_6", "6e765307c242a1b3d7d5ef9139b48945"),
            ("train_data_batch_7", "564926d8cbf8fc4818ba23d2faac7564"),
            ("train_data_batch_8", "f4755871f718ccb653440b9dd0ebac66"),
            ("train_data_batch_9", "bb6dd660c38c58552125b1a92f86b5d4"),
            ("train_data_batch_10", "8f03f34ac4b42271a294f91bf480f29b"),
        ),
        tests=(("val_data", "3410e3017fdaefba8d5073aaa65e4bd6"),),
        labels="labels",
        side=16,
        classes=120,
        first_label=1,
        from_where="https://image-net.org/download-images (the 16 x 16 images, as ImageNet16 of NAS-Bench-201 has them)",
    )
