// A new study: a form that knows every space and strategy as the API describes them, beside a cell drawn from the space.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Picture } from "./cell";
import { compact } from "./format";
import { Button, Card, Command, Problem, Skeleton } from "./parts";
import { JsonField, SchemaForm } from "./schemaform";
import { ProblemError, call, get, post, type Json, type SpaceKind, type StrategyKind, type ValidCell } from "./wire";

interface Draft { name: string; space: Json; strategy: Json & { name: string }; objective: string; direction: "maximize" | "minimize"; trials: string; hours: string; target: string; parallel: string; baseline: string; confirm: string; seeds: string; seed: string; tags: string; description: string }

export function Create({ go }: { go: (path: string) => void }) {
  const [spaces, setSpaces] = useState<SpaceKind[]>([]);
  const [strategies, setStrategies] = useState<StrategyKind[]>([]);
  const [kind, setKind] = useState<SpaceKind | null>(null);
  const [draft, setDraft] = useState<Draft>({ name: "", space: { kind: "nasbench201" }, strategy: { name: "bonanza" }, objective: "accuracy", direction: "maximize", trials: "100", hours: "", target: "", parallel: "", baseline: "", confirm: "", seeds: "3", seed: "0", tags: "", description: "" });
  const [raw, setRaw] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const set = (change: Partial<Draft>) => { setDraft((now) => ({ ...now, ...change })); setError(null); };
  const spaceKind = String(draft.space.kind);
  useEffect(() => {
    get<{ spaces: SpaceKind[] }>("/v1/spaces").then((read) => setSpaces(read.spaces), setError);
    get<{ strategies: StrategyKind[] }>("/v1/strategies").then((read) => setStrategies(read.strategies), setError);
  }, []);
  useEffect(() => { setKind(null); get<SpaceKind>(`/v1/spaces/${encodeURIComponent(spaceKind)}`).then(setKind, () => undefined); }, [spaceKind]);
  const strategy = strategies.find((one) => one.name === draft.strategy.name);
  const body = useMemo(() => bodyOf(draft), [draft]);
  const errors = useMemo(() => Object.fromEntries((error instanceof ProblemError ? error.errors : []).map(({ pointer, message }) => [pointer, message])), [error]);
  const under = (prefix: string) => Object.fromEntries(Object.entries(errors).filter(([pointer]) => pointer.startsWith(`${prefix}/`)).map(([pointer, message]) => [pointer.slice(prefix.length), message]));
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await call("PUT", `/v1/studies/${encodeURIComponent(draft.name)}`, body);
      go(`/ui/studies/${encodeURIComponent(draft.name)}`);
    } catch (found) { setError(found as Error); setBusy(false); }
  };
  const curl = `curl -X PUT ${location.origin}/v1/studies/${draft.name || "NAME"} -H 'Content-Type: application/json' -d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`;
  const number = (name: keyof Draft, label: string, hint: string, placeholder = "none") => (
    <label class="field"><span>{label}</span><input type="number" min={0} step="any" placeholder={placeholder} value={draft[name] as string} aria-describedby={`hint-${name}`} onInput={(event) => set({ [name]: event.currentTarget.value })} /><small aria-hidden="true" id={`hint-${name}`}>{hint}</small></label>
  );
  return (
    <main>
      <div class="title"><h1>New study</h1></div>
      <form class="create" onSubmit={(event) => void submit(event)}>
        <div class="column">
          <Card title="What is searched">
            <div class="fields">
              <label class="field wide"><span>Name</span><input required autofocus pattern="[A-Za-z0-9][A-Za-z0-9._\-]{0,99}" maxLength={100} placeholder="cifar10-cells" value={draft.name} title="letters, digits, dot, underscore and dash, the first a letter or digit" aria-describedby="hint-name" onInput={(event) => set({ name: event.currentTarget.value })} /><small aria-hidden="true" id="hint-name">Letters, digits, dot, underscore and dash.</small></label>
              <label class="field wide"><span>Search space</span>
                <select value={spaceKind} aria-describedby="hint-space" onChange={(event) => { const chosen = spaces.find((one) => one.kind === event.currentTarget.value); set({ space: chosen?.example ?? { kind: event.currentTarget.value } }); }}>
                  {(spaces.length ? spaces.map((one) => one.kind) : [spaceKind]).map((name) => <option key={name} value={name}>{name}</option>)}
                </select>
                <small aria-hidden="true" id="hint-space">{spaces.find((one) => one.kind === spaceKind)?.description}</small>
              </label>
            </div>
            {kind?.spec_schema && (raw
              ? <JsonField key={`raw-${spaceKind}`} label={<span>Space as JSON</span>} value={draft.space} rows={8} onChange={(given) => { if (given !== null && typeof given === "object") set({ space: given as Json }); }} />
              : <SchemaForm key={spaceKind} id="space" schema={kind.spec_schema} without={["kind"]} value={draft.space} errors={under("/space")} onChange={(space) => set({ space })} />)}
            <button type="button" class="link" onClick={() => setRaw(!raw)}>{raw ? "Fields instead of JSON" : "Edit the space as JSON"}</button>
          </Card>
          <Card title="How">
            <div class="fields">
              <label class="field"><span>Objective</span><input value={draft.objective} maxLength={100} required aria-describedby="hint-objective" onInput={(event) => set({ objective: event.currentTarget.value })} /><small aria-hidden="true" id="hint-objective">The number that workers tell.</small></label>
              <label class="field"><span>Better is</span><select value={draft.direction} onChange={(event) => set({ direction: event.currentTarget.value as Draft["direction"] })}><option value="maximize">more</option><option value="minimize">less</option></select></label>
              <label class="field wide"><span>Strategy</span>
                <select value={draft.strategy.name} aria-describedby="hint-strategy" onChange={(event) => set({ strategy: { name: event.currentTarget.value } })}>{strategies.map((one) => <option key={one.name} value={one.name}>{one.name}{one.default ? " (default)" : ""}</option>)}</select>
                <small aria-hidden="true" id="hint-strategy">{strategy?.description}</small>
              </label>
            </div>
            {strategy && Object.keys(strategy.options_schema.properties ?? {}).length > 0 && (
              <details><summary>Options of {strategy.name}</summary><SchemaForm key={strategy.name} id="strategy" schema={strategy.options_schema} value={draft.strategy} errors={under("/strategy")} onChange={(options) => set({ strategy: { ...options, name: draft.strategy.name } })} /></details>
            )}
          </Card>
          <Card title="How long">
            <div class="fields">
              {number("trials", "Trials", "The study ends after as many.")}
              {number("target", "Target", "…or once a result is as good.")}
              {number("hours", "Hours", "…or after so much wall clock.")}
              {number("parallel", "At most at a time", "Trials under way together.", "no limit")}
            </div>
            <details><summary>A random baseline before, the best cells trained again after</summary>
              <div class="fields">
                {number("baseline", "Random cells first", "The yardstick that the report measures the search by; 8 or more.")}
                {number("confirm", "Best cells to confirm", "Trained again once the search has ended.")}
                {number("seeds", "Trainings of each", "With as many seeds.", "3")}
              </div>
            </details>
          </Card>
          <Card title="For people">
            <div class="fields">
              <label class="field"><span>Tags</span><input value={draft.tags} placeholder="paper, ablation" aria-describedby="hint-tags" onInput={(event) => set({ tags: event.currentTarget.value })} /><small aria-hidden="true" id="hint-tags">Separated by commas.</small></label>
              {number("seed", "Seed", "All that the server draws comes from it.", "0")}
              <label class="field wide"><span>Description</span><textarea rows={2} value={draft.description} onInput={(event) => set({ description: event.currentTarget.value })} /></label>
            </div>
          </Card>
          {error && <Problem error={error} />}
          <div class="submit"><Button type="submit" kind="primary" disabled={busy || !draft.name}>Create study</Button><a class="button plain" href="/ui">Cancel</a></div>
          <details class="as-curl"><summary>The same with curl</summary><Command text={curl} /></details>
        </div>
        <aside class="column"><Sample space={draft.space} /></aside>
      </form>
    </main>
  );
}

