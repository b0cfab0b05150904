// Numbers, spans and times as people read them.

const CACHE = new Map<number, Intl.NumberFormat>();
function fixed(digits: number): Intl.NumberFormat {
  let found = CACHE.get(digits);
  if (!found) CACHE.set(digits, (found = new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })));
  return found;
}

export const whole = (n: number): string => fixed(0).format(n);

/** A value of an objective: two decimals where it is of the size of a percentage, else four significant digits. */
export function value(v: number | null | undefined): string {
  if (v === null || v === undefined) return "–";
  const size = Math.abs(v);
  if (size !== 0 && (size < 0.1 || size >= 1e6)) return v.toPrecision(4);
  return fixed(size < 1 ? 4 : size < 1000 ? 2 : 0).format(v);
}
/** A difference of two values: as many decimals as say something. */
export function delta(v: number): string {
  const size = Math.abs(v);
  return fixed(size === 0 || size >= 100 ? 0 : size >= 0.1 ? 2 : size >= 0.01 ? 3 : 4).format(size);
}
export function signed(v: number, digits = 2): string {
  return (v < 0 ? "−" : "+") + fixed(digits).format(Math.abs(v));
}
export function compact(n: number): string {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(n);
}
export function percent(share: number, digits = 0): string { return `${fixed(digits).format(share * 100)} %`; }

export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "–";
  const s = Math.max(0, seconds);
  if (s === 0) return "0 s";
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129600) return `${fixed(s < 36000 ? 1 : 0).format(s / 3600)} h`;
  return `${fixed(s < 864000 ? 1 : 0).format(s / 86400)} d`;
}
export function hours(seconds: number): string {
  const h = seconds / 3600;
  return h === 0 ? "0 h" : h < 0.1 ? span(seconds) : h < 10 ? `${fixed(1).format(h)} h` : h < 2000 ? `${fixed(0).format(h)} h` : `${fixed(0).format(h / 24)} d`;
}
export function ago(seconds: number): string {
  return seconds < 2 ? "now" : `${span(seconds)} ago`;
}
export function clock(iso: string): string {
  return new Date(iso).toLocaleTimeString("en-GB");
}
export function moment(iso: string): string {
  return new Date(iso).toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}
export function plural(n: number, one: string, many = `${one}s`): string { return `${whole(n)} ${n === 1 ? one : many}`; }
