"""The contracts that ship, run by an author: on the README's strategy and on a space that breaks its promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

AUTHOR = """
import pytest
from bonanza_server.search.contract import StrategyContract
from nearest import Nearest


class TestNearest(StrategyContract):
    @pytest.fixture(scope="class")
    def strategy(self):
        return Nearest()
"""

SPACES = """
from bonanza.spaces.contract import SpaceContract


class TestRings(SpaceContract):
    spec = {"kind": "rings_space:BESIDE"}
    accepts_text = True


class TestWrong(SpaceContract):
    spec = {"kind": "rings_space:WRONG"}
    accepts_text = True
"""


def run(text: str, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "test_author.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_author.py", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)


def test_the_strategy_of_the_readme_holds_the_contract(beside: Path, tmp_path: Path) -> None:
    ran = run(AUTHOR, tmp_path, "-k", "exactly_n or used_up or minimising or in_json or name")
    assert ran.returncode == 0, ran.stdout
    assert "5 passed" in ran.stdout


def test_a_promise_that_a_space_breaks_is_shown_with_its_values(
    beside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BONANZA_MODULES", "rings_space")
    ran = run(SPACES, tmp_path, "-k", "travels or spec_makes")
    failed = [line for line in ran.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1, ran.stdout
    assert "TestWrong::test_an_architecture_travels_between_processes" in failed[0]
    assert "1 failed, 3 passed" in ran.stdout
    assert "+  where " in ran.stdout  # the values: it is rewritten, though it is the package's
