// The phases of a study, baseline, search and confirmation: how far each is, and the values of each on one scale.

import { useEffect, useMemo } from "preact/hooks";
import { Strip } from "./cell";
import { useTheme, useWidth } from "./chart";
import { delta, plural, value, whole } from "./format";
import { Card, State } from "./parts";
import { toneOf } from "./pictures";
import { quantile, type Results } from "./results";
import { ramp, ticks } from "./scatter";
import { Meter } from "./studies";
import { useArchitectures } from "./table";
import type { StudyColumns } from "./wire";

const ROW = 46;
const MOST_DOTS = 400;
interface Mark { number: number; value: number; hollow?: boolean }
interface Line { key: string; label: preact.ComponentChildren; marks: Mark[]; mean: number | null }

function mean(values: number[]): number | null { return values.length ? values.reduce((sum, v) => sum + v, 0) / values.length : null; }
function spread(values: number[]): number | null {
  const centre = mean(values);
  return centre === null || values.length < 2 ? null : Math.sqrt(values.reduce((sum, v) => sum + (v - centre) ** 2, 0) / (values.length - 1));
}

/** Rows of values over one axis: a label beside each, a tick at its mean. */
function Lines({ lines, columns, results, open, label }: { lines: Line[]; columns: StudyColumns; results: Results; open: (number: number) => void; label: string }) {
  const [place, width] = useWidth();
  useTheme();
  const tone = useMemo(() => toneOf(columns, results), [results]);
  const all = lines.flatMap((line) => line.marks.map((mark) => mark.value));
  // A few cells that do not train at all would take the whole width: they stand at the edge.
  const sign = results.maximize ? 1 : -1;
  const worst = quantile(all.map((v) => v * sign), all.length > 30 ? 0.04 : 0) * sign;
  const [low, high] = results.maximize ? [worst, Math.max(...all)] : [Math.min(...all), worst];
  const pad = (high - low) * 0.04 || 1;
  const x = (v: number) => 8 + ((Math.min(high + pad, Math.max(low - pad, v)) - low + pad) / (high - low + 2 * pad)) * (width - 16);
  const axis = all.length ? ticks(low - pad, high + pad, Math.max(2, width / 90)) : [];
  const digits = high - low < 0.5 ? 3 : high - low < 5 ? 2 : 1;
  return (
    <div class="lines">
      {lines.map((line, i) => (
        <div class="line" key={line.key}>
          <div class="label">{line.label}</div>
          <div ref={i === 0 ? place : undefined}>
            {width > 0 && (
              <svg width={width} height={ROW} role="img" aria-label={line.mean === null ? `${label}: nothing measured yet` : `${label}: ${plural(line.marks.length, "value")}, ${value(line.mean)} on average`}>
                {axis.map((v) => <line key={v} x1={x(v)} x2={x(v)} y1={0} y2={ROW} class="rule" />)}
                {line.marks.map((mark) => (
                  <circle key={`${mark.number} ${mark.hollow}`} cx={x(mark.value)} cy={ROW / 2 + ((((mark.number * 0.618034) % 1) - 0.5) * (ROW - 18))} r={mark.hollow ? 4.5 : 4} class={mark.hollow ? "hollow" : "mark"} fill={mark.hollow ? "none" : ramp(tone(mark.value) ?? 0)} onClick={() => open(mark.number)}>
                    <title>{`trial ${mark.number}: ${value(mark.value)}${mark.hollow ? ", when it was found" : ""}`}</title>
                  </circle>
                ))}
                {line.mean !== null && <path d={`M${x(line.mean)} 4V${ROW - 4}`} class="mean" />}
              </svg>
            )}
          </div>
        </div>
      ))}
      {all.length > 0 && <div class="line foot"><div class="label" /><svg width={width} height={20} aria-hidden="true">{axis.map((v) => <text key={v} x={x(v)} y={14} text-anchor="middle">{v.toLocaleString("en", { maximumFractionDigits: digits })}</text>)}</svg></div>}
    </div>
  );
}

/** Marks of the complete trials of a phase; of very many, the best and every so-maniest of the rest. */
function marksOf(columns: StudyColumns, results: Results, phase: string): { marks: Mark[]; values: number[] } {
  const wanted = columns.phases.indexOf(phase);
  const marks = results.rows.flatMap((row, i): Mark[] => (columns.trials.phase[row] === wanted ? [{ number: columns.trials.number[row], value: results.value[i] }] : []));
  const every = Math.ceil(marks.length / MOST_DOTS);
  return { marks: every === 1 ? marks : marks.filter((_, k) => k % every === 0), values: marks.map((mark) => mark.value) };
}