function bodyOf(draft: Draft): Json {
  const budget: Json = {};
  if (draft.trials) budget.max_trials = Number(draft.trials);
  if (draft.hours) budget.max_seconds = Number(draft.hours) * 3600;
  if (draft.target) budget.target = Number(draft.target);
  if (draft.parallel) budget.max_parallel = Number(draft.parallel);
  const phases: Json = {};
  if (draft.baseline) phases.baseline = { cells: Number(draft.baseline) };
  if (draft.confirm) phases.confirm = { top: Number(draft.confirm), ...(draft.seeds ? { seeds: Number(draft.seeds) } : {}) };
  const tags = draft.tags.split(",").map((tag) => tag.trim()).filter(Boolean);
  return {
    space: draft.space, objective: { name: draft.objective, direction: draft.direction }, strategy: draft.strategy,
    ...(Object.keys(budget).length ? { budget } : {}), ...(Object.keys(phases).length ? { phases } : {}), seed: Number(draft.seed) || 0, ...(tags.length ? { tags } : {}), ...(draft.description ? { description: draft.description } : {}),
  };
}

function Sample({ space }: { space: Json }) {
  const [seed, setSeed] = useState(1);
  const [cell, setCell] = useState<ValidCell | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(true);
  const turn = useRef(0);
  const key = JSON.stringify(space);
  useEffect(() => {
    const mine = ++turn.current;
    setBusy(true);
    const timer = setTimeout(async () => {
      try {
        const drawn = await post<{ architectures: { architecture: Json }[] }>("/v1/spaces/sample", { space, count: 1, seed });
        const valid = await post<{ architectures: ValidCell[] }>("/v1/spaces/validate", { space, architecture: drawn.architectures[0].architecture, draw: true });
        if (mine === turn.current) { setCell(valid.architectures[0]); setError(null); }
      } catch (found) { if (mine === turn.current) setError(found as Error); }
      if (mine === turn.current) setBusy(false);
    }, 250);
    return () => clearTimeout(timer);
  }, [key, seed]);
  return (
    <Card title="A cell of this space" class="sample" aside={<Button icon="refresh" onClick={() => setSeed(seed + 1)}>Another</Button>}>
      {error ? <Problem error={error} /> : cell?.svg ? <div class={busy ? "is-busy" : ""}><Picture svg={cell.svg} label={`A cell drawn at random: ${cell.text}`} /></div> : <Skeleton height={360} />}
      {cell && !error && (
        <dl class="facts">
          {cell.parameters !== null && <><dt>parameters</dt><dd>{compact(cell.parameters)}</dd></>}
          {cell.flops !== null && <><dt>multiply-adds</dt><dd>{compact(cell.flops)}</dd></>}
          <dt>id</dt><dd class="mono">{cell.arch_id.slice(0, 12)}</dd>
        </dl>
      )}
    </Card>
  );
}
