"""What other studies' results did to a study: read off the diagnostics of its newest fit, which was made with them and without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bonanza.schemas.report import Transfer, TransferSource


def transfer_effect(fits: Sequence[dict[str, Any]]) -> Transfer | None:
    """Of ``fits`` in the order they were made; None where none of them read another study.

    ``bonanza`` compares predictions of each result from all others and ``bonas`` those of later results from earlier ones: each with its own
    model from scratch, and the two are not to be compared with each other.
    """
    made = next((fit["diagnostics"] for fit in reversed(fits) if fit["diagnostics"].get("sources")), None)
    if made is None:
        return None
    correlations: dict[str, float] = made.get("correlations", {})
    sources = [
        TransferSource(study=study, cells=cells, correlation=correlations.get(study))
        for study, cells in made["sources"].items()
    ]
    if "pretrained" in made:
        judged = made["foresight"] or {"pretrained": {}, "scratch": {}}
        used, given, without = made["pretrained"], judged["pretrained"], judged["scratch"]
        found = given.get("rank_correlation"), without.get("rank_correlation")
    else:
        used = any(correlations.values())
        found = made["left_out_rank_correlation"], made["left_out_without_sources"]
    return Transfer(sources=sources, used=used, rank_correlation=found[0], rank_correlation_without=found[1])
