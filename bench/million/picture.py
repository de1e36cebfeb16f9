"""Cost of a check and lag against the number of websites, as an SVG of two panels. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 980, 430
_PANEL_W, _PANEL_H, _TOP = 370, 250, 96
_INK, _SOFT, _GRID = "#1f2933", "#66727f", "#e4e8ec"
_BLUE, _TEAL, _RED = "#2563b0", "#0f8f7c", "#b3403a"
_LIMIT = f'stroke="{_RED}" stroke-width="1.6" stroke-dasharray="2 4"'
_STYLE = f"""
  text {{ font-family: "DejaVu Sans", Verdana, sans-serif; fill: {_INK}; font-size: 12px; }}
  .soft {{ fill: {_SOFT}; }} .title {{ font-size: 15px; font-weight: bold; }}
  .end {{ text-anchor: end; }} .mid {{ text-anchor: middle; }} .b {{ font-weight: bold; }}
"""


@dataclass(frozen=True)
class Curve:
    """(websites, value) points; ``label`` stands in the legend."""

    label: str
    colour: str
    points: Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Limit:
    value: float
    label: str


def draw(found: Mapping[str, Any], subtitle: str) -> str:
    """Of ``outcome.result``: what was measured side by side, and all websites at their interval."""
    sizes, all_of_them = found["sizes"], found["sites"]

    def points(key: str) -> list[tuple[int, float]]:
        return [(s["sites"], s[key]) for s in sizes if math.isfinite(s[key])]

    beside = f"{sizes[0]['checks_per_s']:.0f} checks/s" if sizes else ""
    full = f"{found['checks_per_s']:,.0f} checks/s"
    cost = [
        Curve(beside, _BLUE, points("marginal_us_per_check")),
        Curve(full, _TEAL, [(all_of_them, found["marginal_us_per_check"])]),
    ]
    lag = [
        Curve(beside, _BLUE, points("lag_p99_s")),
        Curve(full, _TEAL, [(all_of_them, found["lag_p99_s"])]),
    ]
    title = "CPU of one check without idling, microseconds"
    body = [
        '<text class="title" x="28" y="34">What a check costs, and how late it is</text>',
        f'<text class="soft" x="28" y="54">{escape(subtitle)}</text>',
        *_panel(72, title, cost, Limit(250, "at most 250")),
        *_panel(560, "lag from slot to stored, p99, seconds", lag, Limit(30, "at most 30")),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="Cost of a check and its lag">'
    )
    clip = (
        f'<clipPath id="panels"><rect y="{_TOP}" width="{_WIDTH}" height="{_PANEL_H}"/></clipPath>'
    )
    white = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", clip, white, *body, "</svg>", ""])


def ceiling(values: Sequence[float]) -> float:
    """A round number that none of them exceeds: 1, 1.5, 2, 3, 4, 6, 8 times a power of ten."""
    most = max([v for v in values if v > 0], default=1.0)
    power: float = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 6, 8, 10) if step * power >= most)


def _panel(left: float, title: str, curves: Sequence[Curve], limit: Limit) -> list[str]:
    sites = sorted({n for curve in curves for n, _ in curve.points}) or [1]
    lowest = math.floor(math.log10(sites[0]))
    highest = max(math.ceil(math.log10(sites[-1])), lowest + 1)
    top = ceiling([limit.value * 1.05, *(_most_shown(curves, limit))])

    def x(n: int) -> float:
        return left + 16 + (math.log10(n) - lowest) / (highest - lowest) * (_PANEL_W - 32)

    def y(value: float) -> float:
        return _TOP + _PANEL_H * (1 - value / top)

    bottom, middle = _TOP + _PANEL_H, left + _PANEL_W / 2
    return [
        f'<text class="b" x="{left}" y="{_TOP - 16}">{escape(title)}</text>',
        *_grid(left, top, y),
        *(_tick(x(10**power), 10**power) for power in range(lowest, highest + 1)),
        f'<text class="soft mid" x="{middle}" y="{bottom + 38}">websites</text>',
        f'<path d="M{left} {y(limit.value):.1f}h{_PANEL_W}" {_LIMIT}/>',
        *(part for curve in curves for part in _curve(curve, x, y, top, _highest(curves))),
        *_legend(left, curves, limit),
    ]


def _highest(curves: Sequence[Curve]) -> set[tuple[int, float]]:
    """Where several points stand above each other, the topmost."""
    points = [point for curve in curves for point in curve.points]
    values = {n: [value for other, value in points if other == n] for n, _ in points}
    return {(n, max(found)) for n, found in values.items() if len(found) > 1}


def _most_shown(curves: Sequence[Curve], limit: Limit) -> list[float]:
    """What the axis must reach: a value beyond four times the limit leaves it at its edge."""
    return [min(v, limit.value * 4) for curve in curves for _, v in curve.points]


def _grid(left: float, top: float, y: Callable[[float], float]) -> list[str]:
    parts = []
    for step in range(6):
        value = top * step / 5
        parts.append(f'<path d="M{left} {y(value):.1f}h{_PANEL_W}" stroke="{_GRID}"/>')
        parts.append(
            f'<text class="soft end" x="{left - 8}" y="{y(value) + 4:.1f}">{value:g}</text>'
        )
    return parts


def _tick(x: float, sites: int) -> str:
    return f'<text class="soft mid" x="{x:.1f}" y="{_TOP + _PANEL_H + 20}">{words(sites)}</text>'


def words(sites: int) -> str:
    """1,000 as 1k, 1,000,000 as 1M."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if sites >= size:
            return f"{sites / size:g}{letter}"
    return str(sites)


