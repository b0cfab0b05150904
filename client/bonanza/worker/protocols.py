"""The protocols that have a name, and the ways to write one down.

::

    proxy                                as it is
    proxy:epochs=3,channels=4            with some fields changed
    base+A+D+C                           DARTS' training with some of its tricks
    {"name": "proxy", "epochs": 3}       the same in a study

Where a publication says nothing, or we do otherwise, the entry says so. One deviation holds for all: the rate falls with every step, not with
every epoch, and what is left of an epoch's order after its last whole batch is left out of that epoch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from bonanza.spaces.kind import nearest_name
from bonanza.worker.data import TEXTS
from bonanza.worker.protocol import RESERVED, InvalidProtocol, LanguageProtocol, Protocol, Recipe

DIGITS: Final = Protocol(
    name="digits",
    epochs=6,
    batch=32,
    learning_rate=0.01,
    weight_decay=5e-4,
    channels=4,
    cells=1,
    precision="float32",
    validation=0.25,
)
"""A laptop's, for scikit-learn's digits: about a second on one core, and so short that cells differ. With 8 channels and a rate of 0.1 nearly every
cell reaches 97 to 98 %, and a search would rank noise.
"""

PROXY: Final = Protocol(
    name="proxy",
    epochs=12,
    batch=64,
    learning_rate=0.1,
    weight_decay=5e-4,
    warmup_epochs=0,
    channels=8,
    cells=1,
    crop=2,
    flip=True,
)
"""Cheap, to rank cells by: NAS-Bench-201's 12 epochs (``hp=12``) with half the channels, a fifth of the cells and a quarter of the batch."""

PROXY_DARTS: Final = replace(PROXY, name="proxy-darts", cells=5, learning_rate=0.05)
"""The same for spaces whose cells are counted in all, two of them reductions."""

NASBENCH201: Final = Protocol(
    name="nasbench201",
    epochs=200,
    batch=256,
    learning_rate=0.1,
    weight_decay=5e-4,
    channels=16,
    cells=5,
    crop=4,
    flip=True,
    validation=0.5,
)
"""Dong and Yang 2020, table 1: CIFAR-10 halved at random, crop of 4, flip. Theirs is one fixed half, and CIFAR-100 and ImageNet16-120 are validated
on half of the test set there, which no search may see here.
"""

NASBENCH101: Final = Protocol(
    name="nasbench101",
    optimiser="rmsprop",
    epochs=108,
    batch=256,
    learning_rate=0.2,
    weight_decay=1e-4,
    channels=128,
    cells=3,
    crop=4,
    flip=True,
    validation=0.2,
)
"""Ying et al. 2019, appendix: 40,000 images to train and 10,000 to validate. RMSProp with decay 0.9 and epsilon 1 (which torch adds after the square
root, TensorFlow before) at a rate of 0.1 for each of two shards.
"""

DARTS_SEARCH: Final = Protocol(
    name="darts-search",
    epochs=50,
    batch=64,
    learning_rate=0.025,
    final_learning_rate=0.001,
    weight_decay=3e-4,
    clip=5.0,
    channels=16,
    cells=8,
    crop=4,
    flip=True,
    validation=0.5,
)
"""Yang et al. 2020, table 2, column DARTS, stage S: how a cell alone is trained while one searches, half of the images to validate."""

BASE: Final = Protocol(
    name="base",
    epochs=600,
    batch=96,
    learning_rate=0.025,
    weight_decay=3e-4,
    clip=5.0,
    channels=36,
    cells=20,
    crop=4,
    flip=True,
    fit="train+validation",
    test=True,
)
"""Yang et al. 2020, section 4.1 and table 2, stage A, "with all tricks disabled"; trained on training and validation images, measured on the test
part. To search with it: ``base:fit=train,test=false``. Nesterov's momentum, where the DARTS repository has plain momentum.
"""

TRICKS: Final[dict[str, dict[str, Any]]] = {
    "A": {"auxiliary": 0.4},
    "D": {"drop_path": 0.2},
    "C": {"cutout": 16},
    "AA": {"auto_augment": True},
    "50C": {"channels": 50},
    "1500E": {"epochs": 1500},
}
"""Each trick of Yang et al. 2020 by itself, to be added to ``base`` in any order: auxiliary tower, drop-path, cutout, auto-augment, 50 channels,
1,500 epochs.
"""

DARTS_FULL: Final = replace(BASE, name="darts-full", auxiliary=0.4, drop_path=0.2, cutout=16)
"""How DARTS trains what it found; the same training, and so the same hash, as ``base+A+D+C``."""

