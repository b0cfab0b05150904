// A form made of a JSON Schema of the API's: what is simple has a field, the rest is JSON.

import { useState } from "preact/hooks";
import type { Json, Schema } from "./wire";

function variants(schema: Schema): Schema[] { return schema.anyOf ?? schema.oneOf ?? [schema]; }
function plain(schema: Schema): { schema: Schema; nullable: boolean } {
  const all = variants(schema);
  const some = all.filter((one) => one.type !== "null");
  return { schema: some.length === 1 ? some[0] : schema, nullable: some.length < all.length };
}

export function title(name: string): string {
  const words = name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

/** Fields for the members of `schema` but those in `without`; a member that is left empty is left out. */
export function SchemaForm({ schema, value, onChange, without = [], errors = {}, id }: {
  schema: Schema; value: Json; onChange: (value: Json) => void; without?: string[]; errors?: Record<string, string>; id: string;
}) {
  const required = new Set(schema.required ?? []);
  const set = (name: string, given: unknown) => {
    const next = { ...value };
    if (given === undefined) delete next[name];
    else next[name] = given;
    onChange(next);
  };
  const all = Object.entries(schema.properties ?? {}).filter(([name]) => !without.includes(name));
  const field = ([name, inner]: [string, Schema]) => <Field key={name} id={`${id}-${name}`} name={name} schema={inner} value={value[name]} required={required.has(name)} error={errors[`/${name}`]} onChange={(given) => set(name, given)} />;
  // What has no simple field and may be left out is there for those who look for it.
  const aside = all.filter(([name, inner]) => !required.has(name) && value[name] === undefined && isComplex(inner));
  const shown = all.filter((one) => !aside.includes(one));
  return (
    <>
      {shown.length > 0 && <div class="fields">{shown.map(field)}</div>}
      {aside.length > 0 && <details><summary>{aside.map(([name]) => title(name)).join(", ")}</summary><div class="fields">{aside.map(field)}</div></details>}
    </>
  );
}

function isComplex(given: Schema): boolean {
  const { schema } = plain(given);
  if (schema.enum || schema.const !== undefined) return false;
  return !(typeof schema.type === "string" && (["boolean", "integer", "number", "string"].includes(schema.type) || (schema.type === "array" && ["string", "integer"].includes(String(schema.items?.type)))));
}

function Field({ id, name, schema: given, value, required, error, onChange }: { id: string; name: string; schema: Schema; value: unknown; required: boolean; error?: string; onChange: (value: unknown) => void }) {
  const { schema, nullable } = plain(given);
  const fallback = given.default ?? schema.default;
  const hint = given.description || schema.description;
  const label = <span>{title(name)}{!required && fallback === undefined && <em>optional</em>}</span>;
  const says = error ? <small class="wrong" aria-hidden="true" id={`${id}-says`}>{error}</small> : hint ? <small aria-hidden="true" id={`${id}-says`}>{hint.replaceAll("``", "")}</small> : null;
  const described = says ? `${id}-says` : undefined;
  const wrong = error ? true : undefined;
  if (schema.enum || schema.const !== undefined) {
    const choices = (schema.enum ?? [schema.const]) as unknown[];
    return <label class="field">{label}<select aria-describedby={described} value={String(value ?? fallback ?? "")} onChange={(event) => { const found = choices.find((choice) => String(choice) === event.currentTarget.value); onChange(found); }}>{(!required || fallback === undefined) && value === undefined && fallback === undefined && <option value="">–</option>}{choices.map((choice) => <option key={String(choice)} value={String(choice)}>{String(choice)}</option>)}</select>{says}</label>;
  }
  if (schema.type === "boolean") {
    return <label class="field check"><input type="checkbox" checked={Boolean(value ?? fallback)} aria-describedby={described} onChange={(event) => onChange(event.currentTarget.checked)} /><span>{title(name)}</span>{says}</label>;
  }
  if (schema.type === "integer" || schema.type === "number") {
    return <label class="field">{label}<input type="number" inputMode="decimal" aria-invalid={wrong} aria-describedby={described} step={schema.type === "integer" ? 1 : "any"} min={schema.minimum} max={schema.maximum} placeholder={fallback === undefined || fallback === null ? (nullable ? "none" : "") : String(fallback)} value={value === undefined || value === null ? "" : String(value)} onInput={(event) => { const text = event.currentTarget.value; onChange(text === "" ? undefined : Number(text)); }} />{says}</label>;
  }
  if (schema.type === "string") {
    return <label class="field">{label}<input type="text" aria-invalid={wrong} aria-describedby={described} placeholder={fallback === undefined || fallback === null ? "" : String(fallback)} value={typeof value === "string" ? value : ""} onInput={(event) => onChange(event.currentTarget.value || undefined)} />{says}</label>;
  }
  if (schema.type === "array" && (schema.items?.type === "string" || schema.items?.type === "integer")) {
    return <Listed label={label} says={says} described={described} wrong={wrong} number={schema.items.type === "integer"} value={Array.isArray(value) ? value : []} onChange={(list) => onChange(list.length || required ? list : undefined)} />;
  }
  return <JsonField label={label} says={says} described={described} value={value} onChange={onChange} />;
}

function Listed({ label, says, described, wrong, number, value, onChange }: { label: preact.ComponentChildren; says: preact.ComponentChildren; described?: string; wrong?: boolean; number: boolean; value: unknown[]; onChange: (value: unknown[]) => void }) {
  const [text, setText] = useState(value.join(", "));
  const parse = (given: string) => given.split(",").map((part) => part.trim()).filter(Boolean).map((part) => (number && /^-?\d+$/.test(part) ? Number(part) : part));
  return <label class="field wide">{label}<input type="text" aria-invalid={wrong} aria-describedby={described} value={text} placeholder="separated by commas" onInput={(event) => { setText(event.currentTarget.value); onChange(parse(event.currentTarget.value)); }} />{says}</label>;
}

/** JSON as text; what cannot be read yet is not handed on. */
export function JsonField({ label, says, described, value, onChange, rows = 3 }: { label: preact.ComponentChildren; says?: preact.ComponentChildren; described?: string; value: unknown; onChange: (value: unknown) => void; rows?: number }) {
  const [text, setText] = useState(value === undefined ? "" : JSON.stringify(value, null, 1).replace(/\n\s*/g, " "));
  const [wrong, setWrong] = useState<string | null>(null);
  const change = (given: string) => {
    setText(given);
    if (!given.trim()) { setWrong(null); onChange(undefined); return; }
    try { onChange(JSON.parse(given)); setWrong(null); } catch (error) { setWrong((error as Error).message); }
  };
  return <label class="field wide">{label}<textarea class="mono" rows={rows} spellcheck={false} aria-invalid={wrong ? true : undefined} aria-describedby={described} value={text} placeholder="JSON" onInput={(event) => change(event.currentTarget.value)} />{wrong ? <small class="wrong">{wrong}</small> : says}</label>;
}
