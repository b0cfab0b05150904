// One study: how well it does, what it is at, what it has learned, and everything that can be done with it.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Picture, Strip, described, useCell } from "./cell";
import { ago, clock, delta, hours, moment, plural, span, value, whole } from "./format";
import { Editor, type Description } from "./editor";
import { Feed } from "./feed";
import { Ask, Button, Card, Command, Copy, Dialog, Empty, Problem, Skeleton, State, Tags, useEvery, type Question } from "./parts";
import { Atlases, BestSoFar, Curves, Fits, Importance, Predicted } from "./pictures";
import { Phases, hasPhases } from "./phases";
import { ReportTab } from "./report";
import { pairsOf, resultsOf, tauOf, type Results } from "./results";
import { Meter } from "./studies";
import { Star, Trials, useArchitectures } from "./table";
import { get, post, studyPath, text, type AttemptRecord, type Features, type Json, type Machine, type SpaceKind, type Study, type StudyColumns, type StudyEvent, type StudyWorker, type ValidCell } from "./wire";

export const TABS = [["", "Overview"], ["trials", "Trials"], ["space", "Space"], ["model", "Model"], ["workers", "Workers"], ["events", "Events"], ["report", "Report"], ["setup", "Setup"]] as const;

export function useFeed(name: string): Feed {
  const [feed, setFeed] = useState(() => new Feed(name));
  const [, redraw] = useState(0);
  useEffect(() => {
    const made = feed.name === name ? feed : new Feed(name);
    if (made !== feed) setFeed(made);
    const end = made.subscribe(() => redraw((n) => n + 1));
    const stop = made.start();
    return () => { end(); stop(); };
  }, [name]);
  return feed;
}

export function StudyPage({ name, tab, go, may, connected }: { name: string; tab: string; go: (path: string) => void; may: boolean; connected: (feed: Feed | null) => void }) {
  const feed = useFeed(name);
  const [asking, setAsking] = useState<Question | null>(null);
  const [queueing, setQueueing] = useState(false);
  useEffect(() => { connected(feed); return () => connected(null); }, [feed]);
  useEffect(() => feed.want("atlas"), [feed]);
  const tabs = useRef<HTMLElement>(null);
  const loaded = feed.columns !== null;
  useEffect(() => { const at = tabs.current?.querySelector<HTMLElement>("[aria-current]"); if (tabs.current && at) tabs.current.scrollLeft = at.offsetLeft + at.clientWidth / 2 - tabs.current.clientWidth / 2; }, [tab, loaded]);
  const columns = feed.columns;
  const results = useMemo(() => (columns ? resultsOf(columns) : null), [columns]);
  if (!columns || !results) {
    if (feed.error) return <main><h1>{name}</h1><Problem error={feed.error}><a class="button plain" href="/ui">All studies</a></Problem></main>;
    return <main><h1>{name}</h1><Skeleton height={96} /><Skeleton height={360} /></main>;
  }
  const { study } = columns;
  const path = `/ui/studies/${encodeURIComponent(name)}`;
  const open = (number: number) => go(`${path}/trials/${number}`);
  const act = (verb: string): Question["run"] => async (reason) => { await post(`${studyPath(name)}/${verb}`, reason ? { reason } : {}); await feed.refresh(); };
  const questions: Record<string, Question> = {
    pause: { title: `Pause ${name}?`, text: "No more trials are started. Those under way go on, and their results are kept.", action: "Pause", reason: true, run: act("pause") },
    resume: { title: `Resume ${name}?`, text: study.state === "finished" ? "The study is reopened, and workers that ask get trials again." : "Workers that ask get trials again.", action: "Resume", reason: true, run: act("resume") },
    confirm: { title: `Confirm the best cells of ${name}?`, text: "The search ends now. The best cells, as the model has them, are trained again over several seeds, and the report compares them with random ones.", action: "Confirm", run: async () => { await post(`${studyPath(name)}/confirm`, {}); await feed.refresh(); } },
    finish: { title: `Finish ${name}?`, text: "No more trials are started, and workers that ask are sent home. Results that are still on their way are kept. It can be reopened.", action: "Finish", reason: true, danger: true, run: act("finish") },
  };
  return (
    <main>
      <div class="title">
        <div>
          <h1>{study.name}</h1>
          <p class="about"><StudyState study={study} /><span>{columns.space_kind}</span><span>{study.strategy.name}</span><Tags tags={study.tags} /></p>
        </div>
        {may && (
          <div class="actions">
            <Button icon="plus" onClick={() => setQueueing(true)}>Queue a cell</Button>
            {study.state === "running" && <Button icon="pause" onClick={() => setAsking(questions.pause)}>Pause</Button>}
            {study.state !== "running" && <Button icon="play" onClick={() => setAsking(questions.resume)}>Resume</Button>}
            {study.state !== "finished" && study.trials.complete > 0 && <Button icon="check" onClick={() => setAsking(questions.confirm)}>Confirm</Button>}
            {study.state !== "finished" && <Button icon="flag" onClick={() => setAsking(questions.finish)}>Finish</Button>}
          </div>
        )}
      </div>
      {study.description && <p class="description">{study.description}</p>}
      {study.state_reason && study.state !== "running" && <p class={`banner ${study.state === "paused" ? "warn" : ""}`}><strong>{study.state === "paused" ? "Paused" : "Finished"}</strong> {study.state_reason}</p>}
      <Figures feed={feed} columns={columns} results={results} />
      <nav class="tabs" ref={tabs} aria-label="Parts of the study">
        {TABS.map(([key, text]) => <a key={key} href={key ? `${path}/${key}` : path} aria-current={key === tab ? "page" : undefined}>{text}{key === "trials" && <b>{whole(columns.trials.number.length)}</b>}</a>)}
      </nav>
      {tab === "" && <OverviewTab feed={feed} columns={columns} results={results} open={open} path={path} />}
      {tab === "trials" && <Trials feed={feed} columns={columns} colours={feed.atlas?.colours ?? {}} open={open} />}
      {tab === "space" && (
        <div class="stack">
          <Atlases columns={columns} results={results} atlas={feed.atlas} error={feed.atlasError} open={open} height={520} />
          <Importance study={study.name} atlas={feed.atlas} error={feed.atlasError} kind={columns.space_kind} />
        </div>
      )}
      {tab === "model" && <ModelTab feed={feed} columns={columns} results={results} open={open} />}
      {tab === "workers" && <WorkersTab feed={feed} columns={columns} open={open} />}
      {tab === "events" && <EventsTab feed={feed} columns={columns} open={open} />}
      {tab === "report" && <ReportTab columns={columns} results={results} colours={feed.atlas?.colours ?? {}} open={open} />}
      {tab === "setup" && <SetupTab study={study} />}
      {asking && <Ask question={asking} onClose={() => setAsking(null)} />}
      {queueing && <Queue study={name} columns={columns} onClose={() => setQueueing(false)} done={() => void feed.refresh()} />}
    </main>
  );
}

