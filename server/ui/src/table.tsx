// The trials: ten thousand rows of which only those in sight are in the page; sorted, filtered, and each a way to its trial.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Strip } from "./cell";
import { ago, delta, plural, span, value } from "./format";
import { Button, Empty, Icon, State } from "./parts";
import { get, studyPath, type Json, type StudyColumns, type Trial } from "./wire";
import type { Feed } from "./feed";

const ROW = 40;
const BEYOND = 8;
type Key = "number" | "state" | "value" | "mean" | "origin" | "worker" | "seconds" | "finished";
const HEADS: [Key, string, string][] = [
  ["number", "Trial", "right"], ["state", "State", ""], ["value", "", "right"], ["mean", "Predicted", "right"], ["origin", "Origin", ""],
  ["worker", "Worker", ""], ["seconds", "Took", "right"], ["finished", "Ended", "right"],
];

export function useArchitectures(study: string): [Map<number, Json>, (numbers: number[]) => void] {
  const [, redraw] = useState(0);
  const known = useRef(new Map<number, Json>());
  const asked = useRef(new Set<number>());
  useEffect(() => { known.current = new Map(); asked.current = new Set(); }, [study]);
  const want = (numbers: number[]) => {
    const fresh = numbers.filter((number) => !asked.current.has(number)).slice(0, 200);
    if (!fresh.length) return;
    for (const number of fresh) asked.current.add(number);
    get<{ trials: Trial[] }>(`${studyPath(study)}/trials?numbers=${fresh.join(",")}`).then(
      ({ trials }) => { for (const trial of trials) known.current.set(trial.number, trial.architecture); redraw((n) => n + 1); },
      () => { for (const number of fresh) asked.current.delete(number); },
    );
  };
  return [known.current, want];
}

