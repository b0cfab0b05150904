// Cells: drawn by the server as in a paper, or as a strip of the colours of their choices.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { post, studyPath, type Json, type ValidCell } from "./wire";

const known = new Map<string, Promise<ValidCell>>();
const MOST_KNOWN = 300;

export function described(study: string, architecture: Json | string): Promise<ValidCell> {
  const key = `${study} ${typeof architecture === "string" ? architecture : JSON.stringify(architecture)}`;
  let found = known.get(key);
  if (!found) {
    found = post<{ architectures: ValidCell[] }>(`${studyPath(study)}/validate`, { architectures: [architecture], draw: true }).then((answer) => answer.architectures[0]);
    found.catch(() => known.delete(key));
    known.set(key, found);
    if (known.size > MOST_KNOWN) known.delete(known.keys().next().value as string);
  }
  return found;
}

export function useCell(study: string, architecture: Json | null): ValidCell | null {
  const [cell, setCell] = useState<ValidCell | null>(null);
  const key = architecture && JSON.stringify(architecture);
  useEffect(() => {
    let over = false;
    if (!architecture) setCell(null);
    else described(study, architecture).then((found) => { if (!over) setCell(found); }, () => undefined);
    return () => { over = true; };
  }, [study, key]);
  return cell;
}

/** A picture of the server's in the page. Its own style sheet stays out (the page's policy allows none): the page has the same rules. */
export function Picture({ svg, label }: { svg: string; label: string }) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!place.current) return;
    const picture = new DOMParser().parseFromString(svg.replace(/<style>[^<]*<\/style>/, ""), "image/svg+xml").documentElement;
    if (picture.nodeName !== "svg") return;
    for (const told of [...picture.children]) if (told.nodeName === "title" || told.nodeName === "desc") told.remove();
    picture.setAttribute("aria-label", label);
    picture.removeAttribute("font-family");
    place.current.replaceChildren(document.importNode(picture, true));
  }, [svg, label]);
  return <div class="picture" ref={place} />;
}

export function leaves(value: unknown, pointer = ""): [string, string][] {
  if (Array.isArray(value)) return value.flatMap((inner, k) => leaves(inner, `${pointer}/${k}`));
  if (value !== null && typeof value === "object") return Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${pointer}/${key}`));
  return [[pointer, String(value)]];
}

const MOST_STRIPES = 28;

/** A colour for each choice: that of its family in pictures, in as many strengths as the family has choices here. */
export function inks(colours: Record<string, string>): Record<string, string> {
  const families = new Map<string, string[]>();
  for (const choice of Object.keys(colours).sort()) families.set(colours[choice], [...(families.get(colours[choice]) ?? []), choice]);
  const found: Record<string, string> = {};
  for (const [family, choices] of families) {
    choices.forEach((choice, k) => {
      const strength = family === "zero" ? 38 : choices.length === 1 ? 82 : Math.round(40 + (55 * k) / (choices.length - 1));
      found[choice] = `color-mix(in srgb, var(--op-${family}-stroke) ${strength}%, var(--card))`;
    });
  }
  return found;
}

/** The choices of a cell in their order, each in its colour: like cells look alike. */
export function Strip({ architecture, colours }: { architecture: Json; colours: Record<string, string> }) {
  const all = leaves(architecture);
  // A matrix of zeros and ones says little as colours: the ops beside it are what one looks for.
  const words = all.filter(([, choice]) => !/^-?\d+(\.\d+)?$/.test(choice));
  const shown = (words.length >= 2 ? words : all).slice(0, MOST_STRIPES);
  const ink = useMemo(() => inks(colours), [colours]);
  return (
    <span class="strip" title={shown.map(([, choice]) => choice).join(" · ")}>
      {shown.map(([pointer, choice]) => <i key={pointer} style={{ background: ink[choice] ?? "" }} />)}
    </span>
  );
}

/** A place's pointer as people say it: an edge of a complete cell by its ends, otherwise its last words. */
export function placeName(pointer: string, kind: string): string {
  const parts = pointer.split("/").slice(1);
  if ((kind === "nasbench201" || kind === "edge_cell") && parts[0] === "edges") {
    let k = Number(parts[1]);
    let target = 1;
    while (k >= target) { k -= target; target += 1; }
    return `${k} → ${target}`;
  }
  const [member, first, second] = parts;
  if (member === "adjacency") return `${first} → ${second}`;
  if (kind === "nasbench101" || kind === "node_cell") return `vertex ${first}`;
  if (member === "activations") return `node ${first}`;
  if (member === "sources") return `input of node ${Number(first) + 1}`;
  if (kind === "darts" || kind === "nasnet") return `${member}, node ${Number(first) >> 1}, ${second === "0" ? "op" : "input"} ${(Number(first) % 2) + 1}`;
  return parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~")).join(" ");
}