function Figures({ feed, columns, results }: { feed: Feed; columns: StudyColumns; results: Results }) {
  const { study } = columns;
  const { trials, budget, model } = study;
  const ended = trials.complete + trials.pruned + trials.failed + trials.infeasible;
  const pairs = useMemo(() => pairsOf(columns, results), [results]);
  const tau = useMemo(() => tauOf(pairs), [pairs]);
  const first = results.best[Math.min(9, results.best.length - 1)];
  const gain = study.best && first !== undefined && results.best.length > 10 ? study.best.value - first : null;
  const spent = results.spent.at(-1) ?? 0;
  const fit = columns.fits.seconds.at(-1);
  const refitting = feed.refitting ?? model.refitting;
  const modelless = model.version === 0 && !refitting;
  return (
    <dl class="figures">
      <div class="first"><dt>Best {study.objective.name}</dt><dd key={study.best?.number} class={study.best ? "fresh" : ""}>{value(study.best?.value)}</dd>
        <dd class="says">{study.best ? <>trial {study.best.number}{gain !== null && gain !== 0 && <>, <b class="good-text">{gain > 0 ? "+" : "−"}{delta(gain)}</b> on the first ten</>}</> : "no result yet"}</dd></div>
      <div><dt>Trials</dt><dd>{whole(ended)}{budget.max_trials !== null && <span> / {whole(budget.max_trials)}</span>}</dd>
        <dd class="says">{budget.max_trials !== null ? <Meter share={ended / budget.max_trials} label="Trials of the budget" /> : trials.failed ? `${whole(trials.failed)} failed` : "no limit"}</dd></div>
      <div><dt>Running</dt><dd>{whole(trials.running)}</dd><dd class="says">{trials.pending ? `${whole(trials.pending)} queued` : "nothing queued"}</dd></div>
      <div><dt>Trained for</dt><dd>{hours(spent)}</dd><dd class="says">{results.rows.length ? `${span(spent / results.rows.length)} a result` : "–"}</dd></div>
      <div><dt>Model</dt><dd>{modelless ? "–" : model.lag === 0 ? "up to date" : `${whole(model.lag)} behind`}</dd>
        <dd class="says">{refitting ? <><i class="spinner" /> fitting</> : modelless ? (study.strategy.name === "random" ? "random needs none" : "not fitted yet") : <>fit {whole(model.version)} took {span(fit)}{model.degraded && <b class="bad-text"> degraded</b>}</>}</dd></div>
      <div><dt>Rank correlation</dt><dd>{tau === null || pairs.length < 5 ? "–" : tau.toFixed(2)}</dd><dd class="says">{pairs.length ? `τ of ${plural(Math.min(500, pairs.length), "prediction")}` : "no predictions yet"}</dd></div>
    </dl>
  );
}

