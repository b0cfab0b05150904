"""Files of what is known of a table's architectures beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bonanza.errors import BonanzaError
from bonanza.spaces import space_from_spec
from bonanza_server.bench.features import read

POOL = space_from_spec(
    {
        "kind": "pool",
        "of": {"kind": "nasbench201"},
        "architectures": [{"edges": ["skip_connect"] * 6}, {"edges": ["none"] * 6}],
    }
)
KNOWN = {"architecture": {"edges": ["skip_connect"] * 6}, "features": {"a": 1}}
ELSEWHERE = {"architecture": {"edges": ["nor_conv_3x3"] * 6}, "features": {"a": 2}}


def written(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


def test_architectures_of_the_table_are_read_and_later_lines_go_before_earlier_ones(tmp_path: Path) -> None:
    file = written(tmp_path / "f.jsonl", KNOWN, ELSEWHERE, KNOWN | {"features": {"a": 3, "b": 4}})
    found = read(file, POOL)
    [(arch_id, architecture, values)] = found.cells
    assert (arch_id, values) == (POOL.validate(architecture).arch_id, {"a": 3.0, "b": 4.0})
    other = read(written(tmp_path / "f.jsonl", KNOWN), POOL)
    assert other.label != found.label, "another content is another benchmark"


@pytest.mark.parametrize(
    "line",
    [{"architecture": 3}, [], KNOWN | {"features": {}}, KNOWN | {"features": {"a": True}}, KNOWN | {"features": {"a": "1"}},
     KNOWN | {"features": {"a": float("nan")}}, KNOWN | {"features": {"a": float("inf")}}],
)  # fmt: skip
def test_a_line_that_is_none_of_features_is_named(line: object, tmp_path: Path) -> None:
    with pytest.raises(BonanzaError, match="line 2: "):
        read(written(tmp_path / "f.jsonl", KNOWN, line), POOL)


def test_a_file_that_says_nothing_of_the_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BonanzaError, match="no architecture of the table"):
        read(written(tmp_path / "f.jsonl", ELSEWHERE), POOL)
    with pytest.raises(BonanzaError, match="cannot read"):
        read(tmp_path / "nothing.jsonl", POOL)
