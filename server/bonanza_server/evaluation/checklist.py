"""What the paper asks of a publication (Yang et al. 2020, section 6), each question answered from the data: yes, no, or not enough data."""

from __future__ import annotations

from collections.abc import Iterator

from bonanza.schemas.report import Answered, Report

ENOUGH = 8
"""Random architectures that the paper samples."""

YES, NO, UNKNOWN = "yes", "no", "not enough data"


def checklist(report: Report) -> list[Answered]:
    """The questions, in the paper's order."""
    return [Answered.model_validate({"question": q, "answer": a, "evidence": e}) for q, a, e in _answers(report)]


def _answers(report: Report) -> Iterator[tuple[str, str, str]]:
    random, ri = report.random_sample, report.relative_improvement
    yield (
        "Is the search compared with architectures sampled at random from the same space and trained in the same way?",
        NO if random is None else YES if random.n >= ENOUGH else UNKNOWN,
        "no random sample" if random is None else f"{random.n} random cells; the paper takes {ENOUGH}",
    )
    yield (
        "Is the spread of the space known, as mean and deviation of random architectures?",
        NO if random is None or random.std is None else YES if random.n >= ENOUGH else UNKNOWN,
        "no random sample"
        if random is None or random.std is None
        else f"{random.mean:.2f} ± {random.std:.2f}, from {random.min:.2f} to {random.max:.2f}",
    )
    if ri is None or ri.interval is None:
        yield (
            "Is the search better than random sampling by more than chance?",
            UNKNOWN,
            "no interval of RI: see what is missing",
        )
    else:
        low, high = ri.interval.low, ri.interval.high
        yield (
            "Is the search better than random sampling by more than chance?",
            YES if low > 0 else NO,
            f"RI {ri.value:+.2f} %, 95 % from {low:+.2f} to {high:+.2f}",
        )
    yield _several_seeds(report)
    seeds = report.seeds
    yield (
        "Is it known how much the training seed changes the ranking?",
        NO if seeds is None else YES,
        "no cell was trained twice"
        if seeds is None
        else f"Kendall's tau {_number(seeds.kendall_tau)} over {seeds.cells} cells, mean change {seeds.mean_change:.2f}",
    )
    yield _tricks(report)
    depth = report.depth
    yield (
        "Is it known how much the depth of the network changes the ranking?",
        NO if depth is None else YES,
        "no cells at two depths: repeat some with a protocol of other cells"
        if depth is None
        else f"tau {_number(depth.kendall_tau)} from {depth.first} to {depth.second}, {depth.cells} cells",
    )
    yield (
        "Is it shown on several data sets?",
        UNKNOWN,
        "a study is of one data set: bonanza evaluate runs the same on several",
    )
    yield _epoch(report)
    yield (
        "Is the training protocol recorded?",
        NO if report.reproducibility.protocol_hash is None else YES,
        "the study has no protocol"
        if report.reproducibility.protocol_hash is None
        else f"protocol {report.reproducibility.protocol_hash}",
    )
    yield (
        "Are seeds, versions and history recorded, so that another can repeat it?",
        YES,
        f"seed {report.reproducibility.seed}, history of {report.reproducibility.events} events, bonanza {report.reproducibility.bonanza}",
    )
    cost = report.cost
    trained = cost.search_hours if cost else 0.0
    yield "Is the cost of the search known?", YES if trained > 0 else NO, f"{trained:.2f} hours of training"
    yield (
        "Is the cost of tuning the hyper-parameters known?",
        NO if cost is None or cost.tuning_hours is None else YES,
        "the protocol has no tuning_hours"
        if cost is None or cost.tuning_hours is None
        else f"{cost.tuning_hours:.1f} hours",
    )


def _several_seeds(report: Report) -> tuple[str, str, str]:
    question = "Is the final result averaged over several training seeds?"
    chosen = report.recommended
    if chosen is None:
        return question, UNKNOWN, "no result yet"
    if not chosen.confirmed:
        return question, NO, "the recommended cell was not confirmed: POST …/confirm"
    seeds = len(chosen.confirm_values)
    return question, YES if seeds > 1 else NO, f"trial {chosen.number} was trained again with {seeds} seeds"


def _tricks(report: Report) -> tuple[str, str, str]:
    question = "Are results reported with and without training tricks?"
    on = [bool(protocol.tricks) for protocol in report.protocols if protocol.protocol is not None]
    if not on:
        return question, UNKNOWN, "no protocol says what it does"
    if True in on and False in on:
        return question, YES, f"{len(on)} protocols, {sum(on)} of them with tricks"
    return question, NO, "all with tricks" if on[0] else "none with tricks: repeat the best by a protocol that has them"


def _epoch(report: Report) -> tuple[str, str, str]:
    question = "Is the accuracy that of the last epoch, and not of the best?"
    epochs = {protocol.epoch for protocol in report.protocols}
    if not epochs or epochs == {None}:
        return question, UNKNOWN, 'no protocol says: "objective": "last" or "best"'
    if "best" in epochs:
        return question, NO, "the best epoch is a maximum of noisy values, and flatters"
    return question, YES, "the protocol tells the last epoch's"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
