// Line charts (uPlot) in the page's colours, as wide as their place.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Counts changes between light and dark, so that canvases are drawn anew. */
export function useTheme(): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const turned = () => setCount((n) => n + 1);
    addEventListener("bonanza-theme", turned);
    return () => removeEventListener("bonanza-theme", turned);
  }, []);
  return count;
}

export function useWidth(): [{ current: HTMLDivElement | null }, number] {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

export function axis(over: Partial<uPlot.Axis> = {}): uPlot.Axis {
  return {
    stroke: () => colour("ink-3"),
    font: "12px Inter, sans-serif",
    grid: { stroke: () => colour("line"), width: 1 },
    ticks: { show: false },
    gap: 8,
    size: 34,
    ...over,
  };
}

export interface Tip { left: number; top: number; index: number }

/** A chart of aligned columns; `options` may not depend on anything but `token`. */
export function Chart({ data, options, height, label, token = "", tip }: {
  data: uPlot.AlignedData;
  options: () => Omit<uPlot.Options, "width" | "height">;
  height: number;
  label: string;
  token?: string;
  tip?: (index: number) => preact.ComponentChildren;
}) {
  const [place, width] = useWidth();
  const plot = useRef<uPlot | null>(null);
  const theme = useTheme();
  const [at, setAt] = useState<Tip | null>(null);
  useEffect(() => {
    if (!place.current || width === 0) return;
    const made = new uPlot({
      ...options(),
      width,
      height,
      legend: { show: false },
      cursor: {
        drag: { x: true, y: false, setScale: true },
        points: { size: 7, width: 2, stroke: () => colour("card"), fill: (u, k) => String((u.series[k] as { tint?: string }).tint ?? colour("accent")) },
        y: false,
        ...options().cursor,
      },
      hooks: {
        setCursor: [(u) => {
          const index = u.cursor.idx;
          const { left = -1, top = 0 } = u.cursor;
          setAt(index === null || index === undefined || left < 0 ? null : { left: left + u.bbox.left / devicePixelRatio, top, index });
        }],
        ...options().hooks,
      },
    }, data, place.current);
    plot.current = made;
    return () => { made.destroy(); plot.current = null; };
  }, [token, theme, width > 0]);
  useEffect(() => { plot.current?.setData(data); }, [data]);
  useEffect(() => { if (width > 0) plot.current?.setSize({ width, height }); }, [width, height]);
  return (
    <div class="chart" ref={place} role="img" aria-label={label} style={{ height: `${height}px` }}>
      {at && tip && <div class={`tip ${at.left > width * 0.6 ? "tip-left" : ""}`} style={{ left: `${at.left}px`, top: `${Math.max(0, at.top - 20)}px` }}>{tip(at.index)}</div>}
    </div>
  );
}

/** A line of the best so far, the height of a row. */
export function Sparkline({ points, maximize, width = 132, height = 34 }: { points: number[]; maximize: boolean; width?: number; height?: number }) {
  if (points.length < 2) return <svg class="spark" width={width} height={height} aria-hidden="true"><path d={`M2 ${height - 4}H${width - 2}`} class="spark-empty" /></svg>;
  // The first results of a search are often far below the rest; what is worth a look is what comes after them.
  const sorted = [...points].sort((a, b) => a - b);
  const [low, high] = maximize ? [sorted[Math.floor(points.length * 0.08)], sorted[points.length - 1]] : [sorted[0], sorted[Math.ceil(points.length * 0.92) - 1]];
  const spread = high - low || 1;
  const x = (k: number) => 2 + (k / (points.length - 1)) * (width - 8);
  const y = (v: number) => 5 + (1 - Math.min(1, Math.max(0, (v - low) / spread))) * (height - 10);
  let d = `M${x(0).toFixed(1)} ${y(points[0]).toFixed(1)}`;
  for (let k = 1; k < points.length; k++) d += `H${x(k).toFixed(1)}V${y(points[k]).toFixed(1)}`;
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <path d={`${d}V${height - 1}H${x(0).toFixed(1)}Z`} class="spark-area" />
      <path d={d} class="spark-line" />
      <circle cx={x(points.length - 1)} cy={y(points[points.length - 1])} r="2.6" class="spark-end" />
    </svg>
  );
}
