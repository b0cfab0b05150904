"""Text for language models, a whole number a token: Penn Treebank, WikiText-2, or files of your own.

A line ends with ``<eos>``, as every publication on these has it. The vocabulary is that of all three parts, in the order of first occurrence, so that no
token is unknown; PTB and WikiText-2 come with ``<unk>`` in place of rare words.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch import Tensor

from bonanza.worker.data.place import UnusableData

PARTS: Final = ("train", "valid", "test")
END: Final = "<eos>"


class Published(NamedTuple):
    """How a published text is recognised: tokens of each part with the ends of lines, and the vocabulary."""

    files: str
    tokens: tuple[int, int, int]
    vocabulary: int
    from_where: str


PUBLISHED: Final = {
    "ptb": Published(
        "ptb.{}.txt",
        (929_589, 73_760, 82_430),
        10_000,
        "Mikolov's simple-examples.tgz (http://www.fit.vutbr.cz/~imikolov/rnnlm/)",
    ),
    "wikitext2": Published(
        "wiki.{}.tokens",
        (2_088_628, 217_646, 245_569),
        33_278,
        "Merity's wikitext-2-v1.zip (the WikiText dataset, word level)",
    ),
}


@dataclass(frozen=True)
class Corpus:
    """Tokens of each part, (n,) int64; the test part is for the last word on a network that has been chosen."""

    name: str
    tokens: int
    train: Tensor
    valid: Tensor
    test: Tensor
    fingerprint: str


def read_corpus(kind: str, folder: Path) -> Corpus:
    """Read the three files of ``ptb``, ``wikitext2``, or ``text`` (``train.txt``, ``valid.txt``, ``test.txt``).

    Raises:
        UnusableData: a file is missing, or the text is not the published one.
    """
    published = PUBLISHED.get(kind)
    pattern = "{}.txt" if published is None else published.files
    paths = [folder / pattern.format(part) for part in PARTS]
    for path in paths:
        if not path.is_file():
            source = (
                f"get {published.from_where} and"
                if published
                else "write one sentence a line, words apart by blanks, and"
            )
            raise UnusableData(
                f"{kind} needs {path}, which is not there: {source} put {', '.join(p.name for p in paths)} into {folder}"
            )
    ids: dict[str, int] = {}
    parts: list[Tensor] = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError) as error:
            raise UnusableData(f"{path} cannot be read as UTF-8 text: {error}") from error
        if lines[-1] == "":
            del lines[-1]  # what follows the last end of line is no line
        parts.append(
            torch.tensor(
                [ids.setdefault(word, len(ids)) for line in lines for word in [*line.split(), END]], dtype=torch.int64
            )
        )
        if not len(parts[-1]):
            raise UnusableData(f"{path} is empty")
    found = tuple(len(part) for part in parts)
    if published is not None and (found != published.tokens or len(ids) != published.vocabulary):
        raise UnusableData(
            f"the text in {folder} is not the published {kind}: it has {found} tokens of a vocabulary of {len(ids)}, instead of {published.tokens} "
            f"of {published.vocabulary}. Get it again from {published.from_where}, or name it text:{folder}"
        )
    digest = hashlib.blake2b(parts[0].numpy().tobytes(), digest_size=8).hexdigest()
    train, valid, test = parts
    return Corpus(kind, len(ids), train, valid, test, digest)