function OverviewTab({ feed, columns, results, open, path }: { feed: Feed; columns: StudyColumns; results: Results; open: (number: number) => void; path: string }) {
  const { study } = columns;
  useEffect(() => feed.want("live"), [feed]);
  const started = columns.trials.number.length > 0;
  const running = feed.live?.attempts ?? [];
  const curves = running.filter((attempt) => attempt.curve.step.length > 0);
  const predicts = study.strategy.name !== "random" || results.rows.some((row) => columns.trials.mean[row] !== null);
  const over = isOver(study);
  return (
    <div class="overview">
      {!started && <Start study={study} kind={columns.space_kind} />}
      {started && (results.value.length > 0 ? <BestSoFar columns={columns} results={results} open={open} /> : <Card title="Best so far" class="wide"><Empty title="Waiting for the first result"><p>{study.trials.running ? `${plural(study.trials.running, "trial is", "trials are")} being trained.` : "Trials are waiting for a worker."}</p></Empty></Card>)}
      {started && <BestCell study={study} open={open} />}
      {started && hasPhases(columns) && <Phases columns={columns} results={results} open={open} path={path} />}
      {started && results.value.length > 0 && <>
        {predicts && <Predicted columns={columns} results={results} open={open} />}
        <Atlases columns={columns} results={results} atlas={feed.atlas} error={feed.atlasError} open={open} height={262} wide={!predicts} />
        <Importance study={study.name} atlas={feed.atlas} error={feed.atlasError} kind={columns.space_kind} />
      </>}
      {started && <Latest columns={columns} feed={feed} open={open} path={path} />}
      {started && (running.length > 0 ? <Running feed={feed} attempts={running} open={open} curves={curves} /> : !over && feed.live && isAlone(feed) && <StartWorker study={study} kind={columns.space_kind} />)}
    </div>
  );
}

/** Nobody has been heard of for a minute: between two trials a worker holds none. */
function isAlone(feed: Feed): boolean {
  const live = feed.live;
  return live !== null && live.workers.every((worker) => Date.parse(live.now) - Date.parse(worker.last_seen_at) > 60_000);
}

/** Nothing is under way and nothing more will be started by itself. */
export function isOver(study: Study): boolean {
  const { trials, budget } = study;
  const ended = trials.complete + trials.pruned + trials.failed + trials.infeasible + trials.cancelled;
  return study.state === "finished" || (trials.running + trials.pending === 0 && budget.max_trials !== null && ended >= budget.max_trials);
}

export function StudyState({ study }: { study: Study }) {
  return study.state === "running" && isOver(study) ? <State state="budget spent" /> : <State state={study.state} live={study.trials.running > 0} />;
}

function Running({ feed, attempts, curves, open }: { feed: Feed; attempts: AttemptRecord[]; curves: AttemptRecord[]; open: (number: number) => void }) {
  return (
    <Card title="Being trained" aside={<a href={`/ui/studies/${encodeURIComponent(feed.name)}/workers`}>{plural(new Set(attempts.map((attempt) => attempt.worker_id)).size, "worker")}</a>}>
      {curves.length > 0 && <Curves height={170} label="Running trials" curves={curves.map((attempt) => ({ name: `trial ${attempt.trial}`, curve: attempt.curve }))} />}
      <ol class="running-list">
        {attempts.slice(0, curves.length ? 3 : 8).map((attempt) => (
          <li key={`${attempt.trial} ${attempt.number}`} onClick={() => open(attempt.trial)}>
            <a href={`/ui/studies/${encodeURIComponent(feed.name)}/trials/${attempt.trial}`}>{attempt.trial}</a>
            <span class="mono dim">{attempt.worker_id ?? "–"}</span>
            {attempt.progress !== null ? <Meter share={attempt.progress} label={`Progress of trial ${attempt.trial}`} /> : <span />}
          </li>
        ))}
      </ol>
    </Card>
  );
}

function evaluators(kind: string): [string, string][] {
  const some: [string, string][] = kind === "nasbench201" ? [["tabular:nasbench201/cifar10", "the real table, a whole search in minutes"], ["train:digits", "real networks on scikit-learn’s digits"]] : [];
  return [...some, ["python:my_module:evaluate", "your own function"], ["command:./train.sh", "any program"]];
}

