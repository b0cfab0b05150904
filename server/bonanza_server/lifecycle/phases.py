"""The phases of a study: a random baseline before the search, and the best cells trained again after it.

All are served by the same ask. The k-th cell of the baseline is a function of the study's seed and k alone, an independent draw from the space: one
that the study has already is measured again rather than drawn anew, which would bend the sample away from what was found. The search ends
when its share of the budget is used and nothing of it runs any more; which cells are confirmed is then for the model to say (``choose``), from
everything measured, so that a single lucky value does not decide.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from bonanza.schemas import Confirm, ConfirmRequest
from bonanza_server.errors import Refused
from bonanza_server.lifecycle.ledger import Ledger, Row
from bonanza_server.lifecycle.steer import add_pending

Chosen = list[tuple[int, float, float | None]]
"""(first trial of the cell, posterior mean, std) of cells, the best first."""


def baseline(study: Row) -> dict[str, Any] | None:
    """What the study says of its baseline."""
    return (study["phases"] or {}).get("baseline")


def confirm(study: Row) -> dict[str, Any] | None:
    """What the study says of its confirmation."""
    return (study["phases"] or {}).get("confirm")


def baseline_is_due(study: Row) -> bool:
    """Whether cells of the baseline are still to be drawn."""
    wanted = baseline(study)
    return wanted is not None and study["baselines"] < wanted["cells"]


def confirm_is_due(study: Row) -> bool:
    """Whether cells are still to be confirmed, once the search has ended."""
    return confirm(study) is not None and study["confirmations"] == 0


def kept_back(study: Row) -> int:
    """Trials of the budget that the search must leave."""
    wanted = confirm(study)
    return wanted["top"] * wanted["seeds"] if wanted is not None and study["confirmations"] == 0 else 0


def current(study: Row) -> str:
    """The phase that the next ask is given, unless it gets a trial that waits."""
    if study["search_state"] != "open":
        return "confirm"
    return "baseline" if baseline_is_due(study) else "search"


def draws_of(study: Row) -> random.Random:
    """The generator of the baseline's next cell."""
    return random.Random(f"{study['seed']}/{study['baselines']}/baseline")


def end_search(ledger: Ledger, why: str) -> None:
    """No cell is proposed any more, and those to confirm are to be chosen."""
    ledger.study["search_state"] = "over"
    ledger.record("search.ended", why=why)


def end_by_hand(ledger: Ledger, request: ConfirmRequest) -> None:
    """Confirm now, whatever of the budget is left.

    Raises:
        Refused: nothing was measured yet, the cells are being chosen already, or the budget has no room for them.
    """
    study = ledger.study
    if study["search_state"] == "over":
        raise Refused("conflict", f"the cells of study {study['name']!r} to confirm are being chosen: ask for them")
    if study["complete"] == 0:
        raise Refused("conflict", f"study {study['name']!r} has no result yet: there is nothing to confirm")
    wanted = Confirm.model_validate((confirm(study) or {}) | request.model_dump(exclude_none=True))
    room = None if study["budget"]["max_trials"] is None else study["budget"]["max_trials"] - study["started"]
    if room is not None and room < wanted.trials:
        raise Refused(
            "conflict",
            f"{wanted.trials} trials are to confirm, and the budget leaves {max(0, room)}: PATCH the study with a larger "
            "max_trials, or confirm fewer cells",
        )
    phases = (study["phases"] or {"baseline": None}) | {"confirm": wanted.model_dump(mode="json")}
    if phases != study["phases"]:
        study.update(phases=phases, revision=study["revision"] + 1)
        ledger.record("study.changed", phases=phases)
    end_search(ledger, "person")


def choose(ledger: Ledger, ranked: Chosen, *, read: int, by: str, sources: Sequence[dict[str, Any]] = ()) -> list[Row]:
    """Queue the training runs that confirm the first cells of ``ranked``, which is from the history up to event ``read``, and from ``sources``."""
    study = ledger.study
    wanted = confirm(study)
    assert wanted is not None, "a search ends for the sake of what it declared"
    chosen = ranked[: wanted["top"]]
    study["search_state"] = "confirmed"
    facts: dict[str, Any] = {"read": read, "by": by}
    if sources:
        facts["sources"] = [{"study": source["study"], "read": source["seq"]} for source in sources]
    cells = [{"number": number, "mean": mean, "std": std} for number, mean, std in chosen]
    ledger.record("confirm.chosen", **facts, cells=cells)
    made = []
    # Seed by seed, not cell by cell: whoever stops early has measured every cell equally often.
    for k in range(wanted["seeds"]):
        for number, _, _ in chosen:
            first = ledger.trial(number)
            seed = None if wanted["first_seed"] is None else wanted["first_seed"] + k
            row = add_pending(
                ledger,
                first["architecture"],
                first["arch_id"],
                origin="confirm",
                phase="confirm",
                repeat_of=number,
                tags=[],
                seed=seed,
            )
            assert row is not None, "the unique index does not bind repeats"
            study["confirmations"] += 1
            made.append(row)
    return made
