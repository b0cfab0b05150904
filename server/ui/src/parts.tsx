// The small parts that pages are made of.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ProblemError } from "./wire";

const PATHS = {
  pause: "M8 5v14M16 5v14",
  play: "M7 4.5v15l12-7.5z",
  flag: "M6 21V4h11l-2.2 4L17 12H6",
  plus: "M12 5v14M5 12h14",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM20 20l-4.8-4.8",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  moon: "M20 14.5A8 8 0 1 1 9.5 4a6.5 6.5 0 0 0 10.5 10.5z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M4.5 12.5l5 5 10-11",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  close: "M6 6l12 12M18 6L6 18",
  refresh: "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
  key: "M14.5 9.5a4 4 0 1 0-3.2 3.9l1.9 1.9H15v2h2v2h3v-3l-5.6-5.6a4 4 0 0 0 .1-1.2zM9.5 8.5h.01",
  up: "M12 19V6M6 11l6-6 6 6",
  down: "M12 5v13M6 13l6 6 6-6",
  repeat: "M4 11V9a3 3 0 0 1 3-3h12M16 3l3 3-3 3M20 13v2a3 3 0 0 1-3 3H5M8 21l-3-3 3-3",
} as const;
export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Button({ icon, children, kind = "plain", onClick, type = "button", disabled = false, title }: {
  icon?: IconName; children?: ComponentChildren; kind?: "plain" | "primary" | "danger" | "quiet"; onClick?: () => void; type?: "button" | "submit"; disabled?: boolean; title?: string;
}) {
  return (
    <button type={type} class={`button ${kind}${children ? "" : " only-icon"}`} onClick={onClick} disabled={disabled} title={title} aria-label={children ? undefined : title}>
      {icon && <Icon name={icon} />}{children}
    </button>
  );
}

const TONES: Record<string, string> = {
  running: "good", done: "good", "under way": "good", over: "calm", complete: "good", succeeded: "good", leased: "good", evaluating: "good", idle: "calm", starting: "calm", draining: "warn", quarantined: "bad", stopped: "calm", ended: "calm", paused: "warn", pending: "calm", finished: "calm", pruned: "calm", released: "calm",
  failed: "bad", infeasible: "bad", expired: "bad", superseded: "warn", cancelled: "calm",
};
export function State({ state, live = false }: { state: string; live?: boolean }) {
  return <span class={`state ${TONES[state] ?? "calm"} ${live && state === "running" ? "beating" : ""}`}><i />{state}</span>;
}

export function Tags({ tags }: { tags: string[] }) {
  return <>{tags.map((tag) => <span class="tag" key={tag}>{tag}</span>)}</>;
}

export function Card({ title, aside, children, class: more = "", note }: { title?: ComponentChildren; aside?: ComponentChildren; children: ComponentChildren; class?: string; note?: ComponentChildren }) {
  return (
    <section class={`card ${more}`}>
      {(title || aside) && <header><h2>{title}</h2>{aside}</header>}
      {children}
      {note && <p class="note">{note}</p>}
    </section>
  );
}

export function Segmented<T extends string>({ label, options, value, onChange }: { label: string; options: readonly (readonly [T, string])[]; value: T; onChange: (value: T) => void }) {
  return (
    <div class="segmented" role="group" aria-label={label}>
      {options.map(([name, text]) => <button type="button" key={name} aria-pressed={name === value} onClick={() => onChange(name)}>{text}</button>)}
    </div>
  );
}

export function Copy({ text, children, kind = "plain" }: { text: string | (() => string | Promise<string>); children?: ComponentChildren; kind?: "plain" | "quiet" }) {
  const [done, setDone] = useState(false);
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<Error | null>(null);
  const copy = async () => {
    let given = "";
    setBusy(true);
    try { given = typeof text === "string" ? text : await text(); } catch (error) { setWrong(error as Error); return; } finally { setBusy(false); }
    try { await navigator.clipboard.writeText(given); } catch {
      const area = Object.assign(document.createElement("textarea"), { value: given });
      document.body.append(area); area.select(); document.execCommand("copy"); area.remove();
    }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <>
      <Button icon={done ? "check" : "copy"} kind={kind} disabled={busy} onClick={() => void copy()} title={children ? undefined : "Copy"}>{children}</Button>
      {wrong && <Dialog title="Nothing was copied" onClose={() => setWrong(null)}><Problem error={wrong} /></Dialog>}
    </>
  );
}

export function Command({ text }: { text: string }) {
  return <div class="command"><code tabIndex={0}>{text}</code><Copy text={text} kind="quiet" /></div>;
}

export function Problem({ error, children }: { error: Error; children?: ComponentChildren }) {
  const title = error instanceof ProblemError ? error.title : "Something went wrong";
  return (
    <div class="problem" role="alert">
      <strong>{title}</strong>
      <p>{error.message}</p>
      {children}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><strong>{title}</strong>{children}</div>;
}

export function Skeleton({ height }: { height: number }) {
  return <div class="skeleton" style={{ height: `${height}px` }} />;
}

/** A dialog that the browser keeps the focus in; Escape and a click beside it close it. */
export function Dialog({ title, onClose, children, wide = false }: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => { ref.current?.showModal(); }, []);
  return (
    <dialog ref={ref} class={wide ? "wide" : ""} aria-labelledby="dialog-title" onClose={onClose} onClick={(event) => { if (event.target === ref.current) ref.current?.close(); }}>
      <div class="dialog-body">
        <header><h2 id="dialog-title">{title}</h2><Button icon="close" kind="quiet" title="Close" onClick={() => ref.current?.close()} /></header>
        {children}
      </div>
    </dialog>
  );
}

export interface Question { title: string; text: ComponentChildren; action: string; danger?: boolean; reason?: boolean; run: (reason: string) => Promise<void> }

/** Asks once, then does it; what the server says against it is shown in place. */
export function Ask({ question, onClose }: { question: Question; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try { await question.run(reason); onClose(); } catch (found) { setError(found as Error); setBusy(false); }
  };
  return (
    <Dialog title={question.title} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <p>{question.text}</p>
        {question.reason && (
          <label class="field"><span>Reason <em aria-hidden="true">optional; it is kept in the event log</em></span><input value={reason} maxLength={500} onInput={(event) => setReason(event.currentTarget.value)} /></label>
        )}
        {error && <Problem error={error} />}
        <footer><Button onClick={onClose}>Leave it</Button><Button type="submit" kind={question.danger ? "danger" : "primary"} disabled={busy}>{question.action}</Button></footer>
      </form>
    </Dialog>
  );
}

/** Runs while a page is shown: now, then every `seconds`, never while it is hidden. */
export function useEvery(seconds: number, work: () => void, deps: unknown[] = []): void {
  useEffect(() => {
    const turn = () => { if (!document.hidden) work(); };
    turn();
    const timer = setInterval(turn, seconds * 1000);
    document.addEventListener("visibilitychange", turn);
    return () => { clearInterval(timer); document.removeEventListener("visibilitychange", turn); };
  }, deps);
}