function workerCommand(study: string, evaluator: string): string { return `bonanza worker --server ${location.origin} --study ${study} --evaluator ${evaluator}`; }

function Start({ study, kind }: { study: Study; kind: string }) {
  return (
    <Card title="Start a worker" class="full">
      <p class="lead">The study is ready. Whoever runs this gets cells to train, here or on any machine that reaches this server; run it as often as you have GPUs.</p>
      {evaluators(kind).map(([evaluator, what]) => <div class="choice" key={evaluator}><span>{what}</span><Command text={workerCommand(study.name, evaluator)} /></div>)}
    </Card>
  );
}

function StartWorker({ study, kind }: { study: Study; kind: string }) {
  return (
    <Card title="No worker">
      <p class="lead">Nobody is training at the moment. Whoever runs this gets the next cell:</p>
      <Command text={workerCommand(study.name, evaluators(kind)[0][0])} />
      <p class="note">{evaluators(kind).slice(1).map(([evaluator, what], k) => <>{k > 0 && ", "}<code key={evaluator}>{evaluator}</code> {what}</>)}.</p>
    </Card>
  );
}

function BestCell({ study, open }: { study: Study; open: (number: number) => void }) {
  const cell = useCell(study.name, study.best?.architecture ?? null);
  if (!study.best) return <Card title="Best cell"><Empty title="No cell measured yet" /></Card>;
  const { number } = study.best;
  return (
    <Card title="Best cell" class="best" aside={<a href={`/ui/studies/${encodeURIComponent(study.name)}/trials/${number}`} onClick={(event) => { event.preventDefault(); open(number); }}>trial {number}</a>}>
      {cell?.svg ? <Picture svg={cell.svg} label={`The best cell: ${cell.text}`} /> : <Skeleton height={220} />}
      <CellCopies study={study.name} cell={cell} number={number} />
    </Card>
  );
}

/** The cell for other programs. */
export function CellCopies({ study, cell, number }: { study: string; cell: ValidCell | null; number: number }) {
  if (!cell) return null;
  return (
    <div class="copies">
      {cell.text !== JSON.stringify(cell.architecture) && <Copy text={cell.text}>Genotype</Copy>}
      <Copy text={JSON.stringify(cell.architecture)}>JSON</Copy>
      <Copy text={() => text(`${studyPath(study)}/trials/${number}/code`)}>PyTorch</Copy>
    </div>
  );
}

function Latest({ columns, feed, open, path }: { columns: StudyColumns; feed: Feed; open: (number: number) => void; path: string }) {
  const t = columns.trials;
  const [architectures, want] = useArchitectures(feed.name);
  const rows = useMemo(() => t.number.map((_, k) => k).sort((a, b) => latest(columns, b) - latest(columns, a) || b - a).slice(0, 8), [columns]);
  useEffect(() => want(rows.map((k) => t.number[k])), [rows.join()]);
  const best = columns.study.best?.number;
  const full = !columns.study.trials.running && (isOver(columns.study) || !isAlone(feed));
  return (
    <Card title="Latest" class={`latest ${full ? "full" : "wide"}`} aside={<a href={`${path}/trials`}>all {plural(t.number.length, "trial")}</a>}>
      <ol class="latest-list">
        {rows.map((k) => (
          <li key={t.number[k]} onClick={() => open(t.number[k])}>
            <a href={`${path}/trials/${t.number[k]}`} onClick={(event) => event.preventDefault()}>{t.number[k]}</a>
            <State state={columns.states[t.state[k]]} live />
            {architectures.has(t.number[k]) ? <Strip architecture={architectures.get(t.number[k]) as Json} colours={feed.atlas?.colours ?? {}} /> : <span class="strip waiting" />}
            <span class="dim origin">{columns.origins[t.origin[k]]}</span>
            <span class="number right">{t.number[k] === best && <Star />}{value(t.value[k])}</span>
            <span class="dim right">{t.finished[k] !== null ? ago(feed.now() - (t.finished[k] as number)) : t.worker[k] !== null ? columns.workers[t.worker[k] as number] : "queued"}</span>
          </li>
        ))}
      </ol>
    </Card>
  );
}
function latest(columns: StudyColumns, k: number): number {
  const t = columns.trials;
  return t.finished[k] ?? (columns.states[t.state[k]] === "running" ? Infinity : t.created[k]);
}

