// The wire: the answers of the API that the page reads, and how it asks.

export interface ModelStatus { version: number; observations: number; lag: number; refitting: boolean; degraded: boolean }
export interface Budget { max_trials: number | null; max_seconds: number | null; target: number | null; max_parallel: number | null; max_failures: number | null }
export interface Objective { name: string; direction: "maximize" | "minimize"; bounds: [number, number] | null }
export type Json = Record<string, unknown>;
export interface Study {
  name: string; state: "running" | "paused" | "finished"; state_reason: string | null; space: Json | null; objective: Objective;
  strategy: Json & { name: string }; budget: Budget; lease: Json; seed: number; protocol: Json | null; phase: "baseline" | "search" | "confirm";
  phases: { baseline: { cells: number } | null; confirm: { top: number; seeds: number } | null } | null; tags: string[]; description: string;
  trials: Record<string, number>; best: { number: number; value: number; architecture: Json } | null; model: ModelStatus; revision: number; created_at: string;
}
export interface TrialColumns {
  number: number[]; state: number[]; origin: number[]; phase: number[]; value: (number | null)[]; mean: (number | null)[]; std: (number | null)[];
  rank: (number | null)[]; seconds: (number | null)[]; created: number[]; started: (number | null)[]; finished: (number | null)[]; attempts: number[];
  worker: (number | null)[]; repeat_of: (number | null)[]; flags: number[];
}
export interface FitColumns { version: number[]; observations: number[]; seconds: number[]; at: number[] }
export interface StudyColumns {
  study: Study; space_kind: string; event: number; now: number; states: string[]; origins: string[]; phases: string[]; workers: string[];
  trials: TrialColumns; fits: FitColumns;
}
export interface Curve { step: number[]; metrics: Record<string, (number | null)[]> }
export interface AttemptRecord {
  number: number; trial: number; worker_id: string | null; state: string; kind: string | null; leased_at: string; heartbeat_at: string | null;
  expires_at: string; ended_at: string | null; progress: number | null; outcome: string | null; value: number | null; error: TrialError | null; log_tail: string | null; curve: Curve;
}
export interface StudyWorker { worker_id: string | null; trials: number[]; last_seen_at: string; succeeded: number; failed: number; lost: number; released: number; busy_s: number }
export interface Slot { name: string; state: string; trial: number | null; measured: number; failed: number; failures_in_a_row: number; error: string | null }
export interface Gpu { id: string; name: string; utilisation: number | null; memory_used_mb: number | null; memory_total_mb: number | null }
export interface Machine { id: string; study: string | null; evaluator: string; state: string; host: string; slots: Slot[]; gpus: Gpu[]; silent_s: number }
export interface Live { now: string; attempts: AttemptRecord[]; workers: StudyWorker[] }
export interface StudyGlance { study: Study; space_kind: string; workers: number; best_so_far: number[]; last_result_at: string | null }
export interface Effect { choice: string; count: number; effect: number | null; error: number | null }
export interface Place { pointer: string; importance: number; effects: Effect[] }
export interface Atlas {
  results: number; number: number[]; x: number[]; y: number[]; space_x: number[]; space_y: number[]; explained: number[]; places: Place[];
  r_squared: number | null; colours: Record<string, string>;
}
export interface TrialError { kind?: string; message?: string; traceback_tail?: string | null }
export interface Trial {
  number: number; state: string; phase: string; origin: string; architecture: Json; arch_id: string; repeat_of: number | null; seed: number; value: number | null;
  metrics: Record<string, number>; cost: Record<string, number>; measurements: { value: number; seed: number | null; attempt: number | null }[]; error: TrialError | null;
  late: boolean; invalidated: boolean; attempts: number; attempt: { worker_id: string | null; number: number } | null; prediction: { mean: number; std: number } | null;
  tags: string[]; note: string; created_at: string; started_at: string | null; finished_at: string | null;
}
export interface Alternative { arch_id: string; architecture: Json; mean: number | null; std: number | null; acquisition: number | null }
export interface Explanation {
  number: number; origin: string; model_version: number | null; read_sequence: number | null; rank: number | null; mean: number | null; std: number | null;
  acquisition: number | null; pending: number[]; alternatives: Alternative[];
}
export interface Neighbour { number: number; state: string; value: number | null; architecture: Json }
export interface Features { cells: number; read: boolean; features: { name: string; cells: number; measured: number; rank_correlation: number | null }[] }
export interface StudyEvent { seq: number; at: string; kind: string; number: number | null; data: Json }
export interface SpaceKind { kind: string; description: string; example: Json; spec_schema?: Schema; architecture_schema?: Schema }
export interface StrategyKind { name: string; description: string; default: boolean; options_schema: Schema }
export interface Schema {
  type?: string | string[]; properties?: Record<string, Schema>; required?: string[]; enum?: unknown[]; const?: unknown; minimum?: number; maximum?: number;
  items?: Schema; prefixItems?: Schema[]; anyOf?: Schema[]; oneOf?: Schema[]; default?: unknown; description?: string; minItems?: number; maxItems?: number;
}
export interface ValidCell { architecture: Json; text: string; arch_id: string; parameters: number | null; flops: number | null; svg: string | null }
export interface Session { needed: boolean; signed_in: boolean; scopes: string[]; version: string }

export class ProblemError extends Error {
  constructor(readonly status: number, readonly title: string, detail: string, readonly errors: { pointer: string; message: string }[] = []) { super(detail); }
}

/** Called when the server wants a key that this browser has not given. */
export const onUnauthorized: { tell: () => void } = { tell: () => undefined };

export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method, signal, credentials: "same-origin",
      headers: body === undefined ? { Accept: "application/json" } : { Accept: "application/json", "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ProblemError(0, "The server does not answer", "It may be restarting. This page tries again by itself.");
  }
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json()) as T;
  let problem: { title?: string; detail?: string; errors?: { pointer: string; message: string }[] } = {};
  try { problem = await answer.json(); } catch { /* a proxy's page */ }
  if (answer.status === 401 && !path.startsWith("/ui/")) onUnauthorized.tell();
  throw new ProblemError(answer.status, problem.title ?? answer.statusText, problem.detail ?? "The answer is not one of this server's.", problem.errors ?? []);
}
/** What is no JSON: a file's text. */
export async function text(path: string): Promise<string> {
  const answer = await fetch(path, { credentials: "same-origin" });
  if (answer.ok) return answer.text();
  const problem = (await answer.json()) as { title: string; detail: string };
  throw new ProblemError(answer.status, problem.title, problem.detail);
}
export const get = <T,>(path: string, signal?: AbortSignal): Promise<T> => call<T>("GET", path, undefined, signal);
export const post = <T,>(path: string, body: unknown = {}): Promise<T> => call<T>("POST", path, body);
export const studyPath = (name: string): string => `/v1/studies/${encodeURIComponent(name)}`;
