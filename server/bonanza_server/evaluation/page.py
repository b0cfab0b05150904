"""A report as one HTML file: nothing is fetched, nothing is run, it opens from a disk and prints on paper, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files

from bonanza.schemas.report import Answered, RankingChange, Report
from bonanza_server.evaluation.chart import Chart
from bonanza_server.evaluation.markdown import headline, source_text, spread

MARKS = {"yes": ("yes", "✓"), "no": ("no", "✗"), "not enough data": ("unknown", "?")}


def page(report: Report) -> str:
    """The whole page."""
    style = (files("bonanza_server.evaluation") / "page.css").read_text(encoding="utf-8")
    title = escape(report.study)
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{title} · Bonanza report</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<style>{style}</style></head><body><main>{''.join(_body(report))}</main></body></html>\n"
    )


def _body(report: Report) -> Iterator[str]:
    done = report.trials.get("complete", 0)
    yield (
        f"<header><p class='over'>Bonanza report</p><h1>{escape(report.study)}</h1><p class='lead'>{escape(headline(report))}</p>"
        f"<p class='sub'>{escape(str(report.strategy.get('name')))} on {escape(str(report.space.get('kind')))}, "
        f"{report.direction} {escape(report.objective)} · {done} results · {report.made_at:%d %B %Y, %H:%M} UTC</p></header>"
    )
    yield "<section class='tiles'>" + "".join(_tiles(report)) + "</section>"
    charts = list(_charts(report))
    if charts:
        yield "<section class='charts'>" + "".join(charts) + "</section>"
    yield _checklist(report.checklist)
    if len(report.protocols) > 1:
        yield _protocols(report)
    if report.missing:
        items = "".join(f"<li><b>{escape(one.part)}</b> {escape(one.reason)}</li>" for one in report.missing)
        yield f"<section><h2>What is missing</h2><ul class='missing'>{items}</ul></section>"
    yield _repeat(report)


def _tile(label: str, value: str, note: str = "", kind: str = "") -> str:
    return f"<div class='tile {kind}'><p>{escape(label)}</p><strong>{escape(value)}</strong><small>{escape(note)}</small></div>"


def _tiles(report: Report) -> Iterator[str]:
    ri, chosen, random, cost = report.relative_improvement, report.recommended, report.random_sample, report.cost
    if ri is not None:
        note = "" if ri.interval is None else f"95 % from {ri.interval.low:+.2f} to {ri.interval.high:+.2f}"
        good = "good" if ri.interval is not None and ri.interval.low > 0 else ""
        yield _tile("Relative improvement", f"{ri.value:+.2f} %", note, good)
    else:
        yield _tile("Relative improvement", "–", "see what is missing")
    if chosen is not None:
        bounds = "" if chosen.low is None or chosen.high is None else f"95 % from {chosen.low:.2f} to {chosen.high:.2f}"
        how = (
            f"trial {chosen.number}, {chosen.count} measurements"
            if chosen.confirmed
            else f"trial {chosen.number}, not confirmed"
        )
        yield _tile("Recommended", f"{chosen.mean:.2f}", f"{how}. {bounds}".rstrip(". "))
    if random is not None:
        spread_ = "" if random.std is None else f"± {random.std:.2f}, "
        yield _tile("Random architectures", f"{random.mean:.2f}", f"{spread_}{random.n} cells")
    if report.seeds is not None and report.seeds.kendall_tau is not None:
        yield _tile(
            "Seed to seed",
            f"τ {report.seeds.kendall_tau:.2f}",
            f"{report.seeds.cells} cells, mean change {report.seeds.mean_change:.2f}",
        )
    if report.transfer is not None:
        found, without = (
            "–" if one is None else f"{one:.2f}"
            for one in (report.transfer.rank_correlation, report.transfer.rank_correlation_without)
        )
        told = ", ".join(source_text(source) for source in report.transfer.sources)
        yield _tile("Rank correlation with other studies", found, f"without {without}; {told}")
    total = 0.0
    if cost is not None:
        total = cost.search_hours + cost.baseline_hours + cost.confirm_hours + cost.other_hours + cost.failed_hours
    if cost is not None and total > 0:
        yield _tile(
            "Training",
            f"{total:.1f} h" if total >= 0.1 else f"{total * 3600:.0f} s",
            f"search {cost.search_hours:.2f}, failed {cost.failed_hours:.2f}",
        )


def _charts(report: Report) -> Iterator[str]:
    curve, random, smooth, surrogate = report.curve, report.random_sample, report.smoothing, report.surrogate
    name = report.objective
    if curve is not None and len(curve.trials) > 1:
        known = [value for value in curve.random if value is not None]
        # What random search reaches after its first few draws says nothing, and would flatten the rest.
        shown = curve.best[min(3, len(curve.best) - 1) :] + known[min(3, len(known)) :]
        span = (min(shown), max(shown))
        for xs, label in (
            (curve.trials, "trials"),
            (curve.hours, "hours of training"),
            (curve.wall_hours, "hours by the clock"),
        ):
            if label != "trials" and xs[-1] <= 0:
                continue
            chart = Chart((0, max(xs)), span, x_label=label, y_label=f"best {name}", title=f"Best so far by {label}")
            clipped = [(float(x), y if span[0] <= y <= span[1] else None) for x, y in zip(xs, curve.best, strict=True)]
            if curve.random:
                chart.line(
                    [
                        (float(x), y if y is not None and span[0] <= y <= span[1] else None)
                        for x, y in zip(xs, curve.random, strict=True)
                    ],
                    "s2 dashed",
                    "random search, expected",
                )
            chart.line(clipped, "s1", "this study", step=True)
            if report.recommended is not None and span[0] <= report.recommended.mean <= span[1]:
                chart.level(report.recommended.mean, "s3 dotted", "recommended, posterior mean")
            yield chart.svg()
    if random is not None and random.n > 2:
        bins = random.histogram
        low, high = bins.edges[0], bins.edges[-1]
        if report.recommended is not None:
            low, high = min(low, report.recommended.mean), max(high, report.recommended.mean)
        chart = Chart(
            (low, high), (0, max(bins.counts)), x_label=name, y_label="cells", title="Random architectures of the space"
        )
        chart.bars(bins.edges, bins.counts, "s2")
        chart.upright(random.mean, "s2", f"mean {random.mean:.2f}")
        if report.recommended is not None:
            chart.upright(report.recommended.mean, "s1", f"recommended {report.recommended.mean:.2f}")
        yield chart.svg()
    if report.seeds is not None and report.seeds.cells > 2:
        yield _scatter(report.seeds, "Two training seeds of the same cells", name)
    if report.depth is not None and report.depth.cells > 2:
        yield _scatter(report.depth, "Two depths of the same cells", name)
    if smooth is not None:
        values = [value for value in (*smooth.raw, *smooth.smoothed) if value is not None]
        chart = Chart(
            (smooth.steps[0], smooth.steps[-1]),
            (min(0.0, *values), 1.0),
            x_label="step",
            y_label="Kendall's τ with the last step",
            title="Judging a training early",
        )
        chart.line(zip(map(float, smooth.steps), smooth.raw, strict=True), "s2", f"{smooth.metric}, raw")
        chart.line(zip(map(float, smooth.steps), smooth.smoothed, strict=True), "s1", f"mean of {smooth.window} steps")
        yield chart.svg()
    if surrogate is not None and surrogate.predictions > 2:
        pairs = [(mean, value) for mean, _, value in surrogate.points]
        every = [value for pair in pairs for value in pair]
        span = (min(every), max(every))
        chart = Chart(
            span,
            span,
            x_label=f"predicted {name}",
            y_label=f"measured {name}",
            title="Predictions made before the result was known",
        )
        chart.line([(span[0], span[0]), (span[1], span[1])], "s4 dotted", "as predicted")
        chart.points(pairs, "s1")
        yield chart.svg()
        chart = Chart((0, 1), (0, 1), x_label="said", y_label="covered", title="Calibration of the predicted intervals")
        chart.line([(0, 0), (1, 1)], "s4 dotted", "calibrated")
        levels = [(0.0, 0.0), *((one.level, one.covered) for one in surrogate.calibration)]
        chart.line(levels, "s1", "this surrogate")
        chart.points(levels[1:], "s1", radius=4)
        yield chart.svg()
        if len(surrogate.trials) > 2:
            known_tau = [tau for tau in surrogate.tau if tau is not None] or [0.0]
            chart = Chart(
                (0, surrogate.trials[-1]),
                (min(0.0, *known_tau), max(known_tau)),
                x_label="trials",
                y_label="Kendall's τ",
                title="The surrogate over time, in windows of predictions",
            )
            chart.line(zip(map(float, surrogate.trials), surrogate.tau, strict=True), "s1")
            chart.points(
                [(float(x), y) for x, y in zip(surrogate.trials, surrogate.tau, strict=True) if y is not None],
                "s1",
                radius=4,
            )
            chart.level(0.0, "s4 dotted", "")
            yield chart.svg()


def _scatter(change: RankingChange, title: str, name: str) -> str:
    every = [value for pair in change.pairs for value in pair]
    span = (min(every), max(every))
    tau = "" if change.kendall_tau is None else f" · τ {change.kendall_tau:.2f}"
    chart = Chart(span, span, x_label=f"{name}, {change.first}", y_label=f"{name}, {change.second}", title=title + tau)
    chart.line([(span[0], span[0]), (span[1], span[1])], "s4 dotted", "unchanged")
    chart.points(change.pairs, "s1")
    return chart.svg()


def _checklist(answers: list[Answered]) -> str:
    yes = sum(one.answer == "yes" for one in answers)
    rows = []
    for one in answers:
        kind, mark = MARKS[one.answer]
        rows.append(
            f"<li class='{kind}'><b title='{escape(one.answer)}'>{mark}</b><div><p>{escape(one.question)}</p>"
            f"<small>{escape(one.answer)} · {escape(one.evidence)}</small></div></li>"
        )
    return (
        f"<section><h2>What a paper should say <span>{yes} of {len(answers)}</span></h2>"
        "<p class='sub'>The recommendations of “NAS evaluation is frustratingly hard” (Yang et al. 2020), answered from the data</p>"
        f"<ol class='checks'>{''.join(rows)}</ol></section>"
    )


def _protocols(report: Report) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one.hash or 'none')}</code>{' (study)' if one.study else ''}</td><td>{escape(', '.join(one.tricks) or '–')}</td>"
        f"<td>{escape(one.epoch or '–')}</td><td>{escape(spread(one.values))}</td>"
        f"<td>{'–' if one.shared is None else escape(spread(one.shared))}</td></tr>"
        for one in report.protocols
    )
    head = "<tr><th>protocol</th><th>tricks</th><th>epoch</th><th>all its cells</th><th>the cells of all</th></tr>"
    return f"<section><h2>Protocols side by side</h2><div class='scroll'><table>{head}{rows}</table></div></section>"


def _repeat(report: Report) -> str:
    facts = report.reproducibility
    rows = [
        ("seed", str(facts.seed)),
        ("protocol", facts.protocol_hash or "none"),
        ("space", facts.space_hash),
        ("events", f"{facts.events}, SHA-256 {facts.events_hash}"),
        (
            "versions",
            ", ".join(
                [
                    f"bonanza {facts.bonanza}",
                    f"python {facts.python}",
                    *(f"{k} {v}" for k, v in facts.circumstances.items()),
                ]
            ),
        ),
    ]
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    name = escape(report.study)
    return (
        f"<section><h2>To repeat it</h2><dl>{listed}</dl>"
        f"<pre>bonanza study export {name} --out {name}.ndjson\nbonanza replay {name}.ndjson --check</pre>"
        f"<pre>{escape(facts.citation)}</pre></section>"
    )
