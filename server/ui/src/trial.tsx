// One trial: its cell, what came of it, how it was trained, and why it was proposed.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Picture, Strip, useCell } from "./cell";
import { ago, compact, delta, moment, plural, signed, span, value, whole } from "./format";
import { Ask, Button, Card, Copy, Empty, Problem, Segmented, Skeleton, State, Tags, type Question } from "./parts";
import { Curves } from "./pictures";
import { CellCopies, useFeed } from "./study";
import { Star } from "./table";
import { get, post, studyPath, type AttemptRecord, type Explanation, type Neighbour, type Trial } from "./wire";
import type { Feed } from "./feed";

export function TrialPage({ name, number, go, may, connected }: { name: string; number: number; go: (path: string) => void; may: boolean; connected: (feed: Feed | null) => void }) {
  const feed = useFeed(name);
  const [trial, setTrial] = useState<Trial | null>(null);
  const [why, setWhy] = useState<Explanation | null>(null);
  const [attempts, setAttempts] = useState<AttemptRecord[]>([]);
  const [near, setNear] = useState<{ total: number; trials: Neighbour[] } | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [asking, setAsking] = useState<Question | null>(null);
  useEffect(() => { connected(feed); return () => connected(null); }, [feed]);
  useEffect(() => feed.want("atlas"), [feed]);
  useEffect(() => feed.want("live"), [feed]);
  const path = `${studyPath(name)}/trials/${number}`;
  const columns = feed.columns;
  const state = columns && columns.trials.number[number] === number ? `${columns.trials.state[number]} ${columns.trials.flags[number]} ${columns.trials.attempts[number]}` : null;
  const heard = feed.live?.attempts.find((attempt) => attempt.trial === number)?.heartbeat_at ?? null;
  useEffect(() => { setTrial(null); setWhy(null); setNear(null); setAttempts([]); setError(null); }, [path]);
  useEffect(() => {
    let over = false;
    get<Trial>(path).then((read) => { if (!over) setTrial(read); }, (found: Error) => { if (!over) setError(found); });
    get<Explanation>(`${path}/explain`).then((read) => { if (!over) setWhy(read); }, () => undefined);
    get<{ total: number; trials: Neighbour[] }>(`${path}/neighbours`).then((read) => { if (!over) setNear(read); }, () => undefined);
    return () => { over = true; };
  }, [path, state]);
  useEffect(() => { get<{ attempts: AttemptRecord[] }>(`${path}/attempts`).then((read) => setAttempts(read.attempts), () => undefined); }, [path, state, heard]);
  const cell = useCell(name, trial?.architecture ?? null);
  if (error) return <main><h1>Trial {number}</h1><Problem error={error}><a class="button plain" href={`/ui/studies/${encodeURIComponent(name)}`}>Back to {name}</a></Problem></main>;
  if (!trial || !columns) return <main><h1>Trial {number}</h1><Skeleton height={96} /><Skeleton height={360} /></main>;
  const { study } = columns;
  const colours = feed.atlas?.colours ?? {};
  const here = (n: number) => `/ui/studies/${encodeURIComponent(name)}/trials/${n}`;
  const last = columns.trials.number.length - 1;
  const act = (verb: string, body: (reason: string) => unknown = (reason) => (reason ? { reason } : {})): Question["run"] => async (reason) => { await post(`${path}/${verb}`, body(reason)); await feed.refresh(); };
  const live = trial.state === "pending" || trial.state === "running";
  const questions: Record<string, Question> = {
    cancel: { title: `Cancel trial ${number}?`, text: "Its worker learns so at its next heartbeat. A result that comes all the same is kept.", action: "Cancel the trial", danger: true, reason: true, run: act("cancel") },
    retry: { title: `Try trial ${number} again?`, text: "It goes to the front of the queue under the same number.", action: "Try again", run: act("retry", () => ({})) },
    repeat: { title: `Repeat trial ${number}?`, text: "The same cell is measured once more with another seed, as a trial of its own.", action: "Repeat", run: act("repeat", () => ({ count: 1 })) },
  };
  const best = study.best?.number === number;
  const miss = trial.value !== null && trial.prediction ? trial.value - trial.prediction.mean : null;
  return (
    <main>
      <div class="title">
        <div>
          <h1>Trial {number}{best && <Star />}</h1>
          <p class="about"><State state={trial.state} live /><span>{trial.origin}</span>{trial.phase !== "search" && trial.phase !== trial.origin && <span>{trial.phase}</span>}{trial.late && <span class="warn-text">told late</span>}{trial.invalidated && <span class="bad-text">invalidated</span>}{trial.repeat_of !== null && <a href={here(trial.repeat_of)}>repeats trial {trial.repeat_of}</a>}<Tags tags={trial.tags} /></p>
        </div>
        <div class="actions">
          {may && live && <Button icon="close" onClick={() => setAsking(questions.cancel)}>Cancel</Button>}
          {may && ["failed", "infeasible", "cancelled"].includes(trial.state) && <Button icon="refresh" onClick={() => setAsking(questions.retry)}>Retry</Button>}
          {may && trial.state === "complete" && <Button icon="repeat" onClick={() => setAsking(questions.repeat)}>Repeat</Button>}
          <span class="pager">
            <Button icon="up" kind="quiet" title="The trial before" disabled={number === 0} onClick={() => go(here(number - 1))} />
            <Button icon="down" kind="quiet" title="The next trial" disabled={number >= last} onClick={() => go(here(number + 1))} />
          </span>
        </div>
      </div>
      <dl class="figures">
        <div class="first"><dt>{study.objective.name}</dt><dd>{value(trial.value)}</dd><dd class="says">{trial.measurements.length ? `measured ${plural(trial.measurements.length + 1, "time")}` : best ? "the best so far" : study.best && trial.value !== null ? `${delta(study.best.value - trial.value)} behind the best` : "not measured"}</dd></div>
        <div><dt>Predicted</dt><dd>{trial.prediction ? value(trial.prediction.mean) : "–"}</dd><dd class="says">{trial.prediction ? <>± {delta(trial.prediction.std)}{miss !== null && <>, {signed(miss)} measured</>}</> : "no model was asked"}</dd></div>
        <div><dt>Took</dt><dd>{span(trial.cost.seconds ?? (trial.started_at && trial.finished_at ? (Date.parse(trial.finished_at) - Date.parse(trial.started_at)) / 1000 : null))}</dd><dd class="says">{trial.finished_at ? moment(trial.finished_at) : trial.started_at ? `since ${moment(trial.started_at)}` : "not started"}</dd></div>
        <div><dt>Attempts</dt><dd>{whole(attempts.length)}</dd><dd class="says">{attempts.at(-1)?.worker_id ?? "no worker yet"}</dd></div>
        {cell?.parameters !== null && cell?.parameters !== undefined && <div><dt>Parameters</dt><dd>{compact(cell.parameters)}</dd><dd class="says">{cell.flops !== null && `${compact(cell.flops)} multiply-adds`}</dd></div>}
      </dl>
      {trial.note && <p class="banner">{trial.note}</p>}
      <div class="trial">
        <Card title="Cell" class="best">
          {cell?.svg ? <Picture svg={cell.svg} label={`The cell: ${cell.text}`} /> : <Skeleton height={280} />}
          {cell && <p class="arch mono" tabIndex={0}>{cell.text}</p>}
          <CellCopies study={name} cell={cell} number={number} />
        </Card>
        <div class="stack">
          {why && <Why why={why} trial={trial} study={name} objective={study.objective.name} colours={colours} here={here} go={go} />}
          {attempts.some((attempt) => attempt.curve.step.length > 0) && <Card title="Curve"><Curves label={`Trial ${number}`} curves={attempts.filter((attempt) => attempt.curve.step.length > 0).map((attempt) => ({ name: attempts.length > 1 ? `attempt ${attempt.number}` : "attempt", curve: attempt.curve }))} /></Card>}
          {trial.error && <Failure error={trial.error} />}
          <Log attempts={attempts} />
          <Attempts attempts={attempts} />
          {(Object.keys(trial.metrics).length > 0 || Object.keys(trial.cost).length > 0 || trial.measurements.length > 0) && (
            <Card title="Told with it">
              <dl class="facts">
                {Object.entries(trial.metrics).map(([key, v]) => <><dt>{key}</dt><dd>{Number.isInteger(v) ? whole(v) : value(v)}</dd></>)}
                {Object.entries(trial.cost).map(([key, v]) => <><dt>cost: {key}</dt><dd>{key === "seconds" ? span(v) : value(v)}</dd></>)}
                {trial.measurements.map((one, k) => <><dt>measured again{one.seed !== null ? `, seed ${one.seed}` : ""}</dt><dd key={k}>{value(one.value)}</dd></>)}
                <dt>seed</dt><dd>{trial.seed}</dd>
              </dl>
            </Card>
          )}
        </div>
        <Card title="Neighbours measured" class="neighbours" note={near ? `${plural(near.total, "network")} ${near.total === 1 ? "is" : "are"} one edit away; ${near.trials.length ? `${plural(near.trials.length, "is", "are").replace(/^(\S+) (\S+)$/, "$1 of them $2")} in this study` : "none of them is in this study"}.` : undefined}>
          {!near ? <Skeleton height={160} /> : near.trials.length ? (
            <ol class="near">{near.trials.slice(0, 14).map((one) => (
              <li key={one.number} onClick={() => go(here(one.number))}><a href={here(one.number)}>{one.number}</a><Strip architecture={one.architecture} colours={colours} /><span class="number">{value(one.value)}</span>
                <span class={one.value !== null && trial.value !== null ? ((one.value - trial.value) * (study.objective.direction === "maximize" ? 1 : -1) > 0 ? "good-text" : "dim") : "dim"}>{one.value !== null && trial.value !== null ? signed(one.value - trial.value) : one.state}</span></li>
            ))}</ol>
          ) : <Empty title="None yet" />}
        </Card>
      </div>
      {asking && <Ask question={asking} onClose={() => setAsking(null)} />}
    </main>
  );
}