function ModelTab({ feed, columns, results, open }: { feed: Feed; columns: StudyColumns; results: Results; open: (number: number) => void }) {
  const [model, setModel] = useState<(Json & { diagnostics: Json; pool: number; last_error: string | null; fitted_at: string | null }) | null>(null);
  const version = columns.study.model.version;
  const [known, setKnown] = useState<Features | null>(null);
  useEffect(() => {
    get<typeof model>(`${studyPath(feed.name)}/model`).then(setModel, () => undefined);
    get<Features>(`${studyPath(feed.name)}/features`).then(setKnown, () => undefined);
  }, [version]);
  const weights = Object.entries((model?.diagnostics.weights ?? {}) as Record<string, number>).sort(([, a], [, b]) => b - a);
  if (version === 0) return <Card><Empty title={columns.study.strategy.name === "random" ? "Random search has no model" : "No fit yet"}><p>{columns.study.strategy.name === "random" ? "Each cell is drawn from the space without regard to the results." : "The first model is fitted as soon as the initial cells are measured."}</p></Empty></Card>;
  return (
    <div class="halves">
      <Predicted columns={columns} results={results} open={open} />
      <Fits columns={columns} />
      <Card title="The newest fit">
        <dl class="facts">
          <dt>version</dt><dd>{whole(version)}</dd>
          <dt>read</dt><dd>{plural(columns.study.model.observations, "result")}</dd>
          <dt>behind by</dt><dd>{plural(columns.study.model.lag, "result")}</dd>
          <dt>took</dt><dd>{span(columns.fits.seconds.at(-1))}</dd>
          {model && <><dt>proposals left</dt><dd>{whole(model.pool)}</dd></>}
          {model?.fitted_at && <><dt>made</dt><dd>{moment(model.fitted_at)}</dd></>}
          {Object.entries(model?.diagnostics ?? {}).filter(([, v]) => ["number", "string", "boolean"].includes(typeof v)).map(([key, v]) => <><dt>{key.replaceAll("_", " ")}</dt><dd>{typeof v === "number" ? (Number.isInteger(v) ? whole(v) : value(v)) : String(v)}</dd></>)}
        </dl>
        {model?.last_error && <Problem error={new Error(model.last_error)} />}
      </Card>
      {weights.length > 0 && (
        <Card title="What it goes by">
          <table class="plain">
            <thead><tr><th scope="col">View of a cell</th><th scope="col" class="right" colSpan={2}>Weight</th></tr></thead>
            <tbody>{weights.map(([name, weight]) => <tr key={name}><th scope="row">{name}</th><td class="weight"><Meter share={weight} label={`Weight of ${name}`} /></td><td class="right number">{Math.round(100 * weight)} %</td></tr>)}</tbody>
          </table>
        </Card>
      )}
      {known && known.features.length > 0 && (
        <Card title="Known beforehand" aside={<span class={known.read ? "dim" : "warn-text"}>{known.read ? `of ${plural(known.cells, "cell")}` : `${columns.study.strategy.name} does not read it`}</span>}>
          <table class="plain">
            <thead><tr><th scope="col">Feature</th><th scope="col" class="right">Cells</th><th scope="col" class="right">Measured</th><th scope="col" class="right">Rank correlation</th></tr></thead>
            <tbody>{known.features.map((one) => <tr key={one.name}><th scope="row">{one.name}</th><td class="right number">{whole(one.cells)}</td><td class="right number">{whole(one.measured)}</td><td class="right number">{one.rank_correlation === null ? "–" : one.rank_correlation.toFixed(2)}</td></tr>)}</tbody>
          </table>
        </Card>
      )}
      <Card title="Its strategy"><pre class="json" tabIndex={0}>{JSON.stringify(columns.study.strategy, null, 2)}</pre></Card>
    </div>
  );
}

function WorkersTab({ feed, columns, open }: { feed: Feed; columns: StudyColumns; open: (number: number) => void }) {
  useEffect(() => feed.want("live"), [feed]);
  const [, tick] = useState(0);
  useEffect(() => { const timer = setInterval(() => { if (!document.hidden) tick((n) => n + 1); }, 1000); return () => clearInterval(timer); }, []);
  const { live } = feed;
  if (!live) return <Skeleton height={240} />;
  const offset = Date.parse(live.now) / 1000 - (feed.now() + Date.parse(columns.study.created_at) / 1000);
  const since = (iso: string) => feed.now() + offset + Date.parse(columns.study.created_at) / 1000 - Date.parse(iso) / 1000;
  const beat = Number(columns.study.lease.heartbeat_s ?? 20);
  if (!live.workers.length) return <Start study={columns.study} kind={columns.space_kind} />;
  return (
    <div class="stack">
      <Card title={plural(live.workers.length, "worker")} class="list">
        <div class="scroll-x" tabIndex={0} role="group" aria-label="Workers">
          <table class="plain">
            <thead><tr><th scope="col">Worker</th><th scope="col">Training</th><th scope="col">Last heard of</th><th scope="col" class="right">Results</th><th scope="col" class="right">Failed</th><th scope="col" class="right">Lost</th><th scope="col" class="right">Busy for</th></tr></thead>
            <tbody>{live.workers.map((worker) => <WorkerRow key={worker.worker_id} worker={worker} since={since(worker.last_seen_at)} beat={beat} open={open} attempts={live.attempts} />)}</tbody>
          </table>
        </div>
      </Card>
      <Machines study={feed.name} open={open} />
      {live.attempts.some((attempt) => attempt.curve.step.length) && <Card title="Being trained"><Curves height={260} label="Running trials" curves={live.attempts.filter((attempt) => attempt.curve.step.length).map((attempt) => ({ name: `trial ${attempt.trial}`, curve: attempt.curve }))} /></Card>}
      {columns.study.state !== "finished" && <Card title="One more"><Command text={workerCommand(feed.name, evaluators(columns.space_kind)[0][0])} /></Card>}
    </div>
  );
}

