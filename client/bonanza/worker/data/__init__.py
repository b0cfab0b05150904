"""Data sets for training, from local files; one file a family.

A text names one::

    digits                     scikit-learn's, embedded
    npz:FILE                   x_train, y_train, x_test, y_test: images N x H x W x C, u8
    cifar10:DIR  cifar100:DIR  the official archives for Python, or what is in them
    imagenet16-120:DIR         the official pickled batches
    folder:DIR                 DIR/train/CLASS/*.jpg and DIR/test/CLASS/*.jpg, or DIR/CLASS/*.jpg
    ptb:DIR  wikitext2:DIR     the official texts, or text:DIR of your own

Without ``:DIR`` a data set is looked for in a folder of its name within ``BONANZA_DATA``. Nothing is downloaded: what is missing is told
with where to get it and where to put it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bonanza.spaces.kind import nearest_name
from bonanza.worker.data.place import UnusableData, place

if TYPE_CHECKING:
    from bonanza.worker.data.images import Source
    from bonanza.worker.data.text import Corpus

IMAGES: Final = ("digits", "npz", "cifar10", "cifar100", "imagenet16-120", "folder")
TEXTS: Final = ("ptb", "wikitext2", "text")
EXAMPLES: Final = (
    "digits, npz:FILE, cifar10:DIR, cifar100:DIR, imagenet16-120:DIR, folder:DIR, ptb:DIR, wikitext2:DIR or text:DIR"
)


def is_text(name: str) -> bool:
    """Whether a data set is text, for language models.

    Raises:
        UnusableData: there is no data set of that name.
    """
    kind = name.partition(":")[0]
    if kind in IMAGES + TEXTS:
        return kind in TEXTS
    near = nearest_name(kind, IMAGES + TEXTS)
    meant = "" if near is None else f"; did you mean {near!r}?"
    raise UnusableData(f"there is no data set {kind!r} to train on: write {EXAMPLES}{meant}")


def image_source(name: str, *, image_size: int = 0) -> Source:
    """The images that a text names; read when they are asked for.

    Raises:
        UnusableData: there are none of that name, or not where they should be.
    """
    is_text(name)
    kind, _, where = name.partition(":")
    if kind == "digits":
        from bonanza.worker.data.digits import Digits

        return Digits()
    if kind == "npz":
        from bonanza.worker.data.npz import Npz

        return Npz(place(kind, where))
    if kind == "folder":
        from bonanza.worker.data.folder import Folder

        return Folder(place(kind, where), image_size=image_size)
    from bonanza.worker.data import batches

    known: dict[str, Callable[..., Source]] = {
        "cifar10": batches.cifar10,
        "cifar100": batches.cifar100,
        "imagenet16-120": batches.imagenet16,
    }
    return known[kind](place(kind, where))


def corpus(name: str) -> Corpus:
    """The text that a text names.

    Raises:
        UnusableData: there is none of that name, or not where it should be.
    """
    is_text(name)
    from bonanza.worker.data.text import read_corpus

    kind, _, where = name.partition(":")
    return read_corpus(kind, place(kind, where))