LANGUAGE: Final = LanguageProtocol(
    name="language",
    epochs=50,
    batch=20,
    steps=35,
    learning_rate=20.0,
    weight_decay=1e-6,
    clip=0.25,
    width=600,
    layers=1,
    words=0.1,
    embedded=0.4,
    hidden=0.25,
    outputs=0.4,
)
"""A recurrent cell on PTB or WikiText-2, 50 epochs as NAS-Bench-NLP has them, with its 600 units; its averaged SGD is plain SGD here."""

LANGUAGE_PROXY: Final = replace(
    LANGUAGE, name="language-proxy", epochs=3, width=64, words=0.0, embedded=0.1, hidden=0.0, outputs=0.1
)
"""Minutes on a laptop."""

PROTOCOLS: Final[dict[str, Recipe]] = {
    protocol.name: protocol
    for protocol in (
        DIGITS,
        PROXY,
        PROXY_DARTS,
        NASBENCH201,
        NASBENCH101,
        DARTS_SEARCH,
        BASE,
        DARTS_FULL,
        LANGUAGE,
        LANGUAGE_PROXY,
    )
}


def named(name: str) -> Recipe:
    """The protocol of a name, tricks included.

    Raises:
        InvalidProtocol: there is none; the message has the nearest.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    first, *tricks = name.split("+")
    if first == "base" and tricks:
        found: Protocol = BASE
        for trick in tricks:
            if trick not in TRICKS:
                raise InvalidProtocol(f"{name!r} has no trick {trick!r} to add to base: there are {', '.join(TRICKS)}")
            found = replace(found, **TRICKS[trick])
        return replace(found, name="+".join(["base", *(trick for trick in TRICKS if trick in tricks)]))
    near = nearest_name(name, PROTOCOLS)
    meant = "" if near is None else f"did you mean {near!r}? "
    raise InvalidProtocol(
        f"there is no protocol {name!r}: {meant}There are {', '.join(PROTOCOLS)}, and base with +{' +'.join(TRICKS)}"
    )


def for_data(data: str) -> Recipe:
    """The protocol where none is said: ``digits`` for digits, ``language`` for text, ``proxy`` for the rest."""
    kind = data.partition(":")[0]
    return LANGUAGE if kind in TEXTS else DIGITS if kind == "digits" else PROXY


def from_text(text: str) -> Recipe:
    """The protocol that a command line names.

    Raises:
        InvalidProtocol: there is none.
    """
    name, _, changes = text.partition(":")
    by: dict[str, Any] = {}
    for change in filter(None, (part.strip() for part in changes.split(","))):
        field, equals, value = change.partition("=")
        if not equals:
            raise InvalidProtocol(f"{change!r} changes no field of a protocol: write {name}:epochs=3,batch=64")
        try:
            by[field.strip()] = json.loads(value)
        except ValueError:
            by[field.strip()] = value.strip()
    return named(name.strip()).changed(by)


def from_json(spec: Mapping[str, Any] | None, default: Recipe) -> Recipe:
    """The protocol that a study records, or ``default`` with its changes where it names none.

    Raises:
        InvalidProtocol: there is no such protocol.
    """
    if spec is None:
        return default
    name = spec.get("name", default.name)
    if not isinstance(name, str):
        raise InvalidProtocol(f"the name of a protocol is a text, not {name!r}")
    found = named(name)
    return found.changed({**spec, "name": found.name})


def to_json(protocol: Recipe) -> dict[str, Any]:
    """The protocol as a study records it: its name, its version and what it changes of what is named so."""
    standard = named(protocol.name)
    changes = {name: value for name, value in asdict(protocol).items() if value != getattr(standard, name)}
    return {"name": protocol.name, "version": protocol.version, **changes}


def pinned(spec: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What a new study records of the protocol it was given: with the version that its name has now, so that it keeps its meaning."""
    if spec is None or "version" in spec or (found := _known(spec)) is None:
        return None if spec is None else dict(spec)
    return {**spec, "version": found.version}


def protocol_hash(spec: Mapping[str, Any]) -> str:
    """The hash of what a study records: of the training, where it is one of ours; its own ``hash``, or that of its JSON, where it is a user's."""
    if isinstance(own := spec.get("hash"), str):
        return own
    if (found := _known(spec)) is not None:
        return found.hash
    values = {name: value for name, value in spec.items() if name not in RESERVED}
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def _known(spec: Mapping[str, Any]) -> Recipe | None:
    if not isinstance(name := spec.get("name"), str):
        return None
    try:
        found = named(name)
        return found.changed({**spec, "name": found.name})
    except InvalidProtocol:
        return None
