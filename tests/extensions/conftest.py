"""A distribution of somebody else's: the strategy of the README, a surrogate, a space, an evaluator, and entry points to them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SURROGATE = '''
import numpy as np

class Flat:
    """Expects the mean of what was measured, everywhere."""

    def fit(self, architectures, targets, rng):
        self.mean = float(np.mean(targets))
        return self

    def predict(self, architectures):
        return np.full(len(architectures), self.mean), np.ones(len(architectures))
'''

SPACE = '''
from functools import lru_cache

from bonanza.spaces import InvalidSpace, Kind, space_kind
from bonanza.spaces.edge_cell import EdgeCell

class Rings(EdgeCell):
    """Four nodes."""

    kind = "rings"

    def spec(self):
        return {"kind": self.kind}

    def __reduce__(self):
        return made, (type(self), self.nodes, self.ops, self.zero_op, self.identity_op)

    def __hash__(self):
        return hash((self.kind, self.ops))

class Beside(Rings):
    kind = "rings_space:BESIDE"

class Wrong(Rings):
    kind = "rings_space:WRONG"

    def __reduce__(self):
        return type(self), (self.nodes, self.ops, self.zero_op, self.identity_op)

@lru_cache
def made(kind, *arguments):
    return kind(*arguments)

def kind_of(space):
    def parse(spec):
        if set(spec) != {"kind"}:
            raise InvalidSpace("", "has nothing to set")
        return made(space, 4, ("none", "skip_connect", "conv"), "none", "skip_connect")

    schema = {"type": "object", "properties": {"kind": {"const": space.kind}}, "required": ["kind"]}
    cells = space_kind("edge_cell").architecture_schema
    return Kind(space.kind, "Four nodes.", {"kind": space.kind}, schema, cells, parse)

KIND, BESIDE, WRONG = kind_of(Rings), kind_of(Beside), kind_of(Wrong)
'''

EVALUATOR = '''
from bonanza.worker.result import Result

class Counting:
    """Counts convolutions."""

    grace_s = 0.0

    def __init__(self, factor="1"):
        self.factor = float(factor)

    def check(self, space):
        pass

    def evaluate(self, architecture, trial):
        return Result.of(self.factor * architecture.json["edges"].count("conv"))
'''

ENTRY_POINTS = """
[bonanza.strategies]
nearest = nearest:Nearest
broken = nearest_that_is_not_there:Nearest
function = nearest:parts

[bonanza.surrogates]
flat = flat:Flat

[bonanza.spaces]
rings = rings_space:KIND
misnamed = rings_space:KIND

[bonanza.evaluators]
counting = counting:Counting
"""


def readme_strategy() -> str:
    """The code of the README's own strategy, as it stands there."""
    found = re.search(
        r"```python\n(\"\"\"nearest\.py.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert found is not None
    return found[1]


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the modules and no entry points."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "nearest.py").write_text(readme_strategy(), encoding="utf-8")
    for name, text in (("flat", SURROGATE), ("rings_space", SPACE), ("counting", EVALUATOR)):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def distribution(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, installed: as pip leaves it, with its metadata beside it."""
    folder = tmp_path_factory.mktemp("site")
    for module in modules.glob("*.py"):
        (folder / module.name).write_text(module.read_text(encoding="utf-8"), encoding="utf-8")
    info = folder / "mylab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    return folder


@pytest.fixture
def installed(distribution: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The distribution on this process's path, and on that of processes it starts."""
    yield from on_path(distribution, monkeypatch)


@pytest.fixture
def beside(modules: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The bare modules likewise; none of them may be named yet."""
    yield from on_path(modules, monkeypatch)


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """``folder`` at the front of the path, and its modules forgotten afterwards."""
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("BONANZA_MODULES", raising=False)
    yield folder
    for module in folder.glob("*.py"):
        sys.modules.pop(module.stem, None)
