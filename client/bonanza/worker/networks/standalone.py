"""A network's code by itself: what of our own source its class needs, and the values it is made of, in one file.

The file imports torch and nothing else. Definitions are copied as they stand, with their docstrings, what is needed first; of a table by
name, such as that of the ops, only the rows that the values name.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from torch import nn

from bonanza.version import __version__

OURS = "bonanza."
WIDTH = 110
"""Columns of a value before it is broken into lines."""


HEAD = '''"""{title}.

Written by Bonanza {version}; it needs PyTorch and nothing else. ``network()`` has fresh weights; those of a training have the same names in
its ``state_dict``, and are loaded with ``load_state_dict``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def network() -> {network}:
    """The network."""
    return {network}(
{arguments}    )'''
TAIL = """if __name__ == "__main__":
    built = network()
    print(built)
    print(f"{sum(weights.numel() for weights in built.parameters()):,} parameters")
"""


def standalone(network: type[nn.Module], arguments: Mapping[str, Any], title: str) -> str:
    """The file's text. Its ``network()`` is ``network(**arguments)``; ``title`` is a line without quotes and backslashes.

    The values come first: they are what a reader wants to see.
    """
    gathered = _Gathered(set(_strings(dict(arguments))))
    gathered.add(network.__name__, network.__module__)
    values = "".join(f"        {name}={literal(value, 8)},\n" for name, value in arguments.items())
    head = HEAD.format(title=title, version=__version__, network=network.__name__, arguments=values)
    return "\n\n\n".join([head, *gathered.code.values(), TAIL])


def literal(value: Any, indent: int) -> str:
    """The Python of a plain value; a list or a dictionary that is too long for the line has a line for each item."""
    if isinstance(value, str):
        return f'"{value}"' if re.fullmatch(r"[\w .~|+-]*", value, re.ASCII) else repr(value)
    if not isinstance(value, list | tuple | dict):
        return repr(value)
    inner = indent + 4
    if isinstance(value, dict):
        opening, closing = "{", "}"
        items = [f"{literal(key, inner)}: {literal(item, inner)}" for key, item in value.items()]
    else:
        opening, closing = "()" if isinstance(value, tuple) else "[]"
        items = [literal(item, inner) for item in value]
    line = opening + ", ".join(items) + ("," if isinstance(value, tuple) and len(items) == 1 else "") + closing
    if len(line) + indent <= WIDTH and "\n" not in line:
        return line
    return opening + "".join(f"\n{' ' * inner}{item}," for item in items) + f"\n{' ' * indent}{closing}"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


class _Module(NamedTuple):
    """A module of ours: its source, its definitions by name, and where the names that it imports are defined."""

    source: str
    definitions: dict[str, ast.stmt]
    documents: dict[str, ast.stmt]
    """The strings behind assignments, which say what these are."""
    imports: dict[str, str]


@lru_cache(maxsize=32)
def _read(name: str) -> _Module:
    source = inspect.getsource(importlib.import_module(name))
    found = _Module(source, {}, {}, {})
    before: str | None = None
    for node in ast.parse(source).body:
        defined: str | None = None
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                defined = node.name
            case ast.Assign(targets=[ast.Name() as target]) | ast.AnnAssign(target=ast.Name() as target):
                defined = target.id
            case ast.Expr(value=ast.Constant(value=str())) if before is not None:
                found.documents[before] = node
            case ast.ImportFrom(module=str() as origin):
                found.imports.update(dict.fromkeys([alias.asname or alias.name for alias in node.names], origin))
            case ast.Import():
                found.imports.update({alias.asname or alias.name: alias.name for alias in node.names})
            case _:
                pass
        if defined is not None:
            found.definitions[defined] = node
        before = defined
    return found


class _Gathered:
    """Definitions and all that they need, each once, what is needed first."""

    def __init__(self, named: set[str]) -> None:
        self.code: dict[str, str] = {}
        self._named = named
        self._begun: dict[str, str] = {}

    def add(self, name: str, module: str) -> None:
        """The definition of ``name`` in ``module``, or where that has it from."""
        read = _read(module)
        if name in read.imports:
            origin = read.imports[name]
            if origin.startswith(OURS):
                self.add(name, origin)
            elif origin.partition(".")[0] != "torch":
                raise AssertionError(f"{module} needs {origin}, and a network may need torch only")
            return
        if self._begun.setdefault(name, module) != module:
            raise AssertionError(f"{name} is of {module} and of {self._begun[name]}: one file cannot have both")
        if name in self.code:
            return
        node = read.definitions[name]
        rows = self._rows(node)
        self.code[name] = ""  # begun: who needs itself is not followed round and round
        for part in [node] if rows is None else [item for _, item in rows]:
            for used in _names(part):
                if used in read.imports or used in read.definitions:
                    self.add(used, module)
        del self.code[name]  # put behind what it needs
        parts = [_text(read, node)]
        if rows is not None:
            table = "".join(f"    {_text(read, key)}: {_text(read, item)},\n" for key, item in rows)
            parts = [f"{name} = {{\n{table}}}"]
        if name in read.documents:
            parts.append(_text(read, read.documents[name]))
        self.code[name] = "\n".join(parts)

    def _rows(self, node: ast.stmt) -> list[tuple[ast.expr, ast.expr]] | None:
        """The rows that are named of a table by name; None if it is no such table."""
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if not isinstance(value, ast.Dict):
            return None
        rows = zip(value.keys, value.values, strict=True)
        return [(key, item) for key, item in rows if isinstance(key, ast.Constant) and key.value in self._named]


def _text(read: _Module, node: ast.stmt | ast.expr) -> str:
    text = ast.get_source_segment(read.source, node)
    assert text is not None, "parsed from this source"
    return text


def _names(node: ast.AST) -> list[str]:
    return [found.id for found in ast.walk(node) if isinstance(found, ast.Name)]