export function Trials({ feed, columns, colours, open }: { feed: Feed; columns: StudyColumns; colours: Record<string, string>; open: (number: number) => void }) {
  const t = columns.trials;
  const [sort, setSort] = useState<{ key: Key; down: boolean }>({ key: "number", down: true });
  const [state, setState] = useState<string>("all");
  const [search, setSearch] = useState("");
  const [top, setTop] = useState(0);
  const [tall, setTall] = useState(560);
  const [at, setAt] = useState(0);
  const body = useRef<HTMLDivElement>(null);
  const [architectures, want] = useArchitectures(columns.study.name);
  const counts = columns.study.trials;
  const rows = useMemo(() => {
    const wanted = state === "all" ? -1 : columns.states.indexOf(state);
    const words = search.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const found: number[] = [];
    for (let k = 0; k < t.number.length; k++) {
      if (wanted >= 0 && t.state[k] !== wanted) continue;
      if (words.length) {
        const worker = t.worker[k] === null ? "" : columns.workers[t.worker[k] as number];
        const text = `#${t.number[k]} ${columns.states[t.state[k]]} ${columns.origins[t.origin[k]]} ${columns.phases[t.phase[k]]} ${worker}`.toLowerCase();
        if (!words.every((word) => (/^\d+$/.test(word) ? String(t.number[k]) === word : text.includes(word)))) continue;
      }
      found.push(k);
    }
    const named = (k: number): string | number | null => {
      if (sort.key === "worker") return t.worker[k] === null ? null : columns.workers[t.worker[k] as number];
      if (sort.key === "origin") return columns.origins[t.origin[k]];
      return t[sort.key][k] as number | null;
    };
    const way = sort.down ? -1 : 1;
    found.sort((a, b) => {
      const [x, y] = [named(a), named(b)];
      if (x === null || y === null) return x === y ? b - a : x === null ? 1 : -1; // what has no value comes last either way
      return (x < y ? -1 : x > y ? 1 : a - b) * way;
    });
    return found;
  }, [columns, sort, state, search]);
  const first = Math.max(0, Math.floor(top / ROW) - BEYOND);
  const shown = rows.slice(first, Math.ceil((top + tall) / ROW) + BEYOND);
  useEffect(() => {
    const timer = setTimeout(() => want(shown.map((k) => t.number[k])), 80);
    return () => clearTimeout(timer);
  }, [shown.join()]);
  useEffect(() => {
    const measure = () => { if (body.current) setTall(body.current.clientHeight); };
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, []);
  const now = feed.now();
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -rows.length, End: rows.length }[event.key];
    if (event.key === "Enter" && rows[at] !== undefined) open(t.number[rows[at]]);
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.min(rows.length - 1, Math.max(0, at + step));
    setAt(next);
    const element = body.current;
    if (!element) return;
    if (next * ROW < element.scrollTop) element.scrollTop = next * ROW;
    else if ((next + 1) * ROW > element.scrollTop + element.clientHeight) element.scrollTop = (next + 1) * ROW - element.clientHeight;
  };
  const best = columns.study.best?.number;
  return (
    <section class="card trials">
      <div class="toolbar">
        <div class="chips" role="group" aria-label="State">
          {(["all", ...columns.states] as string[]).filter((name) => name === "all" || counts[name] > 0 || name === state).map((name) => (
            <button type="button" key={name} class="chip" aria-pressed={state === name} onClick={() => { setState(name); setAt(0); if (body.current) body.current.scrollTop = 0; }}>
              {name}<b>{(name === "all" ? t.number.length : counts[name]).toLocaleString("en")}</b>
            </button>
          ))}
        </div>
        <label class="search"><Icon name="search" /><input type="search" placeholder="number, worker, origin" aria-label="Filter trials" value={search} onInput={(event) => setSearch(event.currentTarget.value)} /></label>
        <a class="button plain" href={`${studyPath(columns.study.name)}/trials.csv`} download=""><Icon name="download" />CSV</a>
      </div>
      <div class="grid" role="grid" aria-label="Trials" aria-rowcount={rows.length + 1} aria-colcount={HEADS.length + 1}>
        <div role="rowgroup" class="grid-head">
          <div role="row" aria-rowindex={1} class="tr">
            {HEADS.map(([key, text, side]) => (
              <span role="columnheader" key={key} class={`c-${key} ${side}`} aria-sort={sort.key === key ? (sort.down ? "descending" : "ascending") : "none"}>
                <button type="button" onClick={() => setSort({ key, down: sort.key === key ? !sort.down : key !== "worker" && key !== "origin" && key !== "state" })}>
                  {key === "value" ? columns.study.objective.name : text}{sort.key === key && <Icon name={sort.down ? "down" : "up"} size={12} />}
                </button>
              </span>
            )).toSpliced(2, 0, <span role="columnheader" key="cell" class="c-cell">Cell</span>)}
          </div>
        </div>
        <div role="rowgroup" class="grid-body" ref={body} tabIndex={0} onScroll={(event) => setTop(event.currentTarget.scrollTop)} onKeyDown={move}>
          <div class="grid-space" role="presentation" style={{ height: `${rows.length * ROW}px` }}>
            {shown.map((k, i) => {
              const number = t.number[k];
              const stateName = columns.states[t.state[k]];
              const architecture = architectures.get(number);
              return (
                <div role="row" key={number} aria-rowindex={first + i + 2} aria-selected={first + i === at} class={`tr ${first + i === at ? "at" : ""} ${number === best ? "is-best" : ""}`} style={{ top: `${(first + i) * ROW}px` }}
                  onClick={() => open(number)}>
                  <span role="gridcell" class="c-number right">{number}</span>
                  <span role="gridcell" class="c-state"><State state={stateName} live />{(t.flags[k] & 2) > 0 && <em class="mark">invalid</em>}</span>
                  <span role="gridcell" class="c-cell">{architecture ? <Strip architecture={architecture} colours={colours} /> : <span class="strip waiting" />}</span>
                  <span role="gridcell" class="c-value right">{number === best && <Star />}{value(t.value[k])}</span>
                  <span role="gridcell" class="c-mean right">{t.mean[k] === null ? <i class="dim">–</i> : <>{value(t.mean[k])}<i class="dim"> ± {delta(t.std[k] ?? 0)}</i></>}</span>
                  <span role="gridcell" class="c-origin">{columns.origins[t.origin[k]]}{t.rank[k] !== null && columns.origins[t.origin[k]] === "acquisition" && <i class="dim"> #{(t.rank[k] as number) + 1}</i>}</span>
                  <span role="gridcell" class="c-worker">{t.worker[k] === null ? <i class="dim">–</i> : columns.workers[t.worker[k] as number]}</span>
                  <span role="gridcell" class="c-seconds right">{span(t.seconds[k] ?? (stateName === "running" && t.started[k] !== null ? now - (t.started[k] as number) : null))}</span>
                  <span role="gridcell" class="c-finished right">{t.finished[k] === null ? <i class="dim">–</i> : ago(now - (t.finished[k] as number))}</span>
                </div>
              );
            })}
          </div>
          {!rows.length && <Empty title={t.number.length ? "No trial is like that" : "No trials yet"}>{t.number.length > 0 && <Button onClick={() => { setSearch(""); setState("all"); }}>Show all {plural(t.number.length, "trial")}</Button>}</Empty>}
        </div>
      </div>
    </section>
  );
}

export function Star() {
  return <svg class="star" width="13" height="13" viewBox="0 0 24 24" role="img" aria-label="best"><path d="M12 2l3 6.6 7.2.8-5.3 4.9 1.5 7.1L12 17.8l-6.4 3.6 1.5-7.1L1.8 9.4 9 8.6z" /></svg>;
}
