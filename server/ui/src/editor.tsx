// Putting a cell together by hand: a form for each way in which architectures are written down, with the words of the space's own description.
// What the forms allow and the space does not, the server says; so none of its rules is written here.

import { Button } from "./parts";
import type { Json, Schema } from "./wire";

/** A space as its study has it, and what its kind says of architectures. */
export interface Description { space: Json; schema: Schema | null }
interface Form<T> { a: T; description: Description; onChange: (architecture: Json) => void }
type Pair = [string, number];

/** The form for architectures like `architecture`, or nothing where there is none. */
export function Editor({ architecture, description, onChange }: { architecture: Json | null; description: Description; onChange: (architecture: Json) => void }) {
  if (!architecture) return null;
  const inside = description.space.of;
  const space = inside !== null && typeof inside === "object" ? (inside as Json) : description.space; // a pool has the words of what it is of
  const form = { description: { ...description, space }, onChange };
  const a = architecture as never;
  if (isListOf(architecture.layers, "object") && Array.isArray(architecture.edges)) return <Layers a={a} {...form} />;
  if (isListOf(architecture.edges, "string")) return <Edges a={a} {...form} />;
  if (Array.isArray(architecture.adjacency) && isListOf(architecture.ops, "string") && architecture.adjacency.length === architecture.ops.length) return <Vertices a={a} {...form} />;
  if (Array.isArray(architecture.choices) && Array.isArray(space.positions)) return <Positions a={a} {...form} />;
  if (isListOf(architecture.stages, "string")) return <Stages a={a} {...form} />;
  if (isListOf(architecture.activations, "string") && Array.isArray(architecture.sources)) return <Steps a={a} {...form} />;
  const roles = Object.keys(architecture).filter((role) => isPairs(architecture[role]));
  return roles.length && roles.length === Object.keys(architecture).length ? <Blocks a={a} {...form} /> : null;
}

function isListOf(value: unknown, type: "string" | "object"): value is never[] { return Array.isArray(value) && value.every((one) => typeof one === type && one !== null); }
function isPairs(value: unknown): boolean { return Array.isArray(value) && value.every((one) => Array.isArray(one) && one.length === 2 && typeof one[0] === "string" && Number.isInteger(one[1])); }
function replaced<T>(list: readonly T[], k: number, value: T): T[] { return list.map((one, i) => (i === k ? value : one)); }

/** The choices at a member of architectures: the space's own ops, else those that the schema of its kind lists. */
function choicesAt(description: Description, ...path: string[]): string[] {
  const own = description.space.ops;
  if (Array.isArray(own)) return own as string[];
  const object = (description.schema?.anyOf ?? [description.schema]).find((one) => one?.type === "object");
  let found: Schema | undefined = object ?? undefined;
  for (const name of path) found = (name === "[]" ? found?.items : name === "[0]" ? found?.prefixItems?.[0] : found?.properties?.[name]) as Schema | undefined;
  return (found?.enum ?? []).map(String);
}

function Choice({ label, value, options, onChange, bare = false }: { label: string; value: string; options: readonly (readonly [string, string])[]; onChange: (value: string) => void; bare?: boolean }) {
  const shown = options.some(([key]) => key === value) ? options : [[value, value] as const, ...options];
  const select = <select aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>{shown.map(([key, text]) => <option key={key} value={key}>{text}</option>)}</select>;
  return bare ? select : <label class="field"><span>{label}</span>{select}</label>;
}
const same = (names: readonly string[]): [string, string][] => names.map((name) => [name, name]);

/** A complete cell with a choice on each edge. */
function Edges({ a, description, onChange }: Form<{ edges: string[] }>) {
  const ops = same(choicesAt(description, "edges", "[]"));
  const names: string[] = [];
  for (let target = 1; names.length < a.edges.length; target++) for (let source = 0; source < target; source++) names.push(`${source} → ${target}`);
  return <div class="fields edges">{a.edges.map((op, k) => <Choice key={k} label={names[k]} value={op} options={ops} onChange={(next) => onChange({ edges: replaced(a.edges, k, next) })} />)}</div>;
}