/** What the daemons say of themselves: their slots, and the GPUs as their drivers see them. */
function Machines({ study, open }: { study: string; open: (number: number) => void }) {
  const [machines, setMachines] = useState<Machine[]>([]);
  useEvery(5, () => void get<{ workers: Machine[] }>(`/v1/workers?study=${encodeURIComponent(study)}`).then((read) => setMachines(read.workers), () => undefined), [study]);
  return (
    <>
      {machines.filter((machine) => machine.state !== "stopped" || machine.silent_s < 600).map((machine) => (
        <Card key={machine.id} title={<>{machine.id} <State state={machine.state} /></>} aside={<span class={machine.silent_s > 100 && machine.state !== "stopped" ? "warn-text" : "dim"}>heard of {ago(machine.silent_s)}</span>}>
          <div class="machine">
            <table class="plain">
              <thead><tr><th scope="col">Slot</th><th scope="col">State</th><th scope="col">Trial</th><th scope="col" class="right">Measured</th><th scope="col" class="right">Failed</th></tr></thead>
              <tbody>{machine.slots.map((slot) => (
                <tr key={slot.name}><th scope="row" class="mono">{slot.name}</th><td><State state={slot.state} />{slot.error && <small class="bad-text"> {slot.error.slice(0, 160)}</small>}</td>
                  <td>{slot.trial === null ? <span class="dim">–</span> : <button type="button" class="link" onClick={() => open(slot.trial as number)}>{slot.trial}</button>}</td><td class="right number">{whole(slot.measured)}</td><td class="right number">{whole(slot.failed)}</td></tr>
              ))}</tbody>
            </table>
            {machine.gpus.length > 0 && (
              <dl class="gpus">{machine.gpus.map((gpu) => (
                <><dt key={gpu.id}>{gpu.id} <span class="dim">{gpu.name}</span></dt>
                  <dd>{gpu.utilisation !== null && <><Meter share={gpu.utilisation / 100} label={`Load of GPU ${gpu.id}`} /><span class="number">{Math.round(gpu.utilisation)} %</span></>}
                    {gpu.memory_used_mb !== null && <span class="dim number">{(gpu.memory_used_mb / 1024).toFixed(1)}{gpu.memory_total_mb !== null && ` of ${Math.round(gpu.memory_total_mb / 1024)}`} GiB</span>}</dd></>
              ))}</dl>
            )}
          </div>
        </Card>
      ))}
    </>
  );
}

function WorkerRow({ worker, since, beat, open, attempts }: { worker: StudyWorker; since: number; beat: number; open: (number: number) => void; attempts: AttemptRecord[] }) {
  const holds = worker.trials.length > 0;
  const late = holds && since > beat * 1.6;
  return (
    <tr>
      <th scope="row" class="mono">{worker.worker_id ?? <span class="dim">without a name</span>}</th>
      <td>{holds ? worker.trials.map((number) => { const progress = attempts.find((attempt) => attempt.trial === number)?.progress; return <button type="button" class="link" key={number} onClick={() => open(number)}>trial {number}{progress !== null && progress !== undefined && <Meter share={progress} label={`Progress of trial ${number}`} />}</button>; }) : <span class="dim">nothing</span>}</td>
      <td class={late ? "warn-text" : holds ? "" : "dim"}>{ago(since)}{late && " — late"}</td>
      <td class="right number">{whole(worker.succeeded)}</td>
      <td class={`right number ${worker.failed ? "bad-text" : "dim"}`}>{whole(worker.failed)}</td>
      <td class={`right number ${worker.lost ? "warn-text" : "dim"}`}>{whole(worker.lost)}</td>
      <td class="right number">{span(worker.busy_s)}</td>
    </tr>
  );
}

