// The pictures of a study: best so far against random search, predicted against measured, the map, which choices help, curves, fits.

import { useEffect, useMemo, useState } from "preact/hooks";
import uPlot from "uplot";
import { inks, placeName } from "./cell";
import { Chart, axis, colour } from "./chart";
import { delta, plural, signed, span, value, whole, percent, hours } from "./format";
import { Card, Empty, Segmented, Skeleton } from "./parts";
import { baselineOf, pairsOf, quantile, tauOf, type Results } from "./results";
import { Scatter, ramp, ticks, type Dot } from "./scatter";
import { get, studyPath, type Atlas, type Curve, type Study, type StudyColumns } from "./wire";

type Against = "trials" | "spent" | "clock";
const MOST_POINTS = 4000;

export function BestSoFar({ columns, results, open }: { columns: StudyColumns; results: Results; open: (number: number) => void }) {
  const [against, setAgainst] = useState<Against>("trials");
  const baseline = useMemo(() => baselineOf(columns, results), [results]);
  const objective = columns.study.objective.name;
  const n = results.value.length;
  const made = useMemo(() => {
    // Of very many results every record is kept and every so-maniest of the rest.
    const every = Math.ceil(n / MOST_POINTS);
    const kept = results.value.map((_, k) => k).filter((k) => every === 1 || k % every === 0 || results.record[k] || k === n - 1);
    const x = kept.map((k) => (against === "trials" ? k + 1 : against === "spent" ? results.spent[k] / 3600 : results.at[k] / 3600));
    const of = (column: number[]) => kept.map((k) => column[k]);
    const records = kept.map((k) => (results.record[k] ? results.value[k] : null));
    const band = baseline ? [of(baseline.low), of(baseline.high), of(baseline.mean)] : [kept.map(() => null), kept.map(() => null), kept.map(() => null)];
    const data = [x, ...band, of(results.value), of(results.best), records] as uPlot.AlignedData;
    return { kept, data, range: rangeOf(results, baseline?.mean) };
  }, [results, against, baseline]);
  const hidden = results.value.filter((v) => v < made.range[0] || v > made.range[1]).length;
  const options = () => ({
    padding: [14, 26, 0, 0] as [number, number, number, number],
    scales: { x: { time: false, range: (_: uPlot, low: number, high: number) => [low, Math.max(high, low + 1e-9)] as [number, number] }, y: { range: () => made.range } },
    axes: [
      axis({ values: (_: uPlot, vs: number[]) => vs.map((v) => (against === "trials" ? (Number.isInteger(v) ? whole(v) : "") : hours(v * 3600))), space: 70 }),
      axis({ size: 54, values: (_: uPlot, vs: number[]) => vs.map((v) => axisValue(v, made.range)) }),
    ],
    series: [
      {},
      { stroke: "transparent", points: { show: false } },
      { stroke: "transparent", points: { show: false } },
      { stroke: colour("ink-3"), width: 1.5, dash: [5, 4], points: { show: false } },
      { paths: () => null, points: { show: true, size: n > 1500 ? 3 : 5, stroke: "transparent", fill: colour(n > 400 ? "dots-thin" : "dots") } },
      { stroke: colour("accent"), width: 2.25, paths: uPlot.paths.stepped?.({ align: 1 }), points: { show: false } },
      { paths: () => null, points: { show: true, size: n > 1 ? 8.5 : 12, width: 1.2, stroke: colour("card"), fill: colour("best") } },
    ] as uPlot.Series[],
    bands: [{ series: [2, 1] as [number, number], fill: colour("band") }],
    cursor: { bind: { click: (u: uPlot) => () => { const at = u.cursor.idx; if (at !== null && at !== undefined) open(columns.trials.number[results.rows[made.kept[at]]]); return null; } }, points: { show: (_u: uPlot, k: number) => k === 5 } },
  }) as unknown as Omit<uPlot.Options, "width" | "height">;
  const tip = (at: number) => {
    const k = made.kept[at];
    if (k === undefined) return null;
    const row = results.rows[k];
    return (
      <>
        <strong>trial {columns.trials.number[row]}</strong>
        <dl>
          <dt>{objective}</dt><dd>{value(results.value[k])}</dd>
          <dt>best so far</dt><dd>{value(results.best[k])}</dd>
          {baseline && <><dt>random search</dt><dd>{value(baseline.mean[k])}</dd></>}
          <dt>after</dt><dd>{plural(k + 1, "result")}, {hours(results.spent[k])}</dd>
        </dl>
      </>
    );
  };
  return (
    <Card
      title="Best so far" class="wide"
      aside={<Segmented label="Against" value={against} onChange={setAgainst} options={[["trials", "Trials"], ["spent", "GPU hours"], ["clock", "Wall clock"]]} />}
    >
      <Chart
        data={made.data} options={options} height={336} tip={tip} token={`${against} ${made.range.join()} ${n > 400} ${n > 1500}`}
        label={`${objective} of ${plural(n, "result")}: the best so far is ${value(results.best.at(-1))}${baseline ? `; random search would have reached ${value(baseline.mean.at(-1))} on average` : ""}`}
      />
      <p class="legend">
        <span><i class="key-line" />best so far</span>
        <span><i class="key-best" />a new best</span>
        <span><i class="key-dot" />results</span>
        {baseline && <span><i class="key-band" />random search, 5–95 %, from {plural(baseline.sample, "random cell")}</span>}
        {hidden > 0 && <span class="muted">{plural(hidden, "result")} outside the picture</span>}
      </p>
    </Card>
  );
}