/** Vertices with ops, and a switch for each edge between two of them. */
function Vertices({ a, description, onChange }: Form<{ adjacency: number[][]; ops: string[] }>) {
  const [first, last] = [a.ops[0], a.ops[a.ops.length - 1]];
  const ops = choicesAt(description, "ops", "[]").filter((op) => op !== first && op !== last);
  const n = a.ops.length;
  const most = Number(description.space.max_nodes ?? description.schema?.properties?.ops?.maxItems ?? 16);
  const edges = a.adjacency.flat().filter(Boolean).length;
  const join = (u: number, v: number) => onChange({ ...a, adjacency: a.adjacency.map((row, i) => (i === u ? replaced(row, v, row[v] ? 0 : 1) : row)) });
  const add = () => onChange({
    adjacency: [...a.adjacency.slice(0, -1), Array(n).fill(0), a.adjacency[n - 1]].map((row) => [...row.slice(0, -1), 0, row[n - 1]]),
    ops: [...a.ops.slice(0, -1), ops[0] ?? "", last],
  });
  const drop = (v: number) => onChange({ adjacency: a.adjacency.filter((_, i) => i !== v).map((row) => row.filter((_, j) => j !== v)), ops: a.ops.filter((_, i) => i !== v) });
  return (
    <div class="vertices">
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Vertices and edges">
        <table>
          <thead><tr><th scope="col">Vertex</th>{a.ops.slice(1).map((_, k) => <th scope="col" key={k}>→ {k + 1}</th>)}<td /></tr></thead>
          <tbody>{a.ops.map((op, u) => (
            <tr key={u}>
              <th scope="row"><span>{u}</span>{u === 0 || u === n - 1 ? <b>{op}</b> : <Choice bare label={`Op of vertex ${u}`} value={op} options={same(ops)} onChange={(next) => onChange({ ...a, ops: replaced(a.ops, u, next) })} />}</th>
              {a.ops.slice(1).map((_, k) => <td key={k}>{k + 1 > u && <button type="button" class="joint" aria-pressed={a.adjacency[u][k + 1] === 1} aria-label={`Edge from ${u} to ${k + 1}`} onClick={() => join(u, k + 1)} />}</td>)}
              <td>{u > 0 && u < n - 1 && <Button icon="close" kind="quiet" title={`Remove vertex ${u}`} onClick={() => drop(u)} />}</td>
            </tr>
          ))}</tbody>
        </table>
      </div>
      <p class="tally"><Button icon="plus" disabled={n >= most} onClick={add}>Vertex</Button><span>{n} of at most {most} vertices, {edges}{typeof description.space.max_edges === "number" && ` of at most ${description.space.max_edges}`} edges</span></p>
    </div>
  );
}

/** Nodes with two inputs each, in one cell or several. */
function Blocks({ a, description, onChange }: Form<Record<string, Pair[]>>) {
  const roles = Object.keys(a);
  const all = choicesAt(description, roles[0], "[]", "[0]");
  const ops = same(description.space.kind === "darts" && description.space.none !== true ? all.filter((op) => op !== "none") : all);
  const from = (node: number) => Array.from({ length: node + 2 }, (_, k): [string, string] => [String(k), k === 0 ? "cell before last" : k === 1 ? "last cell" : `node ${k - 2}`]);
  return (
    <div>{roles.map((role) => (
      <fieldset class="blocks" key={role}>
        <legend>{role}</legend>
        {a[role].map(([op, source], k) => {
          const node = k >> 1;
          const put = (pair: Pair) => onChange({ ...a, [role]: replaced(a[role], k, pair) });
          return (
            <div class="pair" key={k}>
              <span class={k % 2 ? "sr" : ""}>{`node ${node}`}</span>
              <Choice bare label={`${role}, node ${node}, op ${(k % 2) + 1}`} value={op} options={ops} onChange={(next) => put([next, source])} />
              <Choice bare label={`${role}, node ${node}, input ${(k % 2) + 1}`} value={String(source)} options={from(node)} onChange={(next) => put([op, Number(next)])} />
            </div>
          );
        })}
      </fieldset>
    ))}</div>
  );
}

/** A choice at each position. */
function Positions({ a, description, onChange }: Form<{ choices: unknown[] }>) {
  const positions = description.space.positions as { name?: string; choices: unknown[] }[];
  return (
    <div class="fields edges">{a.choices.map((choice, k) => (
      <Choice key={k} label={positions[k]?.name ?? String(k)} value={String(choice)} options={same((positions[k]?.choices ?? []).map(String))}
        onChange={(next) => onChange({ choices: replaced(a.choices, k, positions[k].choices.find((one) => String(one) === next)) })} />
    ))}</div>
  );
}

/** Blocks that keep the width or double it, in stages. */
function Stages({ a, description, onChange }: Form<{ stages: string[] }>) {
  const most = Array.isArray(description.space.stages) ? Number(description.space.stages[1]) : 6;
  const least = Array.isArray(description.space.stages) ? Number(description.space.stages[0]) : 1;
  const put = (k: number, stage: string) => onChange({ stages: replaced(a.stages, k, stage) });
  return (
    <div class="stages">
      {a.stages.map((stage, k) => (
        <fieldset key={k}>
          <legend>stage {k + 1}</legend>
          <div class="row">
            {[...stage].map((block, i) => <button type="button" key={i} class="joint" aria-pressed={block === "2"} aria-label={`Stage ${k + 1}, block ${i + 1} doubles the width`} onClick={() => put(k, stage.slice(0, i) + (block === "2" ? "1" : "2") + stage.slice(i + 1))}>{block}</button>)}
            <Button icon="plus" kind="quiet" title={`One more block in stage ${k + 1}`} onClick={() => put(k, `${stage}1`)} />
            <Button icon="close" kind="quiet" title={stage.length > 1 ? `Remove the last block of stage ${k + 1}` : `Remove stage ${k + 1}`} disabled={stage.length === 1 && a.stages.length <= least}
              onClick={() => (stage.length > 1 ? put(k, stage.slice(0, -1)) : onChange({ stages: a.stages.filter((_, i) => i !== k) }))} />
          </div>
        </fieldset>
      ))}
      <p class="tally">{least < most && <Button icon="plus" disabled={a.stages.length >= most} onClick={() => onChange({ stages: [...a.stages, "1"] })}>Stage</Button>}<span>1 keeps the width, 2 doubles it. {a.stages.join("").length} blocks.</span></p>
    </div>
  );
}

