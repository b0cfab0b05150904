// A study's results in the order they came: best so far, what random search would have reached, how good the predictions were.

import type { StudyColumns } from "./wire";

export interface Results {
  /** Rows of the columns that are complete and valid, in the order they finished. */
  rows: number[];
  value: number[];
  best: number[];
  /** For each row whether it was better than everything before. */
  record: boolean[];
  /** GPU seconds spent by then, of every trial that has ended. */
  spent: number[];
  at: number[];
  maximize: boolean;
}

export function resultsOf(columns: StudyColumns): Results {
  const t = columns.trials;
  const complete = columns.states.indexOf("complete");
  const maximize = columns.study.objective.direction === "maximize";
  const ended = t.number.map((_, k) => k).filter((k) => t.finished[k] !== null);
  ended.sort((a, b) => (t.finished[a] as number) - (t.finished[b] as number) || a - b);
  const found: Results = { rows: [], value: [], best: [], record: [], spent: [], at: [], maximize };
  let spent = 0;
  let best: number | null = null;
  for (const k of ended) {
    spent += t.seconds[k] ?? 0;
    const v = t.value[k];
    if (t.state[k] !== complete || v === null || t.flags[k] & 2) continue;
    const better = best === null || (maximize ? v > best : v < best);
    if (better) best = v;
    found.rows.push(k);
    found.value.push(v);
    found.best.push(best as number);
    found.record.push(better);
    found.spent.push(spent);
    found.at.push(t.finished[k] as number);
  }
  return found;
}

const MOST_SAMPLE = 400;
const MOST_KNOTS = 160;

export interface Baseline { sample: number; source: "baseline" | "initial"; mean: number[]; low: number[]; high: number[] }

/**
 * What random search would have reached after 1 … n trials: the mean and the 5 % to 95 % band of the best of k draws from the study's own
 * random cells, its baseline phase where it has one, else its initial design. Beyond those it can tell no better value.
 */
export function baselineOf(columns: StudyColumns, results: Results): Baseline | null {
  const t = columns.trials;
  const phase = columns.phases.indexOf("baseline");
  const origins = ["initial", "fallback"].map((name) => columns.origins.indexOf(name));
  const of = (wanted: (k: number) => boolean) => results.rows.map((k, i) => (wanted(k) ? results.value[i] : null)).filter((v) => v !== null);
  const proper = of((k) => t.phase[k] === phase || columns.origins[t.origin[k]] === "baseline");
  const source = proper.length >= 5 ? "baseline" : "initial";
  const values = source === "baseline" ? proper : of((k) => origins.includes(t.origin[k]));
  if (values.length < 5) return null;
  const sign = results.maximize ? 1 : -1;
  const all = values.map((v) => v * sign).sort((a, b) => a - b);
  const m = Math.min(all.length, MOST_SAMPLE);
  const sorted = Array.from({ length: m }, (_, i) => all[Math.floor(((i + 0.5) * all.length) / m)]);
  sorted[m - 1] = all[all.length - 1];
  const quantile = (p: number) => {
    const at = Math.min(m - 1, Math.max(0, p * m - 0.5));
    const low = Math.floor(at);
    return sorted[low] + (sorted[Math.min(m - 1, low + 1)] - sorted[low]) * (at - low);
  };
  const expected = (k: number) => {
    let sum = 0;
    for (let i = 1; i <= m; i++) sum += sorted[i - 1] * ((i / m) ** k - ((i - 1) / m) ** k);
    return sum;
  };
  const n = results.rows.length;
  const mean: number[] = [];
  const low: number[] = [];
  const high: number[] = [];
  // Computed at some numbers of trials, dense where the curve bends, and straight between them.
  const knots = n <= MOST_KNOTS ? Array.from({ length: n }, (_, k) => k + 1) : [...new Set(Array.from({ length: MOST_KNOTS }, (_, i) => Math.round(n ** (i / (MOST_KNOTS - 1)))))];
  let before: [number, number, number, number] | null = null;
  for (const k of knots) {
    const now: [number, number, number, number] = [k, expected(k), quantile(0.05 ** (1 / k)), quantile(0.95 ** (1 / k))];
    for (let j = (before?.[0] ?? 0) + 1; j <= k; j++) {
      const part = before ? (j - before[0]) / (k - before[0]) : 1;
      const at = (c: 1 | 2 | 3) => (before ? before[c] + (now[c] - before[c]) * part : now[c]) * sign;
      const ends = [at(2), at(3)];
      mean.push(at(1));
      low.push(Math.min(...ends));
      high.push(Math.max(...ends));
    }
    before = now;
  }
  return { sample: all.length, source, mean, low, high };
}

export interface Pair { row: number; mean: number; std: number; value: number }

export function pairsOf(columns: StudyColumns, results: Results): Pair[] {
  const t = columns.trials;
  return results.rows.flatMap((row, i) => {
    const mean = t.mean[row];
    return mean === null ? [] : [{ row, mean, std: t.std[row] ?? 0, value: results.value[i] }];
  });
}

/** Kendall's tau-b of the newest 500 pairs, as the API's model has it. */
export function tauOf(pairs: Pair[]): number | null {
  const some = pairs.slice(-500);
  let concordant = 0, discordant = 0, tiesX = 0, tiesY = 0;
  for (let i = 0; i < some.length; i++) {
    for (let j = 0; j < i; j++) {
      const a = Math.sign(some[i].mean - some[j].mean);
      const b = Math.sign(some[i].value - some[j].value);
      if (a === 0) tiesX++;
      if (b === 0) tiesY++;
      if (a * b > 0) concordant++;
      else if (a * b < 0) discordant++;
    }
  }
  const n = (some.length * (some.length - 1)) / 2;
  const scale = Math.sqrt((n - tiesX) * (n - tiesY));
  return scale > 0 ? (concordant - discordant) / scale : null;
}

export function quantile(values: number[], p: number): number {
  if (!values.length) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(sorted.length - 1, low + 1)] - sorted[low]) * (at - low);
}