/** From a little beyond the best back to where most results are: the few cells that do not train at all would flatten everything else. */
function rangeOf(results: Results, mean: number[] | undefined): [number, number] {
  if (!results.value.length) return [0, 1];
  const sign = results.maximize ? 1 : -1;
  const good = results.value.map((v) => v * sign);
  const best = Math.max(...sample(good), (results.best.at(-1) as number) * sign);
  const late = results.best[Math.min(results.best.length - 1, 2)] * sign;
  const usual = quantile(sample(good), 0.5);
  let low = Math.min(usual - (best - usual) * 1.2, late, mean?.length ? mean[Math.min(4, mean.length - 1)] * sign : usual);
  low = Math.max(low, Math.min(...sample(good)));
  const spread = best - low || Math.abs(best) * 0.02 || 1;
  const ends = [(low - spread * 0.06) * sign, (best + spread * 0.08) * sign];
  return [Math.min(...ends), Math.max(...ends)];
}
function sample(values: number[]): number[] { return values.length <= 5000 ? values : values.filter((_, k) => k % Math.ceil(values.length / 5000) === 0); }
function axisValue(v: number, range: [number, number]): string {
  const spread = range[1] - range[0];
  return v.toLocaleString("en", { maximumFractionDigits: spread < 0.05 ? 4 : spread < 0.5 ? 3 : spread < 5 ? 2 : spread < 50 ? 1 : 0 });
}

/** Where values fall between the worst twentieth and the best: what a colour says. */
export function toneOf(columns: StudyColumns, results: Results): (v: number | null) => number | null {
  const sign = columns.study.objective.direction === "maximize" ? 1 : -1;
  const good = results.value.map((v) => v * sign);
  if (!good.length) return () => null;
  const some = sample(good);
  // By rank, so that every colour is used: the upper end of a search is where it matters, and there values crowd.
  const sorted = [...some].sort((a, b) => a - b);
  return (v) => {
    if (v === null) return null;
    let low = 0, high = sorted.length;
    while (low < high) { const mid = (low + high) >> 1; if (sorted[mid] < v * sign) low = mid + 1; else high = mid; }
    return sorted.length > 1 ? Math.min(1, low / (sorted.length - 1)) : 1;
  };
}

