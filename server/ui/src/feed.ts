// One study as it lives: its columns, kept up by the stream of its events. A hidden tab closes the stream and asks for nothing.

import { get, studyPath, type Atlas, type Live, type StudyColumns, type StudyEvent, type TrialColumns } from "./wire";

const KEPT_EVENTS = 400;
const NULLABLE = ["value", "mean", "std", "rank", "seconds", "started", "finished", "worker", "repeat_of"] as const;

export type Connection = "connecting" | "live" | "resting" | "away";

export class Feed {
  columns: StudyColumns | null = null;
  events: StudyEvent[] = [];
  live: Live | null = null;
  atlas: Atlas | null = null;
  atlasError: Error | null = null;
  error: Error | null = null;
  connection: Connection = "connecting";
  refitting: boolean | null = null;
  version = 0;
  /** The server's clock minus ours, in seconds since the study was created. */
  private offset = 0;
  private listeners = new Set<() => void>();
  private source: EventSource | null = null;
  private wants = { live: 0, atlas: 0 };
  private due: Record<string, number> = {};
  private busy = new Set<string>();
  private again = new Set<string>();
  private seen = 0;
  /** Milliseconds until the atlas is asked for again: longer each time that the server had no newer one. */
  private pause = 4000;
  private stopped = false;

  constructor(readonly name: string) {}

  start(): () => void {
    document.addEventListener("visibilitychange", this.turn);
    void this.load(true);
    return () => {
      this.stopped = true;
      document.removeEventListener("visibilitychange", this.turn);
      this.close();
      for (const timer of Object.values(this.due)) clearTimeout(timer);
    };
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Keep what runs now, or the atlas, up to date for as long as somebody shows it. */
  want(what: "live" | "atlas"): () => void {
    this.wants[what] += 1;
    this.soon(what, 0);
    return () => void (this.wants[what] -= 1);
  }

  /** Seconds since the study was created, now. */
  now(): number { return performance.now() / 1000 + this.offset; }

  /** Read what has changed, at once: after an action of this page. */
  refresh = (): Promise<void> => this.load(false);

  private turn = (): void => {
    if (document.hidden) {
      this.close();
      this.set("resting");
    } else if (this.connection !== "live") {
      void this.load(this.columns === null);
      if (this.wants.live) this.soon("live", 0);
    }
  };

  private close(): void { this.source?.close(); this.source = null; }

  private set(connection: Connection): void {
    if (this.connection !== connection) { this.connection = connection; this.changed(); }
  }

  private changed(): void { this.version += 1; for (const listener of this.listeners) listener(); }

  private async load(all: boolean): Promise<void> {
    const after = all || !this.columns ? "" : `?after=${this.columns.event}`;
    try {
      const read = await get<StudyColumns>(`${studyPath(this.name)}/columns${after}`);
      if (this.stopped) return;
      const behind = this.columns && read.study.created_at !== this.columns.study.created_at;
      if (behind) { this.columns = null; this.events = []; this.seen = 0; return await this.load(true); }
      this.columns = this.columns && after ? merged(this.columns, read) : read;
      this.offset = read.now - performance.now() / 1000;
      this.refitting = read.study.model.refitting;
      this.error = null;
    } catch (error) {
      this.error = error as Error;
      this.close();
      this.set("away");
      this.changed();
      if (!this.stopped && (error as { status?: number }).status !== 404) this.soon("load", 2500);
      return;
    }
    this.changed();
    if (!this.source && !document.hidden && !this.stopped) this.open();
  }

  private open(): void {
    this.seen = Math.max(this.seen, this.columns?.event ?? 0);
    const source = (this.source = new EventSource(`${studyPath(this.name)}/events?after=${this.seen}`));
    source.onopen = () => this.set("live");
    source.onmessage = (message) => {
      const event = JSON.parse(message.data as string) as StudyEvent;
      if (event.seq <= this.seen) return;
      this.seen = event.seq;
      this.events = [...this.events.slice(-KEPT_EVENTS + 1), event];
      this.soon("load", this.columns && this.columns.trials.number.length > 3000 ? 1500 : 250);
      if (event.kind.startsWith("trial.")) this.soon("live", 1000);
      if (event.kind === "fit.published" || event.kind === "trial.completed" || event.kind === "trial.started") this.soon("atlas", 1200);
    };
    source.addEventListener("beat", (message) => {
      this.refitting = (JSON.parse(message.data as string) as { refitting: boolean }).refitting;
      this.changed();
      this.soon("live", 900);
    });
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED && this.source === source) {
        this.close();
        this.set("away");
        this.soon("load", 2500); // refused: the study is gone, or a key is wanted; reading it says which
      } else if (this.source === source) this.set("away");
    };
  }

  /** Do something in `delay` milliseconds; asked for again meanwhile, once. */
  private soon(what: "load" | "live" | "atlas", delay: number): void {
    if (this.busy.has(what)) { this.again.add(what); return; }
    if (this.due[what] !== undefined || (what !== "load" && !this.wants[what])) return;
    this.due[what] = window.setTimeout(() => { delete this.due[what]; void this.run(what); }, delay);
  }

  private async run(what: "load" | "live" | "atlas"): Promise<void> {
    if (document.hidden || this.stopped) return;
    this.busy.add(what);
    const begun = performance.now();
    try {
      if (what === "load") await this.load(false);
      else if (what === "live") this.live = await get<Live>(`${studyPath(this.name)}/live`);
      else {
        const known = this.atlas?.results;
        this.atlas = await get<Atlas>(`${studyPath(this.name)}/atlas`);
        this.atlasError = null;
        this.pause = this.atlas.results === known ? Math.min(60_000, this.pause * 1.5) : 4000;
      }
    } catch (error) {
      if (what === "atlas") this.atlasError = error as Error;
    }
    if (what !== "load") this.changed();
    const took = performance.now() - begun;
    this.busy.delete(what);
    if (what === "atlas" && this.atlas && this.columns && this.atlas.results < this.columns.study.trials.complete) this.again.add(what);
    if (this.again.delete(what)) this.soon(what, Math.max(what === "atlas" ? this.pause : 800, took * 4));
  }
}

