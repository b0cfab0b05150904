"""A report as Markdown: for a terminal, a pull request, an appendix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bonanza.schemas.report import Report, Sample, TransferSource

MARK = {"yes": "yes", "no": "**no**", "not enough data": "not enough data"}


def markdown(report: Report) -> str:
    """The whole report."""
    return "\n".join(_lines(report)) + "\n"


def spread(sample: Sample, digits: int = 2) -> str:
    """Mean ± deviation (n)."""
    deviation = "" if sample.std is None else f" ± {sample.std:.{digits}f}"
    return f"{sample.mean:.{digits}f}{deviation} (n = {sample.n})"


def headline(report: Report) -> str:
    """The report in one sentence."""
    ri = report.relative_improvement
    if ri is not None:
        bounds = "" if ri.interval is None else f" (95 % from {ri.interval.low:+.2f} to {ri.interval.high:+.2f})"
        return f"RI {ri.value:+.2f} %{bounds} over random architectures: {spread(ri.searched)} against {spread(ri.random)}."
    if report.recommended is not None:
        return f"Best so far {report.recommended.mean:.2f} (trial {report.recommended.number}); not yet compared with random architectures."
    return "No result yet."


def _lines(report: Report) -> Iterator[str]:
    yield f"# {report.study}"
    yield ""
    yield headline(report)
    if report.description:
        yield ""
        yield report.description
    yield ""
    yield from _facts(report)
    if report.relative_improvement is not None:
        yield ""
        yield report.relative_improvement.note + "."
    if len(report.protocols) > 1:
        yield ""
        yield "## Protocols side by side"
        yield ""
        rows = [
            (
                protocol.hash or "none",
                "study's" if protocol.study else "of single trials",
                ", ".join(protocol.tricks) or "none",
                protocol.epoch or "?",
                spread(protocol.values),
                "–" if protocol.shared is None else spread(protocol.shared),
            )
            for protocol in report.protocols
        ]
        yield table(("protocol", "whose", "tricks", "epoch", "all its cells", "the cells of all"), rows)
    yield ""
    yield "## Checklist (Yang et al. 2020, section 6)"
    yield ""
    yield table(
        ("question", "answer", "evidence"), [(one.question, MARK[one.answer], one.evidence) for one in report.checklist]
    )
    if report.missing:
        yield ""
        yield "## What is missing"
        yield ""
        yield from (f"- **{one.part}**: {one.reason}." for one in report.missing)
    yield ""
    yield "## To repeat it"
    yield ""
    yield "```bibtex"
    yield report.reproducibility.citation
    yield "```"


def _facts(report: Report) -> Iterator[str]:
    rows: list[tuple[str, str]] = [
        ("trials", ", ".join(f"{n} {state}" for state, n in report.trials.items() if n) or "none")
    ]
    rows.append(("strategy", str(report.strategy.get("name"))))
    chosen, seeds, depth, smooth = report.recommended, report.seeds, report.depth, report.smoothing
    if chosen is not None:
        interval = (
            "" if chosen.low is None or chosen.high is None else f", 95 % from {chosen.low:.2f} to {chosen.high:.2f}"
        )
        how = f"confirmed with {len(chosen.confirm_values)} seeds" if chosen.confirmed else "not confirmed"
        rows.append(("recommended", f"trial {chosen.number}: {chosen.mean:.2f}{interval}; {how}"))
        rows.append(("luckiest single value", f"trial {chosen.luckiest_number}: {chosen.luckiest_value:.2f}"))
    if report.random_sample is not None:
        sample = report.random_sample
        rows.append(("random architectures", f"{spread(sample)}, from {sample.min:.2f} to {sample.max:.2f}"))
    if seeds is not None:
        rows.append(
            (
                "seed to seed",
                f"Kendall's tau {_or_dash(seeds.kendall_tau)}, {seeds.cells} cells, mean change {seeds.mean_change:.2f}, largest {seeds.max_change:.2f}",
            )
        )
    if depth is not None:
        rows.append(
            (
                f"{depth.first} to {depth.second}",
                f"Kendall's tau {_or_dash(depth.kendall_tau)}, {depth.cells} cells, up to {depth.most_places} places",
            )
        )
    if smooth is not None:
        rows.append(("best step against last", f"{spread(smooth.best_step)} against {spread(smooth.last_step)}"))
    if report.surrogate is not None:
        surrogate = report.surrogate
        covered = ", ".join(f"{one.covered:.0%} in {one.level:.0%}" for one in surrogate.calibration)
        rows.append(
            ("surrogate", f"tau {_or_dash(surrogate.kendall_tau)} over {surrogate.predictions} predictions; {covered}")
        )
    if report.transfer is not None:
        transfer = report.transfer
        found = f"{_or_dash(transfer.rank_correlation)}, without {_or_dash(transfer.rank_correlation_without)}"
        rows.append(("other studies", f"{', '.join(map(source_text, transfer.sources))}; rank correlation {found}"))
    if report.cost is not None:
        cost = report.cost
        rows.append(
            (
                "hours of training",
                f"search {cost.search_hours:.2f}, baseline {cost.baseline_hours:.2f}, confirmation {cost.confirm_hours:.2f}, other {cost.other_hours:.2f}, failed {cost.failed_hours:.2f}; by the clock {cost.wall_hours:.2f}",
            )
        )
    yield table(("", ""), rows)


def source_text(source: TransferSource) -> str:
    """Name, cells and correlation."""
    how = "" if source.correlation is None else f", correlation {source.correlation:.2f}"
    return f"{source.study} ({source.cells} cells{how}{', not used' if source.correlation == 0.0 else ''})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