const A_PAGE = 200;
function EventsTab({ feed, columns, open }: { feed: Feed; columns: StudyColumns; open: (number: number) => void }) {
  const [older, setOlder] = useState<StudyEvent[]>([]);
  const [from, setFrom] = useState<number | null>(null);
  const [kind, setKind] = useState("");
  const load = async (before: number) => {
    const after = Math.max(0, before - A_PAGE - 1);
    if (before - after <= 1) return;
    const answer = await fetch(`${studyPath(feed.name)}/events?after=${after}&limit=${before - after - 1}`, { headers: { Accept: "application/x-ndjson" } });
    const lines = (await answer.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line) as StudyEvent);
    setOlder((now) => [...lines, ...now]);
    setFrom(after + 1);
  };
  useEffect(() => { void load(columns.event + 1); }, [feed]);
  const all = useMemo(() => { const last = older.at(-1)?.seq ?? 0; return [...older, ...feed.events.filter((event) => event.seq > last)].reverse(); }, [older, feed.events]);
  const shown = kind ? all.filter((event) => event.kind.startsWith(kind)) : all;
  return (
    <Card title="What has happened" class="list" aside={<div class="chips" role="group" aria-label="Kind">{[["", "All"], ["trial", "Trials"], ["fit", "Model"], ["study", "Study"]].map(([key, text]) => <button type="button" class="chip" key={key} aria-pressed={kind === key} onClick={() => setKind(key)}>{text}</button>)}</div>}>
      <ol class="events">
        {shown.map((event) => (
          <li key={event.seq}>
            <time dateTime={event.at} title={moment(event.at)}>{clock(event.at)}</time>
            <span class={`kind ${toneOfEvent(event.kind)}`}>{event.kind.replace(".", " ")}</span>
            {event.number !== null ? <button type="button" class="link" onClick={() => open(event.number as number)}>trial {event.number}</button> : <span />}
            <span class="said">{said(event)}</span>
            <span class="seq">{event.seq}</span>
          </li>
        ))}
      </ol>
      {from !== null && from > 1 && <p class="more"><Button onClick={() => void load(from)}>Earlier events</Button></p>}
      {!shown.length && <Empty title="Nothing of that kind among these events" />}
    </Card>
  );
}
function toneOfEvent(kind: string): string {
  if (/failed|infeasible|expired|invalidated/.test(kind)) return "bad";
  if (/completed|created|resumed|imported|measured/.test(kind)) return "good";
  if (/paused|requeued|cancelled|late|superseded/.test(kind)) return "warn";
  return "";
}
function said(event: StudyEvent): string {
  const data = event.data as Record<string, unknown>;
  const told = (data.told ?? {}) as Record<string, unknown>;
  const error = (data.error ?? told.error) as Record<string, unknown> | string | undefined;
  const parts: string[] = [];
  const v = data.value ?? told.value;
  if (typeof v === "number") parts.push(value(v));
  if (typeof data.origin === "string") parts.push(data.origin);
  if (typeof data.worker_id === "string") parts.push(data.worker_id);
  if (Array.isArray(data.names)) parts.push(data.names.join(", "));
  if (typeof data.cells === "number") parts.push(`of ${plural(data.cells, "cell")}`);
  if (typeof data.version === "number") parts.push(`fit ${data.version}`);
  if (typeof data.observations === "number") parts.push(plural(data.observations, "observation"));
  if (typeof data.seconds === "number") parts.push(span(data.seconds));
  if (typeof error === "string") parts.push(error);
  else if (error) parts.push([error.kind, error.message].filter(Boolean).join(": "));
  if (typeof data.why === "string") parts.push(data.why);
  if (typeof data.reason === "string") parts.push(`“${data.reason}”`);
  if (typeof data.by === "string") parts.push(`by a ${data.by}`);
  return parts.join(" · ");
}

function SetupTab({ study }: { study: Study }) {
  const [whole_, setWhole] = useState<Study | null>(null);
  useEffect(() => { get<Study>(studyPath(study.name)).then(setWhole, () => undefined); }, [study.revision]);
  const spec = whole_ && { space: whole_.space, objective: whole_.objective, strategy: whole_.strategy, budget: whole_.budget, lease: whole_.lease, seed: whole_.seed, protocol: whole_.protocol, tags: whole_.tags, description: whole_.description };
  const text = spec && JSON.stringify(spec, null, 2);
  return (
    <div class="halves">
      <Card title="As it was set up" aside={text && <Copy text={text}>JSON</Copy>}>{text ? <pre class="json" tabIndex={0}>{text.length > 20000 ? `${text.slice(0, 20000)}\n…` : text}</pre> : <Skeleton height={300} />}</Card>
      <div class="stack">
        <Card title="In a program"><pre class="json" tabIndex={0}>{`import bonanza\n\nwith bonanza.Client("${location.origin}") as client:\n    study = client.study("${study.name}")\n    for trial in study:\n        trial.tell(train(trial.architecture, seed=trial.seed))`}</pre></Card>
        <Card title="In a notebook"><pre class="json" tabIndex={0}>{`study.plot_best()\nstudy.plot_predicted()\nstudy.to_dataframe()`}</pre></Card>
        <Card title="Created"><p class="lead">{moment(study.created_at)}, revision {study.revision}</p></Card>
      </div>
    </div>
  );
}

