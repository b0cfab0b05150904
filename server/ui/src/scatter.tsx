// Points on a canvas: thousands of them at once, the nearest one named, a click opens it; those under way blink above it.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { colour, useTheme, useWidth } from "./chart";

export interface Dot { x: number; y: number; number?: number; tone: number | null; pending?: boolean; best?: boolean; ground?: boolean; size?: number }
export interface Axes { x: string; y: string; format: (v: number) => string }

/** Dark to light in either brightness, by lightness first: readable in grey and for most eyes. */
const RAMP = { light: ["#d9dced", "#a9b4dd", "#7488cf", "#4a5fc1", "#3a3f9e", "#6b2f8f", "#b3347a", "#e2612f", "#f5a800"], dark: ["#343b57", "#46548a", "#5670b8", "#5f8ade", "#7b87e6", "#b07bd8", "#e5749f", "#ff9558", "#ffd24d"] };

export function ramp(share: number): string {
  const stops = RAMP[document.documentElement.dataset.theme === "dark" ? "dark" : "light"];
  const at = Math.min(0.9999, Math.max(0, share)) * (stops.length - 1);
  const [a, b] = [stops[Math.floor(at)], stops[Math.floor(at) + 1]];
  const mix = at - Math.floor(at);
  const part = (k: number) => Math.round(parseInt(a.slice(k, k + 2), 16) * (1 - mix) + parseInt(b.slice(k, k + 2), 16) * mix);
  return `rgb(${part(1)},${part(3)},${part(5)})`;
}

export function ticks(low: number, high: number, most: number): number[] {
  const raw = (high - low) / Math.max(1, most);
  if (!(raw > 0)) return [low];
  const base = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * base).find((s) => s >= raw) ?? raw;
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) found.push(Math.round(v / step) * step);
  return found;
}

export function Scatter({ dots, domain, height, label, axes, diagonal = false, tip, open }: {
  dots: Dot[];
  domain: { x: [number, number]; y: [number, number] };
  height: number;
  label: string;
  axes?: Axes;
  diagonal?: boolean;
  tip: (dot: Dot) => preact.ComponentChildren;
  open: (number: number) => void;
}) {
  const [place, width] = useWidth();
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [over, setOver] = useState<Dot | null>(null);
  const frame = axes ? { left: 48, right: 14, top: 22, bottom: 40 } : { left: 10, right: 10, top: 10, bottom: 10 };
  const x = (v: number) => frame.left + ((v - domain.x[0]) / (domain.x[1] - domain.x[0] || 1)) * (width - frame.left - frame.right);
  const y = (v: number) => height - frame.bottom - ((v - domain.y[0]) / (domain.y[1] - domain.y[0] || 1)) * (height - frame.top - frame.bottom);
  useEffect(() => {
    const element = canvas.current;
    if (!element || width === 0) return;
    const scale = Math.min(2, devicePixelRatio || 1);
    element.width = width * scale;
    element.height = height * scale;
    const g = element.getContext("2d");
    if (!g) return;
    g.scale(scale, scale);
    g.clearRect(0, 0, width, height);
    if (axes) {
      g.font = "12px Inter, sans-serif";
      g.fillStyle = colour("ink-3");
      g.strokeStyle = colour("line");
      g.lineWidth = 1;
      g.textAlign = "center";
      for (const v of ticks(...domain.x, width / 70)) {
        line(g, x(v), frame.top, x(v), height - frame.bottom);
        g.fillText(axes.format(v), x(v), height - frame.bottom + 17);
      }
      g.textAlign = "right";
      g.textBaseline = "middle";
      for (const v of ticks(...domain.y, height / 44)) {
        line(g, frame.left, y(v), width - frame.right, y(v));
        g.fillText(axes.format(v), frame.left - 8, y(v));
      }
      g.textBaseline = "alphabetic";
      g.textAlign = "right";
      g.fillText(`${axes.x} →`, width - frame.right, height - 5);
      g.textAlign = "left";
      g.fillText(`↑ ${axes.y}`, 0, 10);
    }
    if (diagonal) {
      const from = Math.max(domain.x[0], domain.y[0]);
      const to = Math.min(domain.x[1], domain.y[1]);
      g.strokeStyle = colour("ink-4");
      g.setLineDash([4, 4]);
      line(g, x(from), y(from), x(to), y(to));
      g.setLineDash([]);
    }
    const ground = colour("ground");
    const edge = colour("card");
    for (const dot of dots) {
      if (dot.pending) continue;
      g.beginPath();
      g.arc(x(dot.x), y(dot.y), dot.ground ? 2 : (dot.size ?? 4), 0, 7);
      g.fillStyle = dot.ground ? ground : dot.tone === null ? colour("ink-4") : ramp(dot.tone);
      g.fill();
      if (!dot.ground) { g.lineWidth = 0.8; g.strokeStyle = edge; g.stroke(); }
    }
    const best = dots.find((dot) => dot.best);
    if (best) star(g, x(best.x), y(best.y), 8.5, colour("best"), edge);
    if (over && !over.ground) {
      g.beginPath();
      g.arc(x(over.x), y(over.y), 8, 0, 7);
      g.strokeStyle = colour("ink");
      g.lineWidth = 1.5;
      g.stroke();
    }
  }, [dots, width, height, theme, over]);
  const live = useMemo(() => dots.filter((dot) => !dot.ground && dot.number !== undefined), [dots]);
  const nearest = (event: { offsetX: number; offsetY: number }): Dot | null => {
    let found: Dot | null = null;
    let least = 18 * 18;
    for (const dot of live) {
      const apart = (x(dot.x) - event.offsetX) ** 2 + (y(dot.y) - event.offsetY) ** 2;
      if (apart < least) { least = apart; found = dot; }
    }
    return found;
  };
  return (
    <div class="scatter" ref={place} style={{ height: `${height}px` }}>
      <canvas
        ref={canvas} role="img" aria-label={label} class={over ? "pointing" : ""}
        onMouseMove={(event) => setOver(nearest(event))}
        onMouseLeave={() => setOver(null)}
        onClick={(event) => { const found = nearest(event); if (found?.number !== undefined) open(found.number); }}
      />
      {width > 0 && dots.filter((dot) => dot.pending).map((dot) => (
        <span key={dot.number} class="blink" style={{ left: `${x(dot.x)}px`, top: `${y(dot.y)}px` }} />
      ))}
      {over && (
        <div class={`tip ${x(over.x) > width * 0.55 ? "tip-left" : ""}`} style={{ left: `${x(over.x)}px`, top: `${Math.max(0, y(over.y) - 18)}px` }}>{tip(over)}</div>
      )}
    </div>
  );
}

function line(g: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  g.beginPath();
  g.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
  g.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
  g.stroke();
}

function star(g: CanvasRenderingContext2D, x: number, y: number, size: number, fill: string, edge: string): void {
  g.beginPath();
  for (let k = 0; k < 10; k++) {
    const r = k % 2 ? size * 0.46 : size;
    const a = -Math.PI / 2 + (k * Math.PI) / 5;
    g[k ? "lineTo" : "moveTo"](x + r * Math.cos(a), y + r * Math.sin(a));
  }
  g.closePath();
  g.fillStyle = fill;
  g.strokeStyle = edge;
  g.lineWidth = 2;
  g.lineJoin = "round";
  g.stroke();
  g.fill();
}
