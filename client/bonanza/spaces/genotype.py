"""The genotype: how the DARTS repository and its many descendants write a pair of cells.

``Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), reduce=[...], reduce_concat=range(2, 6))``,
Python source of a named tuple (quark0/darts cnn/genotypes.py; printed by its search, pasted into its training). A cell
is a list of (op, source), two for each intermediate node; sources 0 and 1 are the cell's inputs, k + 2 is intermediate
node k. The concat lists the nodes whose values, side by side, are the cell's output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bonanza.spaces.base import InvalidArchitecture
from bonanza.spaces.fields import show

LONGEST = 10_000
"""Characters of a text; a pair of cells of four nodes has some 600, with a line and a deep indentation a pair 2,000."""


class Genotype(NamedTuple):
    """The pair of cells as the original has it; ``repr`` is its official text."""

    normal: Sequence[tuple[str, int]]
    normal_concat: Sequence[int]
    reduce: Sequence[tuple[str, int]]
    reduce_concat: Sequence[int]


def parse_genotype(text: str) -> Genotype:
    """The genotype of its text, of any op names, sources and sizes: what they may be is for the space to say.

    The usual spellings are one: either quotes, any white space, a comma after the last item, lists or tuples, the
    concat as a list or as a ``range``, the fields in any order, ``NAME =`` in front. Nothing is evaluated, and there is
    no nesting to follow.

    Raises:
        InvalidArchitecture: the text is in another form; the message says where.
    """
    if len(text) > LONGEST:
        raise InvalidArchitecture("", f"a genotype has up to {LONGEST:,} characters, not {len(text):,}")
    if "Genotype" not in text:
        raise InvalidArchitecture(
            "", f"a genotype reads Genotype(normal=[('sep_conv_3x3', 1), ...], ...), not {show(text)}"
        )
    return _Reader(text).genotype()


_TOKEN = re.compile(
    r"""[ \t\r\n]*
    (?: (?P<name>[A-Za-z_]\w*)
      | '(?P<single>[^'\\\r\n]*)'
      | "(?P<double>[^"\\\r\n]*)"
      | (?P<number>0|[1-9][0-9]{0,8})
      | (?P<mark>[=,()\[\]])
      | \Z
    )""",
    re.VERBOSE | re.ASCII,
)
_CLOSING = {"(": ")", "[": "]"}


class _Reader:
    """A cursor over the text: each method reads one thing of the grammar and stops behind it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = self._end = 0
        self._kind: str | None = None
        self._value = ""
        self._advance()

    def genotype(self) -> Genotype:
        if self._kind == "name" and self._value != "Genotype":
            self._advance()
            self._mark("=", "= or Genotype(...)")
        self._call("Genotype", "Genotype(...)")
        cells: dict[str, list[tuple[str, int]]] = {}
        concats: dict[str, Sequence[int]] = {}
        for _ in self._items("a field"):
            field = self._take("name", "a field")
            if field not in Genotype._fields or field in cells or field in concats:
                raise InvalidArchitecture(
                    "", f"the fields of a genotype are {', '.join(Genotype._fields)}, each once; not {show(field)}"
                )
            self._mark("=", f"= after {field}")
            if field.endswith("_concat"):
                concats[field] = self._concat()
            else:
                cells[field] = [self._pair() for _ in self._items("a list of (op, source)")]
        if self._kind is not None:
            raise self._refusal("the end")
        missing = [field for field in Genotype._fields if field not in cells and field not in concats]
        if missing:
            raise InvalidArchitecture("", f"the genotype lacks {', '.join(missing)}")
        return Genotype(cells["normal"], concats["normal_concat"], cells["reduce"], concats["reduce_concat"])

    def _pair(self) -> tuple[str, int]:
        closing = self._open("(op, source)")
        op = self._take("string", "an op in quotes")
        self._mark(",", "a comma after the op")
        source = self._number("the source's number")
        if self._at(","):
            self._advance()
        self._mark(closing, f"{closing} after the source")
        return op, source

    def _concat(self) -> Sequence[int]:
        if self._kind != "name":
            return [self._number("a node's number") for _ in self._items("a list of nodes or range(...)")]
        self._call("range", "a list of nodes or range(...)")
        bounds = [self._number("a node's number") for _ in self._items("a bound")]
        if not 1 <= len(bounds) <= 2:
            raise InvalidArchitecture("", f"a concat's range has one or two bounds, not {len(bounds)}")
        return range(*bounds)

    def _call(self, name: str, wanted: str) -> None:
        """Read a name; the reader stands at the bracket behind it, which is round."""
        if self._kind != "name" or self._value != name:
            raise self._refusal(wanted)
        self._advance()
        if not self._at("("):
            raise self._refusal(f"( after {name}")

    def _items(self, wanted: str) -> Iterator[None]:
        """Step through a bracketed list: the reader stands at an item at each step, behind the bracket at the end."""
        closing = self._open(wanted)
        while not self._at(closing):
            yield
            if self._at(","):
                self._advance()
            elif not self._at(closing):
                raise self._refusal(f", or {closing}")
        self._advance()

    def _open(self, wanted: str) -> str:
        """Read an opening bracket; its closing one."""
        if not self._at("(", "["):
            raise self._refusal(wanted)
        closing = _CLOSING[self._value]
        self._advance()
        return closing

    def _number(self, wanted: str) -> int:
        return int(self._take("number", wanted))

    def _at(self, *marks: str) -> bool:
        return self._kind == "mark" and self._value in marks

    def _mark(self, mark: str, wanted: str) -> None:
        if not self._at(mark):
            raise self._refusal(wanted)
        self._advance()

    def _take(self, kind: str, wanted: str) -> str:
        if self._kind != kind:
            raise self._refusal(wanted)
        value = self._value
        self._advance()
        return value

    def _advance(self) -> None:
        match = _TOKEN.match(self._text, self._end)
        if match is None:
            self._start = self._end
            raise self._refusal("a name, a number, an op in quotes or one of =,()[]")
        self._start, self._end = match.start(), match.end()
        kind = match.lastgroup
        self._value = match[kind] if kind else ""
        self._kind = "string" if kind in {"single", "double"} else kind

    def _refusal(self, wanted: str) -> InvalidArchitecture:
        rest = self._text[self._start :].lstrip()
        return InvalidArchitecture(
            "",
            f"the genotype has {show(rest[:20]) if rest else 'its end'} "
            f"at character {len(self._text) - len(rest)}, where {wanted} should be",
        )