function Queue({ study, columns, onClose, done }: { study: string; columns: StudyColumns; onClose: () => void; done: () => void }) {
  const [text, setText] = useState(columns.study.best ? JSON.stringify(columns.study.best.architecture) : "");
  const [cell, setCell] = useState<ValidCell | null>(null);
  const [wrong, setWrong] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const [description, setDescription] = useState<Description | null>(null);
  const [queued, setQueued] = useState<{ number: number; created: boolean; state: string } | null>(null);
  const given = (): Json | string | null => { const trimmed = text.trim(); if (!trimmed) return null; try { return JSON.parse(trimmed) as Json; } catch { return trimmed; } };
  const typed = given();
  useEffect(() => {
    let over = false;
    if (typed === null) { setCell(null); setWrong(null); return; }
    const timer = setTimeout(() => described(study, typed).then((found) => { if (!over) { setCell(found); setWrong(null); } }, (error: Error) => { if (!over) setWrong(error); }), 200);
    return () => { over = true; clearTimeout(timer); };
  }, [text]);
  const another = async (space: Json | undefined) => {
    try {
      const drawn = await post<{ architectures: { architecture: Json }[] }>("/v1/spaces/sample", { space, count: 1, seed: Math.floor(Math.random() * 2 ** 31) });
      setText(JSON.stringify(drawn.architectures[0].architecture));
    } catch (error) { setWrong(error as Error); }
  };
  useEffect(() => {
    void (async () => {
      const space = (await get<Study>(studyPath(study))).space as Json;
      const inside = (space.of ?? space) as Json;
      const kind = await get<SpaceKind>(`/v1/spaces/${encodeURIComponent(String(inside.kind))}`);
      setDescription({ space, schema: kind.architecture_schema ?? null });
      if (!text) await another(space);
    })().catch(setWrong);
  }, []);
  // What is spelled as text has the same form as what it is read as.
  const edited = typed !== null && typeof typed === "object" ? typed : typeof typed === "string" && !wrong ? (cell?.architecture ?? null) : null;
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const answer = await post<{ trials: { number: number; created: boolean; state: string }[] }>(`${studyPath(study)}/queue`, { architectures: [given()] });
      setQueued(answer.trials[0]);
      done();
    } catch (error) { setWrong(error as Error); }
    setBusy(false);
  };
  return (
    <Dialog title="Queue a cell" onClose={onClose} wide>
      {queued ? (
        <>
          <p class="lead">{queued.created ? <>Queued as <strong>trial {queued.number}</strong>. The next worker that asks gets it.</> : <>The study has this cell already: it is <strong>trial {queued.number}</strong>, {queued.state}. Nothing was queued.</>}</p>
          <footer><Button onClick={() => { setQueued(null); setText(""); }}>Another</Button><Button kind="primary" onClick={onClose}>Done</Button></footer>
        </>
      ) : (
        <form onSubmit={(event) => void submit(event)} class="queue">
          <div>
            {description && <Editor architecture={edited} description={description} onChange={(architecture) => setText(JSON.stringify(architecture))} />}
            <label class="field wide"><span>Architecture</span><textarea class="mono" rows={3} spellcheck={false} value={text} aria-invalid={wrong ? true : undefined} placeholder="its JSON, or the official string of the space" aria-describedby="hint-architecture" onInput={(event) => setText(event.currentTarget.value)} /><small aria-hidden="true" id="hint-architecture">Paste its JSON or official string, or choose above. It is measured before the strategy’s own.</small></label>
            {wrong && <Problem error={wrong} />}
          </div>
          <div class="preview">{cell?.svg ? <div class={wrong ? "is-busy" : ""}><Picture svg={cell.svg} label={cell.text} /></div> : <Empty title="Nothing to draw yet" />}</div>
          <footer><Button icon="refresh" onClick={() => void another(description?.space)}>Draw one at random</Button><span class="spacer" /><Button onClick={onClose}>Leave it</Button><Button kind="primary" type="submit" disabled={busy || !cell || wrong !== null}>Queue it</Button></footer>
        </form>
      )}
    </Dialog>
  );
}