/** What was known with what has changed; trials are numbered densely, so a trial's place is its number. */
function merged(known: StudyColumns, read: StudyColumns): StudyColumns {
  if (read.trials.number.length >= known.trials.number.length && read.trials.number[0] === 0) return { ...read, fits: fitsOf(known, read) };
  const workers = [...known.workers];
  const places = read.workers.map((worker) => {
    const at = workers.indexOf(worker);
    return at >= 0 ? at : workers.push(worker) - 1;
  });
  const trials = Object.fromEntries(Object.entries(known.trials).map(([name, column]) => [name, [...column]])) as unknown as TrialColumns;
  read.trials.number.forEach((number, k) => {
    for (const name of Object.keys(trials) as (keyof TrialColumns)[]) (trials[name] as unknown[])[number] = read.trials[name][k];
    const worker = read.trials.worker[k];
    trials.worker[number] = worker === null ? null : places[worker];
  });
  for (let number = 0; number < trials.number.length; number++) {
    if (trials.number[number] !== undefined) continue;
    // A trial that no event has told of yet: it comes with the next look.
    for (const name of NULLABLE) trials[name][number] = null;
    Object.assign(trials.number, { [number]: number });
    for (const name of ["state", "origin", "phase", "created", "attempts", "flags"] as const) trials[name][number] = 0;
  }
  return { ...read, workers, trials, fits: fitsOf(known, read) };
}

function fitsOf(known: StudyColumns, read: StudyColumns): StudyColumns["fits"] {
  const last = known.fits.version.at(-1) ?? 0;
  const fresh = read.fits.version.map((version, k) => (version > last ? k : -1)).filter((k) => k >= 0);
  const add = <T,>(old: T[], more: T[]): T[] => [...old, ...fresh.map((k) => more[k])];
  return {
    version: add(known.fits.version, read.fits.version),
    observations: add(known.fits.observations, read.fits.observations),
    seconds: add(known.fits.seconds, read.fits.seconds),
    at: add(known.fits.at, read.fits.at),
  };
}
