// All studies: how each of them goes, at a glance.

import { useMemo, useState } from "preact/hooks";
import { Sparkline } from "./chart";
import { ago, moment, value, whole } from "./format";
import { Icon, Problem, Segmented, Skeleton, Tags, useEvery } from "./parts";
import { StudyState } from "./study";
import { get, type StudyGlance } from "./wire";

export function Studies({ go }: { go: (path: string) => void }) {
  const [glances, setGlances] = useState<StudyGlance[] | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [search, setSearch] = useState("");
  const [state, setState] = useState("all");
  useEvery(3, () => void get<{ studies: StudyGlance[] }>("/v1/overview").then((read) => { setGlances(read.studies); setError(null); }, setError));
  const shown = useMemo(() => {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    return (glances ?? []).filter(({ study, space_kind }) => {
      if (state !== "all" && study.state !== state) return false;
      const text = `${study.name} ${space_kind} ${study.strategy.name} ${study.tags.join(" ")} ${study.description}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }, [glances, search, state]);
  if (!glances) return error ? <main><h1>Studies</h1><Problem error={error} /></main> : <main><h1>Studies</h1><Skeleton height={320} /></main>;
  if (!glances.length) return <Welcome />;
  return (
    <main>
      <div class="title">
        <h1>Studies</h1>
        <a class="button primary" href="/ui/new"><Icon name="plus" />New study</a>
      </div>
      {error && <Problem error={error} />}
      <div class="toolbar loose">
        <label class="search"><Icon name="search" /><input type="search" placeholder="name, space, strategy, tag" aria-label="Filter studies" value={search} onInput={(event) => setSearch(event.currentTarget.value)} /></label>
        <Segmented label="State" value={state} onChange={setState} options={[["all", "All"], ["running", "Running"], ["paused", "Paused"], ["finished", "Finished"]]} />
      </div>
      <section class="card list">
        <table class="studies">
          <thead><tr><th scope="col">Study</th><th scope="col" class="c-line">Best so far</th><th scope="col" class="right">Best</th><th scope="col">Trials</th><th scope="col" class="right c-workers">Workers</th><th scope="col" class="right c-last">Last result</th></tr></thead>
          <tbody>
            {shown.map((glance) => <Row key={glance.study.name} glance={glance} go={go} />)}
          </tbody>
        </table>
        {!shown.length && <div class="empty"><strong>No study is like that</strong><button type="button" class="button plain" onClick={() => { setSearch(""); setState("all"); }}>Show all</button></div>}
      </section>
    </main>
  );
}

function Row({ glance: { study, space_kind, workers, best_so_far, last_result_at }, go }: { glance: StudyGlance; go: (path: string) => void }) {
  const path = `/ui/studies/${encodeURIComponent(study.name)}`;
  const { max_trials } = study.budget;
  const done = study.trials.complete + study.trials.pruned + study.trials.failed + study.trials.infeasible;
  return (
    <tr onClick={(event) => { if (!(event.target as Element).closest("a")) go(path); }}>
      <td>
        <span class="name"><a href={path}>{study.name}</a><StudyState study={study} /></span>
        <span class="about">{space_kind} · {study.strategy.name}<Tags tags={study.tags} /></span>
      </td>
      <td class="c-line"><Sparkline points={best_so_far} maximize={study.objective.direction === "maximize"} /></td>
      <td class="right number">{study.best ? value(study.best.value) : <span class="dim">–</span>}</td>
      <td class="c-trials">
        <span class="number">{whole(done)}{max_trials !== null && <span class="dim"> of {whole(max_trials)}</span>}</span>
        {max_trials !== null && <Meter share={done / max_trials} />}
        {study.trials.failed > 0 && <span class="bad-text small">{whole(study.trials.failed)} failed</span>}
      </td>
      <td class="right number c-workers">{workers ? workers : <span class="dim">–</span>}</td>
      <td class="right c-last" title={last_result_at ? moment(last_result_at) : undefined}>{last_result_at ? ago((Date.now() - Date.parse(last_result_at)) / 1000) : <span class="dim">–</span>}</td>
    </tr>
  );
}

export function Meter({ share, label }: { share: number; label?: string }) {
  const wide = `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%`;
  return <span class="meter" role={label ? "progressbar" : undefined} aria-label={label} aria-valuenow={label ? Math.round(share * 100) : undefined}><i style={{ width: wide }} /></span>;
}

function Welcome() {
  return (
    <main class="welcome">
      <svg width="120" height="104" viewBox="0 0 120 104" aria-hidden="true">
        <g fill="none" stroke="var(--line-strong)" stroke-width="2"><path d="M60 16 24 52l36 36 36-36z" /><path d="M60 16v72M24 52h72" /></g>
        <g fill="var(--accent)"><circle cx="24" cy="52" r="9" /><circle cx="96" cy="52" r="9" /><circle cx="60" cy="88" r="9" /></g><circle cx="60" cy="16" r="12" fill="var(--best)" />
      </svg>
      <h1>No studies yet</h1>
      <p>A study holds a search space, a strategy, and every architecture measured so far.<br />Make one, start a worker, and watch it find a better cell.</p>
      <p><a class="button primary" href="/ui/new"><Icon name="plus" />New study</a></p>
      <p class="dim">Or from a program: <a href="/docs">the API</a>.</p>
    </main>
  );
}
