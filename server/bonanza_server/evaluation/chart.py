"""Charts as inline SVG, without any script: lines, points and bars on one pair of axes.

Colours are classes (``s1``, ``s2``, …), which the page's style sheet gives values for light and for dark; sizes are in user units, so that a chart is as
wide as where it stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

WIDTH, HEIGHT = 560.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 14.0, 46.0


class Chart:
    """A chart that is drawn on, then asked for its ``svg``. Without ``y`` the range is of what is drawn."""

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], *, x_label: str, y_label: str, title: str
    ) -> None:
        self._x, self._y = _padded(x, 0.0), _padded(y, 0.06)
        self._labels = x_label, y_label
        self._title = title
        self._marks: list[str] = []
        self._legend: list[tuple[str, str]] = []

    def line(
        self, points: Iterable[tuple[float, float | None]], kind: str, label: str = "", *, step: bool = False
    ) -> None:
        """A line through the points; None breaks it. ``step``: the value holds until the next point."""
        path: list[str] = []
        pen, before = "M", 0.0
        for x, y in points:
            if y is None:
                pen = "M"
                continue
            if step and pen == "L":
                path.append(f"L{self._across(x):.1f} {before:.1f}")
            before = self._up(y)
            path.append(f"{pen}{self._across(x):.1f} {before:.1f}")
            pen = "L"
        self._marks.append(f'<path class="line {kind}" d="{"".join(path)}"/>')
        self._note(kind, label)

    def band(self, points: Sequence[tuple[float, float, float]], kind: str) -> None:
        """The area between two values at each x."""
        upper = [f"{self._across(x):.1f} {self._up(high):.1f}" for x, _, high in points]
        lower = [f"{self._across(x):.1f} {self._up(low):.1f}" for x, low, _ in reversed(points)]
        self._marks.append(f'<path class="band {kind}" d="M{"L".join(upper + lower)}Z"/>')

    def points(self, points: Iterable[tuple[float, float]], kind: str, label: str = "", *, radius: float = 3.4) -> None:
        """A dot each."""
        for x, y in points:
            self._marks.append(
                f'<circle class="dot {kind}" cx="{self._across(x):.1f}" cy="{self._up(y):.1f}" r="{radius}">'
                f"<title>{x:.4g}, {y:.4g}</title></circle>"
            )
        self._note(kind, label)

    def bars(self, edges: Sequence[float], heights: Sequence[float], kind: str) -> None:
        """Bars from 0, between the edges."""
        for left, right, height in zip(edges, edges[1:], heights, strict=False):
            x, width = self._across(left), self._across(right) - self._across(left)
            y = self._up(height)
            self._marks.append(
                f'<rect class="bar {kind}" x="{x + 0.8:.1f}" y="{y:.1f}" width="{max(width - 1.6, 0.8):.1f}" '
                f'height="{self._up(0.0) - y:.1f}" rx="1.5"><title>{left:.2f} to {right:.2f}: {height:g}</title></rect>'
            )

    def upright(self, x: float, kind: str, label: str) -> None:
        """A vertical line from top to bottom."""
        at = self._across(x)
        self._marks.append(f'<path class="line {kind}" d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        self._note(kind, label)

    def level(self, y: float, kind: str, label: str) -> None:
        """A horizontal line from side to side."""
        at = self._up(y)
        self._marks.append(f'<path class="line {kind}" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        self._note(kind, label)

    def svg(self) -> str:
        """The chart and its legend, as one figure of HTML."""
        parts = [f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(self._title)}">']
        for tick in ticks(*self._y):
            at = self._up(tick)
            parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(
                f'<text class="tick" x="{LEFT - 8}" y="{at + 3.8:.1f}" text-anchor="end">{_plain(tick)}</text>'
            )
        for tick in ticks(*self._x):
            at, below = self._across(tick), HEIGHT - BOTTOM
            parts.append(f'<path class="axis" d="M{at:.1f} {below}v4"/>')
            parts.append(f'<text class="tick" x="{at:.1f}" y="{below + 17}" text-anchor="middle">{_plain(tick)}</text>')
        parts.append(f'<path class="axis" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
        parts += self._marks
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            f'<text class="label" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(self._labels[0])}</text>'
        )
        height = (TOP + HEIGHT - BOTTOM) / 2
        parts.append(
            f'<text class="label" transform="translate(13 {height}) rotate(-90)" text-anchor="middle">{escape(self._labels[1])}</text>'
        )
        keys = "".join(f'<span><i class="{kind}"></i>{escape(label)}</span>' for kind, label in self._legend)
        legend = f'<div class="legend">{keys}</div>' if keys else ""
        return f"<figure><figcaption>{escape(self._title)}</figcaption>{legend}{''.join(parts)}</svg></figure>"

    def _note(self, kind: str, label: str) -> None:
        if label:
            self._legend.append((kind, label))

    def _across(self, x: float) -> float:
        low, high = self._x
        return LEFT + (x - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def _up(self, y: float) -> float:
        low, high = self._y
        return HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _padded(span: tuple[float, float], part: float) -> tuple[float, float]:
    low, high = span
    if high <= low:
        room = max(abs(low) * 0.01, 0.5)
        return low - room, high + room
    return low - part * (high - low), high + part * (high - low)


def _plain(value: float) -> str:
    return f"{value:,.6g}".replace("-", "−")
