"""The outcomes of a benchmark on the disk: JSON lines, one a search, so that what is finished is not run again.

A line is complete or it is not there: a run that is killed while it writes leaves half a line, which is dropped when it goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bonanza_server.bench.contestant import Contestant
from bonanza_server.bench.race import Outcome, Terms

FILE = "runs.jsonl"
OUTCOME = frozenset(field.name for field in fields(Outcome))
SAID = frozenset({"outcome", "versions", "within"})
"""Members of a line that are no part of what was run; the last is of lines before targets were read from the regrets."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is run: everything that an outcome depends on besides the code."""

    table: str
    contestant: Contestant
    seed: int
    terms: Terms

    @property
    def key(self) -> str:
        """Equal for equal searches, in every process."""
        return json.dumps(self.json, sort_keys=True)

    @property
    def json(self) -> dict[str, Any]:
        """What a line says of the search."""
        terms = self.terms
        return {
            "table": self.table,
            "contestant": self.contestant.label,
            "spec": dict(self.contestant.spec),
            "peer": self.contestant.peer,
            "seed": self.seed,
            "trials": terms.trials,
            "cap": terms.cap if terms.mean else None,
            "workers": terms.workers,
            "noise": "mean" if terms.mean else "seed",
            **({"confirm": asdict(terms.confirm)} if terms.confirm else {}),
            **({"through_server": True} if terms.through_server else {}),
            **({"features": terms.features} if terms.features else {}),
        }


class Results:
    """The outcomes in a folder, by search. One process writes them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self._outcomes: dict[str, Outcome] = {}
        whole = 0
        if self.path.exists():
            with self.path.open("rb") as lines:
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    whole += len(line)
                    entry = json.loads(line)
                    known = {name: value for name, value in entry["outcome"].items() if name in OUTCOME}
                    self._outcomes[_key(entry)] = Outcome(**known)
            os.truncate(self.path, whole)

    def get(self, search: Search) -> Outcome | None:
        """The outcome of ``search``, None if it has not been run."""
        return self._outcomes.get(search.key)

    def add(self, search: Search, outcome: Outcome, versions: Mapping[str, str]) -> None:
        """Keep an outcome, here and on the disk."""
        line = json.dumps({**search.json, "outcome": outcome.json, "versions": dict(versions)}, sort_keys=True) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
        self._outcomes[search.key] = outcome


def _key(entry: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in entry.items() if name not in SAID}, sort_keys=True)