/** Whether a study has more than its search to show. */
export function hasPhases(columns: StudyColumns): boolean {
  const { phases } = columns.study;
  return Boolean(phases?.baseline || phases?.confirm);
}

export function Phases({ columns, results, open, path }: { columns: StudyColumns; results: Results; open: (number: number) => void; path: string }) {
  const { study } = columns;
  const t = columns.trials;
  const planned: Record<string, number | null> = {
    baseline: study.phases?.baseline?.cells ?? 0,
    confirm: study.phases?.confirm ? study.phases.confirm.top * study.phases.confirm.seeds : 0,
    search: null,
  };
  if (study.budget.max_trials !== null) planned.search = Math.max(0, study.budget.max_trials - (planned.baseline ?? 0) - (planned.confirm ?? 0));
  const open_ = ["pending", "running"].map((name) => columns.states.indexOf(name));
  const shown = (["baseline", "search", "confirm"] as const).filter((phase) => phase === "search" || planned[phase]);
  const at = shown.indexOf(study.phase);
  const lines = shown.map((phase, k): Line => {
    const { marks, values } = marksOf(columns, results, phase);
    const rows = t.phase.flatMap((p, row) => (columns.phases[p] === phase ? [row] : []));
    const ended = rows.filter((row) => !open_.includes(t.state[row])).length;
    const all = planned[phase];
    const under = ended < rows.length;
    const state = study.state === "finished" ? "over" : k < at && !under ? "done" : k === at || under ? (all !== null && ended >= all ? "done" : "under way") : "to come";
    const centre = mean(values);
    return {
      key: phase, marks, mean: centre,
      label: (
        <>
          <strong>{{ baseline: "Baseline", search: "Search", confirm: "Confirmation" }[phase]}</strong><State state={state} />
          <span class="said">{all === null ? plural(ended, "trial") : `${whole(ended)} of ${whole(all)}`}{centre !== null && <>, mean {value(centre)}{spread(values) !== null && ` ± ${delta(spread(values) as number)}`}</>}</span>
          {all !== null && <Meter share={ended / all} label={`Trials of the ${phase}`} />}
        </>
      ),
    };
  });
  return (
    <Card title="Phases" class="full" aside={<a href={`${path}/report`}>the report</a>} note="Random cells as a yardstick, what the search measured, and the best of it trained again: each dot a training, the line their mean.">
      <Lines lines={lines} columns={columns} results={results} open={open} label={study.objective.name} />
    </Card>
  );
}

/** What became of the best cells when they were trained again: a lucky value does not come twice. */
export function Confirmed({ columns, results, open, colours }: { columns: StudyColumns; results: Results; open: (number: number) => void; colours: Record<string, string> }) {
  const t = columns.trials;
  const [architectures, want] = useArchitectures(columns.study.name);
  const cells = useMemo(() => {
    const phase = columns.phases.indexOf("confirm");
    const again = new Map<number, Mark[]>();
    results.rows.forEach((row, i) => { const first = t.repeat_of[row]; if (t.phase[row] === phase && first !== null) again.set(first, [...(again.get(first) ?? []), { number: t.number[row], value: results.value[i] }]); });
    const sign = results.maximize ? -1 : 1;
    return [...again].map(([number, marks]) => ({ number, marks, mean: mean(marks.map((mark) => mark.value)) as number })).sort((a, b) => sign * (a.mean - b.mean));
  }, [results]);
  useEffect(() => want(cells.map((cell) => cell.number)), [cells]);
  if (!cells.length) return null;
  const lines = cells.map(({ number, marks, mean: centre }): Line => {
    const found = t.value[number];
    const architecture = architectures.get(number);
    const std = spread(marks.map((mark) => mark.value));
    return {
      key: String(number), mean: centre, marks: [...(found === null ? [] : [{ number, value: found, hollow: true }]), ...marks],
      label: <><button type="button" class="link" onClick={() => open(number)}>trial {number}</button>{architecture ? <Strip architecture={architecture} colours={colours} /> : <span class="strip waiting" />}<span class="said">{value(centre)}{std !== null && ` ± ${delta(std)}`} over {plural(marks.length, "training")}</span></>,
    };
  });
  return (
    <Card title="Confirmed cells" class="full" note="Each row a cell that the search found: hollow what it measured then, filled what further trainings gave, the line their mean.">
      <Lines lines={lines} columns={columns} results={results} open={open} label={columns.study.objective.name} />
    </Card>
  );
}