function Why({ why, trial, study, objective, colours, here, go }: { why: Explanation; trial: Trial; study: string; objective: string; colours: Record<string, string>; here: (n: number) => string; go: (path: string) => void }) {
  void study;
  const story = () => {
    if (trial.origin === "initial") return <p class="lead">It belongs to the initial design: cells drawn at random before there is a model to ask.</p>;
    if (trial.origin === "queue") return <p class="lead">A person queued it.</p>;
    if (trial.origin === "baseline") return <p class="lead">It belongs to the baseline: cells drawn at random, so that it is known how good the average one is.</p>;
    if (trial.origin === "confirm") return <p class="lead">It trains one of the best cells once more, with another seed: a single lucky value must not decide.</p>;
    if (trial.origin === "repeat") return <p class="lead">It repeats another trial with another seed.</p>;
    if (trial.origin === "import") return <p class="lead">It was measured elsewhere and imported.</p>;
    if (trial.origin === "fallback") return <p class="lead">No fit was ready in time, so an unseen cell was drawn at random rather than let a worker wait.</p>;
    if (why.model_version === null) return <p class="lead">No model was used.</p>;
    return (
      <p class="lead">
        Fit {whole(why.model_version)} proposed it{why.rank !== null && <>, as {why.rank === 0 ? "its first choice" : `number ${why.rank + 1} of its pool`}</>}.
        {why.mean !== null && <> It expected {objective} {value(why.mean)} ± {delta(why.std ?? 0)}</>}{why.acquisition !== null && <>, which the acquisition function rated {value(why.acquisition)}</>}{why.mean !== null && "."}
        {trial.value !== null && why.mean !== null && <> Measured were {value(trial.value)}, {why.std ? `${(Math.abs(trial.value - why.mean) / why.std).toFixed(1)} standard deviations ${trial.value >= why.mean ? "above" : "below"}` : signed(trial.value - why.mean)}.</>}
      </p>
    );
  };
  return (
    <Card title="Why this cell">
      {story()}
      {why.pending.length > 0 && <p class="lead dim">Under way at that moment: {why.pending.slice(0, 12).map((n, k) => <>{k > 0 && ", "}<a key={n} href={here(n)}>{n}</a></>)}{why.pending.length > 12 && ` and ${why.pending.length - 12} more`}.</p>}
      {why.alternatives.length > 0 && (
        <>
          <h3>Not taken</h3>
          <div class="scroll-x" tabIndex={0} role="group" aria-label="Alternatives">
            <table class="plain alternatives">
              <thead><tr><th scope="col">Cell</th><th scope="col" class="right">Predicted</th><th scope="col" class="right">Acquisition</th><th scope="col"><span class="sr">Copy</span></th></tr></thead>
              <tbody>{why.alternatives.map((one) => (
                <tr key={one.arch_id}><td><Strip architecture={one.architecture} colours={colours} /></td><td class="right number">{one.mean === null ? "–" : `${value(one.mean)} ± ${delta(one.std ?? 0)}`}</td><td class="right number">{value(one.acquisition)}</td><td class="right"><Copy kind="quiet" text={JSON.stringify(one.architecture)} /></td></tr>
              ))}</tbody>
            </table>
          </div>
        </>
      )}
      {void go}
    </Card>
  );
}