/** Nodes of a recurrent cell, each with one input among those before it. */
function Steps({ a, description, onChange }: Form<{ activations: string[]; sources: number[] }>) {
  const activations = same(choicesAt(description, "activations", "[]"));
  const most = Number(description.space.nodes ?? 24);
  return (
    <fieldset class="blocks">
      <legend>nodes</legend>
      {a.activations.map((activation, k) => (
        <div class="pair" key={k}>
          <span>{`node ${k}`}</span>
          <Choice bare label={`Activation of node ${k}`} value={activation} options={activations} onChange={(next) => onChange({ ...a, activations: replaced(a.activations, k, next) })} />
          {k > 0 ? <Choice bare label={`Input of node ${k}`} value={String(a.sources[k - 1])} options={a.activations.slice(0, k).map((_, u): [string, string] => [String(u), `of node ${u}`])} onChange={(next) => onChange({ ...a, sources: replaced(a.sources, k - 1, Number(next)) })} /> : <span class="dim">of the input and the state</span>}
        </div>
      ))}
      <p class="tally">
        <Button icon="plus" disabled={a.activations.length >= most} onClick={() => onChange({ activations: [...a.activations, activations[0]?.[0] ?? "tanh"], sources: [...a.sources, a.activations.length - 1] })}>Node</Button>
        <Button icon="close" disabled={a.activations.length < 2} onClick={() => onChange({ activations: a.activations.slice(0, -1), sources: a.sources.slice(0, -1) })}>Last node</Button>
      </p>
    </fieldset>
  );
}

interface Layer { op: string; units?: number; stride?: number }
/** Layers in their order, each with the numbers of those it reads. */
function Layers({ a, description, onChange }: Form<{ layers: Layer[]; edges: Pair2[] }>) {
  const ops = same(choicesAt(description, "layers", "[]", "op"));
  const put = (k: number, change: Partial<Layer>) => {
    const next = { ...a.layers[k], ...change };
    for (const name of ["units", "stride"] as const) if (!next[name]) delete next[name];
    onChange({ ...a, layers: replaced(a.layers, k, next) });
  };
  const read = (k: number, text: string) => onChange({ ...a, edges: [...a.edges.filter(([, v]) => v !== k), ...(text.match(/\d+/g) ?? []).map((u): Pair2 => [Number(u), k])].sort((x, y) => x[0] - y[0] || x[1] - y[1]) });
  const moved = (by: number, at: number) => (u: number) => (u >= at ? u + by : u);
  const add = (k: number) => { const to = moved(1, k + 1); onChange({ layers: [...a.layers.slice(0, k + 1), { ...a.layers[k] }, ...a.layers.slice(k + 1)], edges: [...a.edges.map(([u, v]): Pair2 => [to(u), to(v)]), [k, k + 1]] }); };
  const drop = (k: number) => { const to = moved(-1, k); onChange({ layers: a.layers.filter((_, i) => i !== k), edges: a.edges.filter((edge) => !edge.includes(k)).map(([u, v]): Pair2 => [to(u), to(v)]) }); };
  return (
    <div class="layers">
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Layers">
        <table>
          <thead><tr><th scope="col">No.</th><th scope="col">Layer</th><th scope="col">Units</th><th scope="col">Stride</th><th scope="col">Reads</th><td /></tr></thead>
          <tbody>{a.layers.map((layer, k) => (
            <tr key={k}>
              <th scope="row">{k}</th>
              <td>{k === 0 || k === a.layers.length - 1 ? <b>{layer.op}</b> : <Choice bare label={`Op of layer ${k}`} value={layer.op} options={ops} onChange={(op) => put(k, { op })} />}</td>
              <td><input type="number" min={1} aria-label={`Units of layer ${k}`} value={layer.units ?? ""} onChange={(event) => put(k, { units: Number(event.currentTarget.value) || undefined })} /></td>
              <td><input type="number" min={1} max={2} aria-label={`Stride of layer ${k}`} value={layer.stride ?? ""} onChange={(event) => put(k, { stride: Number(event.currentTarget.value) || undefined })} /></td>
              <td>{k > 0 && <input aria-label={`What layer ${k} reads`} value={a.edges.filter(([, v]) => v === k).map(([u]) => u).join(", ")} onChange={(event) => read(k, event.currentTarget.value)} />}</td>
              <td class="row">{k > 0 && k < a.layers.length - 1 && <><Button icon="plus" kind="quiet" title={`One more like layer ${k}`} onClick={() => add(k)} /><Button icon="close" kind="quiet" title={`Remove layer ${k}`} onClick={() => drop(k)} /></>}</td>
            </tr>
          ))}</tbody>
        </table>
      </div>
    </div>
  );
}
type Pair2 = [number, number];