def _curve(
    curve: Curve,
    x: Callable[[int], float],
    y: Callable[[float], float],
    top: float,
    highest: set[tuple[int, float]],
) -> list[str]:
    """A line with its points. What is beyond the axis leaves the panel, its figure at the edge."""
    path = " ".join(f"{x(n):.1f},{y(value):.1f}" for n, value in curve.points)
    style = f'fill="none" clip-path="url(#panels)" {_stroke(curve)}'
    parts = [f'<polyline points="{path}" {style}/>']
    for n, value in curve.points:
        if value > top:
            parts.append(_label(x(n) + 8, _TOP + 16, f"{_figure(value)} \u2191", curve, "start"))
            continue
        at = f'cx="{x(n):.1f}" cy="{y(value):.1f}"'
        ring = f'fill="#ffffff" stroke="{curve.colour}" stroke-width="2"'
        parts.append(f'<circle {at} r="4" {ring}/>')
        room = (n, value) not in highest and y(value) < _TOP + _PANEL_H - 24
        beside = y(value) + 20 if room else y(value) - 10
        parts.append(_label(x(n), beside, _figure(value), curve, "middle"))
    return parts


def _stroke(curve: Curve) -> str:
    return f'stroke="{curve.colour}" stroke-width="2.2"'


def _label(x: float, y: float, text: str, curve: Curve, anchor: str) -> str:
    style = (
        f"fill:{curve.colour};text-anchor:{anchor};paint-order:stroke;stroke:#fff;stroke-width:3px"
    )
    return f'<text x="{x:.1f}" y="{y:.1f}" style="{style}">{text}</text>'


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _legend(left: float, curves: Sequence[Curve], limit: Limit) -> list[str]:
    marks = [(curve.label, _stroke(curve)) for curve in curves]
    parts, x, y = [], left, _TOP + _PANEL_H + 62
    for label, stroke in [*marks, (limit.label, _LIMIT)]:
        parts.append(f'<path d="M{x:.0f} {y - 4}h24" {stroke}/>')
        parts.append(f'<text x="{x + 30:.0f}" y="{y}">{escape(label)}</text>')
        x += 52 + 6.7 * len(label)
    return parts