function Failure({ error }: { error: { kind?: string; message?: string; traceback_tail?: string | null } }) {
  return (
    <Card title={<>How it failed <span class="tag">{error.kind ?? "unknown"}</span></>}>
      {error.message && <p class="lead bad-text">{error.message}</p>}
      {error.traceback_tail && <pre class="log" tabIndex={0}>{error.traceback_tail}</pre>}
    </Card>
  );
}

/** The last lines of an attempt, always at their end unless somebody has scrolled up. */
function Log({ attempts }: { attempts: AttemptRecord[] }) {
  const place = useRef<HTMLPreElement>(null);
  const follows = useRef(true);
  const [chosen, setChosen] = useState<string | null>(null);
  const said = attempts.filter((attempt) => attempt.log_tail);
  const shown = said.find((attempt) => String(attempt.number) === chosen) ?? said.at(-1);
  useLayoutEffect(() => { if (place.current && follows.current) place.current.scrollTop = place.current.scrollHeight; }, [shown?.number, shown?.log_tail]);
  if (!shown) return null;
  const live = shown.state === "leased" && shown.heartbeat_at !== null;
  return (
    <Card title="Log" aside={said.length > 1 && <Segmented label="Attempt" value={String(shown.number)} onChange={setChosen} options={said.map((attempt) => [String(attempt.number), `attempt ${attempt.number}`] as const)} />}
      note={live ? "The last lines it has printed; new ones come with its heartbeats and reports." : `The last lines it printed${shown.worker_id ? ` on ${shown.worker_id}` : ""}.`}>
      <pre class="log" ref={place} tabIndex={0} aria-label="The last lines of the log" onScroll={({ currentTarget: at }) => { follows.current = at.scrollTop + at.clientHeight > at.scrollHeight - 8; }}>{shown.log_tail}</pre>
    </Card>
  );
}

function Attempts({ attempts }: { attempts: AttemptRecord[] }) {
  if (!attempts.length) return <Card title="Attempts"><Empty title="No worker has had it yet" /></Card>;
  return (
    <Card title="Attempts">
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Attempts">
        <table class="plain">
          <thead><tr><th scope="col">No.</th><th scope="col">Worker</th><th scope="col">State</th><th scope="col" class="right">Value</th><th scope="col" class="right">Lasted</th><th scope="col" class="right">Begun</th></tr></thead>
          <tbody>{attempts.map((one) => (
            <tr key={one.number}><td class="number">{one.number}</td><td class="mono">{one.worker_id ?? "–"}</td><td><State state={one.state} />{one.kind && <span class="tag">{one.kind}</span>}</td><td class="right number">{value(one.value)}</td>
              <td class="right number">{span((Date.parse(one.ended_at ?? new Date().toISOString()) - Date.parse(one.leased_at)) / 1000)}</td><td class="right" title={moment(one.leased_at)}>{ago((Date.now() - Date.parse(one.leased_at)) / 1000)}</td></tr>
          ))}</tbody>
        </table>
      </div>
    </Card>
  );
}