export function Predicted({ columns, results, open }: { columns: StudyColumns; results: Results; open: (number: number) => void }) {
  const pairs = useMemo(() => pairsOf(columns, results).slice(-1500), [results]);
  const tau = useMemo(() => tauOf(pairs), [pairs]);
  const tone = useMemo(() => toneOf(columns, results), [results]);
  if (pairs.length < 2) {
    return <Card title="Predicted and measured"><Empty title="Nothing to compare yet"><p>As soon as cells that the model proposed are measured, this shows whether it knows what it is doing.</p></Empty></Card>;
  }
  const values = pairs.flatMap((pair) => [pair.mean, pair.value]);
  const sign = results.maximize ? 1 : -1;
  const worst = quantile(values.map((v) => v * sign), 0.03) * sign;
  const top = results.maximize ? Math.max(...values) : Math.min(...values);
  const pad = Math.abs(top - worst) * 0.06 || 1;
  const domain: [number, number] = [Math.min(worst, top) - pad, Math.max(worst, top) + pad];
  const inside = (v: number) => Math.min(domain[1], Math.max(domain[0], v));
  const dots: Dot[] = pairs.map((pair) => ({ x: inside(pair.mean), y: inside(pair.value), number: columns.trials.number[pair.row], tone: tone(pair.value) }));
  const by = new Map(pairs.map((pair) => [columns.trials.number[pair.row], pair]));
  const error = pairs.reduce((sum, pair) => sum + Math.abs(pair.value - pair.mean), 0) / pairs.length;
  return (
    <Card title="Predicted and measured" aside={<span class="figure">τ {tau === null ? "–" : tau.toFixed(2)}</span>}
      note={<>{verdict(tau, pairs.length)} On average {delta(error)} off, over {plural(pairs.length, "prediction")} made before the result was known.</>}>
      <Scatter
        dots={dots} domain={{ x: domain, y: domain }} height={262} diagonal open={open}
        axes={{ x: "predicted", y: "measured", format: (v) => axisValue(v, domain) }}
        label={`Predicted against measured ${columns.study.objective.name} of ${pairs.length} trials; rank correlation ${tau?.toFixed(2) ?? "unknown"}`}
        tip={(dot) => { const pair = by.get(dot.number as number); return pair && <><strong>trial {dot.number}</strong><dl><dt>predicted</dt><dd>{value(pair.mean)} ± {delta(pair.std)}</dd><dt>measured</dt><dd>{value(pair.value)}</dd></dl></>; }}
      />
    </Card>
  );
}
function verdict(tau: number | null, n: number): string {
  if (tau === null || n < 10) return "Too few to judge the model by.";
  if (tau >= 0.6) return "The model ranks new cells well.";
  if (tau >= 0.3) return "The model ranks new cells better than chance, with room.";
  if (tau >= 0.1) return "The model knows little about the cells it proposes; near the best that is usual.";
  return "Among the cells it proposes the model cannot tell better from worse.";
}

export function Atlases({ columns, results, atlas, error, open, height = 302, wide = false }: { columns: StudyColumns; results: Results; atlas: Atlas | null; error: Error | null; open: (number: number) => void; height?: number; wide?: boolean }) {
  const tone = useMemo(() => toneOf(columns, results), [results]);
  const t = columns.trials;
  const title = "Map of the space";
  const more = wide ? "wide" : "";
  const dots = useMemo<Dot[]>(() => {
    if (!atlas) return [];
    const best = columns.study.best?.number;
    const open_ = ["pending", "running"].map((s) => columns.states.indexOf(s));
    const ground: Dot[] = atlas.space_x.map((x, k) => ({ x, y: atlas.space_y[k], tone: null, ground: true }));
    const cells = atlas.number.map((number, k): Dot & { v: number } => {
      const v = t.value[number] ?? null;
      const shade = tone(v);
      return { x: atlas.x[k], y: atlas.y[k], number, tone: shade, v: shade ?? -1, pending: open_.includes(t.state[number]), best: number === best, size: atlas.number.length > 500 ? 3.2 : 4.6 };
    });
    cells.sort((a, b) => a.v - b.v);
    return [...ground, ...cells];
  }, [atlas, results]);
  if (error && !atlas) return <Card title={title} class={more}><Empty title="No map of this space"><p>{error.message}</p></Empty></Card>;
  if (!atlas) return <Card title={title} class={more}><Skeleton height={height} /></Card>;
  if (!atlas.number.length) return <Card title={title} class={more}><Empty title="Nothing on the map yet"><p>The first cells appear as soon as they are asked for.</p></Empty></Card>;
  const xs = [...atlas.x, ...atlas.space_x];
  const ys = [...atlas.y, ...atlas.space_y];
  const reach = (of: number[]): [number, number] => { const [a, b] = [Math.min(...of), Math.max(...of)]; const pad = (b - a) * 0.04 || 1; return [a - pad, b + pad]; };
  return (
    <Card title={title} class={more} aside={<Ramp />}
      note={<>Each point a cell: near ones are alike in ops and paths. Grey are samples of the space{atlas.explained[0] > 0 && <>; the plane has {percent(atlas.explained[0] + atlas.explained[1])} of what differs</>}. Those being measured blink.</>}>
      <Scatter
        dots={dots} domain={{ x: reach(xs), y: reach(ys) }} height={height} open={open}
        label={`A map of ${plural(atlas.number.length, "cell")} of the space, coloured by ${columns.study.objective.name}`}
        tip={(dot) => <><strong>trial {dot.number}</strong><dl><dt>{columns.study.objective.name}</dt><dd>{value(t.value[dot.number as number])}</dd><dt>origin</dt><dd>{columns.origins[t.origin[dot.number as number]]}</dd></dl></>}
      />
    </Card>
  );
}
function Ramp() {
  return <span class="ramp" aria-hidden="true">worse{[0, 0.17, 0.33, 0.5, 0.67, 0.83, 1].map((share) => <i key={share} style={{ background: ramp(share) }} />)}better</span>;
}

