"""Genotypes as people write them, and as nobody should; Python itself says what a text means."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonanza.spaces import InvalidArchitecture
from bonanza.spaces.genotype import LONGEST, Genotype, parse_genotype
from tests.strategies import generators

SHORT = Genotype([("max", 1), ("none", 0)], range(2, 6), [("a", 10)], [2, 3])

INDENTED = """Genotype(
  normal = [
    ('max', 1),
    ('none', 0),
  ],
  normal_concat = range(2, 6),\r
\treduce = [('a', 10,),],
  reduce_concat = [2, 3,],
)
"""


@pytest.mark.parametrize(
    "text",
    [
        repr(SHORT),
        "Genotype(normal=[('max', 1), ('none', 0)], normal_concat=range(2, 6), reduce=[('a', 10)], reduce_concat=[2, 3])",
        'Genotype(normal=[("max",1),("none",0)],normal_concat=range(2,6),reduce=[("a",10)],reduce_concat=[2,3])',
        INDENTED,
        "Genotype(normal=(('max', 1), ['none', 0]), normal_concat=range(2, 6), reduce=[['a', 10]], reduce_concat=(2, 3))",
        "Genotype(reduce_concat=[2, 3], reduce=[('a', 10)], normal_concat=range(2, 6), normal=[('max', 1), ('none', 0)])",
        f"  DARTS_V2 = {SHORT}",
    ],
)
def test_the_usual_spellings_are_one_genotype(text: str) -> None:
    found = parse_genotype(text)
    assert [list(field) for field in found] == [list(field) for field in SHORT]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", 'not ""'),
        ("Genotyp(normal=[])", "a genotype reads Genotype(normal=[('sep_conv_3x3', 1), ...], ...)"),
        ("Genotype", "its end at character 8, where ( after Genotype"),
        ("Genotype[normal=[]]", "where ( after Genotype"),
        ("Genotype()", "lacks normal, normal_concat, reduce, reduce_concat"),
        ("Genotype(normal=[]", "its end at character 18, where , or ) should be"),
        ("Genotype(normal=[], normal=[])", 'each once; not "normal"'),
        ("Genotype(cell=[])", 'not "cell"'),
        ("Genotype([], [], [], [])", "where a field should be"),
        ("Genotype(normal=[('a', 1) ('b', 0)])", "at character 26, where , or ] should be"),
        ("Genotype(normal=[(a, 1)])", "where an op in quotes should be"),
        ("Genotype(normal=[('a', '1')])", "where the source's number should be"),
        ("Genotype(normal=[('a', -1)])", "at character 23"),
        ("Genotype(normal=[('a', 01)])", "where ) after the source should be"),
        ("Genotype(normal=[('a', 1])", "where ) after the source should be"),
        ("Genotype(normal=[('a\\x27', 1)])", "at character 18"),
        ("Genotype(normal=[('a', 1, 2)])", "where ) after the source should be"),
        ("Genotype(normal_concat=range(2, 6, 1))", "one or two bounds, not 3"),
        ("Genotype(normal_concat=range())", "one or two bounds, not 0"),
        ("Genotype(normal_concat=list(range(2, 6)))", "where a list of nodes or range(...) should be"),
        (f"{SHORT} + 1", "where a name, a number"),
        (f"{SHORT} {SHORT}", "where the end should be"),
        ("a = b = Genotype()", "where Genotype(...) should be"),
        ("__import__('os').system('true') or Genotype()", "where = or Genotype(...) should be"),
        ("Genotype" + "(" * 9_000, "where a field should be"),
        ("Genotype(normal=" + "[" * 9_000, "where an op in quotes should be"),
        (" " * 9_000 + "Genotype\ud800", "at character 9008"),
        ("Genotype(normal=[('a', " + "9" * 5_000, "where ) after the source should be"),
        ("Genotype" + " " * LONGEST, "up to 10,000 characters, not 10,008"),
    ],
)
def test_another_form_is_refused_and_the_place_named(text: str, says: str) -> None:
    start = time.process_time()
    with pytest.raises(InvalidArchitecture) as refusal:
        parse_genotype(text)
    assert refusal.value.pointer == ""
    assert says in refusal.value.message
    assert len(refusal.value.message.encode()) < 300
    assert time.process_time() - start < 0.5


PIECES = st.lists(
    st.sampled_from([*"()[],='\"0 1\n", "range", "Genotype", "normal", "'a'", "reduce_concat"]), max_size=4
)


@settings(deadline=None, max_examples=300)
@given(rng=generators(), pieces=PIECES)
def test_an_edited_genotype_is_refused_or_means_what_python_says(rng: random.Random, pieces: list[str]) -> None:
    text = repr(SHORT)
    start = rng.randrange(len(text))
    edited = text[:start] + "".join(pieces) + text[start + rng.choice([0, 1, 4, 30]) :]
    try:
        found = parse_genotype(edited)
    except InvalidArchitecture:
        return
    meant: Any = eval(edited, {"Genotype": Genotype, "range": range})
    assert [list(field) for field in found] == [list(field) for field in meant]
