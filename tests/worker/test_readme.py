"""The commands of README's chapter on workers, read by the real command line: the unit of systemd, the script for Slurm, the rest."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from bonanza.cli import app

README = (Path(__file__).parents[2] / "README.md").read_text()


def chapter() -> str:
    return README.partition("\n## Workers\n")[2].partition("\n## ")[0]


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", chapter(), re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def options(words: list[str]) -> dict[str, Any]:
    """What ``bonanza worker`` makes of the words after its name."""
    command: Any = typer.main.get_command(app)
    given: dict[str, Any] = command.commands["worker"].make_context("worker", words).params
    return given


def test_the_unit_of_systemd_starts_a_worker_that_keeps_its_name() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read_string(block("ini"))
    program, name, *words = shlex.split(unit["Service"]["ExecStart"])
    assert (Path(program).name, name) == ("bonanza", "worker")
    given = options(words)
    assert (given["study"], given["gpus"], given["worker_id"]) == ("cifar10-cells", "all", "%H")
    assert unit["Service"]["Restart"] == "on-failure"
    # The daemon ends its trainings itself, and is given the time.
    assert unit["Service"]["KillMode"] == "mixed"
    assert int(unit["Service"]["TimeoutStopSec"]) > 60


def test_the_script_for_slurm_is_a_shell_s_and_starts_a_worker() -> None:
    script = block("bash")
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    directives = [line.split(maxsplit=1)[1] for line in script.splitlines() if line.startswith("#SBATCH")]
    assert "--signal=B:TERM@120" in directives  # B: the batch script alone, which the worker has become
    [line] = [line for line in script.splitlines() if "bonanza worker" in line]
    execs, program, name, *words = shlex.split(line)
    assert (execs, program, name) == ("exec", "bonanza", "worker")
    given = options(words)
    assert (given["gpus"], given["idle_exit"]) == ("all", 600.0)
    assert "$SLURM_ARRAY_TASK_ID" in given["worker_id"]


def test_every_command_for_a_worker_is_one_that_the_command_line_takes() -> None:
    commands = re.findall(r"(?:\$ |`)bonanza worker ([^`\n|]*)", README)
    assert len(commands) >= 3
    for line in commands:
        words = shlex.split(line, comments=True)
        if words[0] == "status":
            continue
        assert options(words)["study"] == "cifar10-cells"


@pytest.mark.parametrize(
    "option", ["--gpus", "--per-gpu", "--slots", "--once", "--drain", "--idle-exit", "--max-trials"]
)
def test_the_options_that_the_chapter_tells_of_exist(option: str) -> None:
    assert option in chapter()
    command: Any = typer.main.get_command(app)
    assert option in {name for parameter in command.commands["worker"].params for name in parameter.opts}