export function Importance({ study, atlas, kind, error }: { study: string; atlas: Atlas | null; kind: string; error: Error | null }) {
  const title = "Which choices help";
  const [positions, setPositions] = useState<string[]>([]);
  // The positions of a sequence have names of their own.
  useEffect(() => { if (kind === "sequence") get<Study>(studyPath(study)).then(({ space }) => setPositions((space?.positions as { name: string }[]).map(({ name }) => name)), () => undefined); }, [study, kind]);
  const named = (pointer: string) => positions[Number(pointer.replace(/^\/choices\//, ""))] ?? placeName(pointer, kind);
  if (error && !atlas) return <Card title={title}><Empty title="Not known for this space"><p>{error.message}</p></Empty></Card>;
  if (!atlas) return <Card title={title}><Skeleton height={260} /></Card>;
  if (!atlas.places.length && atlas.results >= 8) return <Card title={title}><Empty title="Nothing to compare"><p>No place of these cells has a handful of choices that come again and again.</p></Empty></Card>;
  if (!atlas.places.length) return <Card title={title}><Empty title="Too few results"><p>After some eight measured cells this shows which op at which place goes with a better result.</p></Empty></Card>;
  const ink = inks(atlas.colours);
  const places = atlas.places.slice(0, 12);
  const choices = [...new Set(places.flatMap((place) => place.effects.map((effect) => effect.choice)))];
  // Side by side where the places have the same choices; a matrix of zeros and ones beside ops would be a table of holes.
  const grid = choices.length <= Math.min(12, Math.max(...places.map((place) => place.effects.length)) + 1);
  const most = Math.max(...places.flatMap((place) => place.effects.map((effect) => Math.abs(effect.effect ?? 0)))) || 1;
  const ordered = /^\d/.test(named(places[0].pointer)) ? [...places].sort((a, b) => a.pointer.localeCompare(b.pointer, "en", { numeric: true })) : places;
  const digits = most < 0.1 ? 3 : most < 10 ? 2 : 1;
  const total = (choice: string) => places.reduce((sum, place) => { const found = place.effects.find((effect) => effect.choice === choice); return sum + (found?.effect ?? 0) * (found?.count ?? 0); }, 0);
  choices.sort((a, b) => total(b) - total(a));
  return (
    <Card title={title}
      note={<>What a choice adds to the mean, the others held equal{atlas.r_squared !== null && <>; together they explain {percent(atlas.r_squared)} of the spread</>}. In cells that a search chose: a hint, not an experiment.</>}>
      {grid ? (
        <div class="scroll-x" tabIndex={0} role="group" aria-label="Effects of choices by place">
          <table class="effects">
            <thead><tr><td />{ordered.map((place) => <th scope="col" key={place.pointer} title={`${percent(place.importance)} of what is explained`}>{named(place.pointer)}<i style={{ width: `${Math.round(place.importance * 100)}%` }} /></th>)}</tr></thead>
            <tbody>
              {choices.map((choice) => (
                <tr key={choice}>
                  <th scope="row"><i class="swatch" style={{ background: ink[choice] ?? "" }} />{choice}</th>
                  {ordered.map((place) => {
                    const found = place.effects.find((effect) => effect.choice === choice);
                    if (!found || found.effect === null) return <td key={place.pointer} class="unknown" title={found ? `${found.count} measured` : "not a choice here"}>{found ? "·" : ""}</td>;
                    const sure = Math.abs(found.effect) > 2 * (found.error ?? 0);
                    const share = Math.min(1, Math.abs(found.effect) / most);
                    return (
                      <td key={place.pointer} class={`${found.effect >= 0 ? "helps" : "hurts"} ${sure ? "sure" : ""}`} style={{ "--share": share.toFixed(3) }}
                        title={`${choice} at ${named(place.pointer)}: ${signed(found.effect, digits)} ± ${(found.error ?? 0).toFixed(digits)}, in ${plural(found.count, "cell")}`}>
                        {signed(found.effect, digits)}
                      </td>
                    );
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <ul class="effect-list">
          {places.slice(0, 8).map((place) => {
            const known = place.effects.filter((effect) => effect.effect !== null).sort((a, b) => (b.effect as number) - (a.effect as number));
            return <li key={place.pointer}><strong>{named(place.pointer)}</strong><span>{[...known.slice(0, 2), ...known.slice(2).slice(-1)].map((effect) => <em class={(effect.effect as number) < 0 ? "hurts-text" : "helps-text"} key={effect.choice}>{effect.choice} {signed(effect.effect as number, digits)}</em>)}</span></li>;
          })}
        </ul>
      )}
    </Card>
  );
}

/** One curve, or several over each other; the metric is chosen where there are several. */
export function Curves({ curves, height = 200, label }: { curves: { name: string; curve: Curve }[]; height?: number; label: string }) {
  const metrics = [...new Set(curves.flatMap(({ curve }) => Object.keys(curve.metrics)))].slice(0, 8);
  const [chosen, setChosen] = useState<string | null>(null);
  const metric = chosen && metrics.includes(chosen) ? chosen : (metrics.find((name) => /acc/i.test(name)) ?? metrics[0]);
  const drawn = curves.filter(({ curve }) => curve.metrics[metric]?.some((v) => v !== null)).slice(0, 12);
  const data = useMemo(() => {
    const steps = [...new Set(drawn.flatMap(({ curve }) => curve.step))].sort((a, b) => a - b);
    const at = new Map(steps.map((step, k) => [step, k]));
    const columns = drawn.map(({ curve }) => {
      const column: (number | null | undefined)[] = Array(steps.length).fill(undefined);
      curve.step.forEach((step, k) => { column[at.get(step) as number] = curve.metrics[metric][k]; });
      return column;
    });
    return [steps, ...columns] as uPlot.AlignedData;
  }, [JSON.stringify(drawn), metric]);
  if (!drawn.length) return null;
  const tints = ["accent", "series-2", "series-3", "series-4", "series-5", "series-6"];
  const options = () => ({
    padding: [10, 12, 0, 0],
    scales: { x: { time: false } },
    axes: [axis({ space: 60 }), axis({ size: 48 })],
    series: [{}, ...drawn.map((_, k) => ({ stroke: colour(tints[k % tints.length]), width: 2, spanGaps: true, points: { show: data[0].length < 3, size: 6 }, tint: colour(tints[k % tints.length]) }))],
  }) as unknown as Omit<uPlot.Options, "width" | "height">;
  return (
    <div class="curves">
      {metrics.length > 1 && <Segmented label="Metric" value={metric} onChange={setChosen} options={metrics.map((name) => [name, name] as const)} />}
      <Chart data={data} options={options} height={height} token={`${metric} ${drawn.map(({ name }) => name).join()} ${data[0].length < 3}`} label={`${label}: ${metric} by step`}
        tip={(at) => <><strong>step {whole(data[0][at])}</strong><dl>{drawn.map(({ name }, k) => data[k + 1][at] !== undefined && data[k + 1][at] !== null && <><dt>{name}</dt><dd>{value(data[k + 1][at])}</dd></>)}</dl></>} />
      {drawn.length > 1 && <p class="legend">{drawn.map(({ name }, k) => <span key={name}><i class="key-line" style={{ background: `var(--${tints[k % tints.length]})` }} />{name}</span>)}</p>}
    </div>
  );
}

export function Fits({ columns }: { columns: StudyColumns }) {
  const { fits } = columns;
  const data = useMemo(() => [fits.observations, fits.seconds] as uPlot.AlignedData, [fits.version.length, fits.version.at(-1)]);
  if (fits.version.length < 2) return null;
  const options = () => ({
    padding: [10, 12, 0, 0],
    scales: { x: { time: false }, y: { range: (_: uPlot, _low: number, high: number) => [0, high * 1.15 || 1] } },
    axes: [axis({ space: 60 }), axis({ size: 52, values: (_: uPlot, vs: number[]) => vs.map((v) => span(v)) })],
    series: [{}, { stroke: colour("accent"), width: 2, points: { show: false } }],
  }) as unknown as Omit<uPlot.Options, "width" | "height">;
  return (
    <Card title="Time of a fit" note="By the number of measured cells that it reads.">
      <Chart data={data} options={options} height={220} label={`Seconds of ${fits.version.length} fits by the number of measured cells`}
        tip={(at) => <><strong>fit {fits.version[at]}</strong><dl><dt>took</dt><dd>{span(fits.seconds[at])}</dd><dt>of</dt><dd>{plural(fits.observations[at], "cell")}</dd></dl></>} />
    </Card>
  );
}
export { ticks };
