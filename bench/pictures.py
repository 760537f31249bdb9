"""Draws a dashboard's panels as one SVG, from what a Prometheus answered to their queries."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

UNIT_WIDTH, UNIT_HEIGHT = 50, 24
MARGIN = 8
COLOURS = ("#3274d9", "#e0752d", "#56a64b", "#b877d9", "#e02f44", "#8f8f8f", "#f2cc0c", "#37872d")
_STYLE = "font-family: sans-serif; font-size: 11px; fill: #333"

Series = tuple[str, Sequence[tuple[float, float]]]
"""Its name, and points of Unix time and value."""


def draw(dashboard: Mapping[str, Any], answers: Mapping[int, Sequence[Series]]) -> str:
    """Return the dashboard; ``answers`` has the series of each panel by its number."""
    panels = dashboard["panels"]
    width = max(p["gridPos"]["x"] + p["gridPos"]["w"] for p in panels) * UNIT_WIDTH
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels) * UNIT_HEIGHT + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" style="{_STYLE}">',
        f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>',
        f'<text x="{MARGIN}" y="20" font-size="15">{escape(dashboard["title"])}</text>',
        *(_panel(panel, answers.get(panel["id"], ())) for panel in panels),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _panel(panel: Mapping[str, Any], series: Sequence[Series]) -> str:
    place = panel["gridPos"]
    width, height = place["w"] * UNIT_WIDTH - MARGIN, place["h"] * UNIT_HEIGHT - MARGIN
    x, y = place["x"] * UNIT_WIDTH + MARGIN / 2, place["y"] * UNIT_HEIGHT + 30
    inside = _graph if panel["type"] == "timeseries" else _words
    return (
        f'<g transform="translate({x:g} {y:g})"><rect width="{width}" height="{height}" fill="#fff" stroke="#ddd"/>'
        f'<text x="{MARGIN}" y="16" font-weight="bold">{escape(panel["title"])}</text>'
        f"{inside(panel, series, width, height)}</g>"
    )


def _words(panel: Mapping[str, Any], series: Sequence[Series], _width: float, height: float) -> str:
    """A table has its rows, a number has itself."""
    lines = []
    for index, (name, points) in enumerate(series):
        value = "" if panel["type"] == "table" else f"{points[-1][1]:.4g} "
        y = 38 + 16 * index
        if y < height:
            lines.append(f'<text x="{MARGIN}" y="{y}" font-size="13">{escape(value + name)}</text>')
    return "".join(lines)


def _graph(panel: Mapping[str, Any], series: Sequence[Series], width: float, height: float) -> str:
    left, top, bottom = 52, 26, height - 34
    times = [time for _, points in series for time, _ in points]
    values = [value for _, points in series for _, value in points]
    if not values:
        return ""
    start, end, most = min(times), max(times), max(values) or 1.0
    across, up = (width - left - MARGIN) / ((end - start) or 1.0), (bottom - top) / most
    unit = panel["fieldConfig"]["defaults"]["unit"]
    axis = "".join(
        f'<line x1="{left}" x2="{width - MARGIN}" y1="{bottom - up * v:.1f}" y2="{bottom - up * v:.1f}" stroke="#eee"/>'
        f'<text x="{left - 4}" y="{bottom - up * v + 4:.1f}" text-anchor="end">{_with_unit(v, unit)}</text>'
        for v in (0.0, most / 2, most)
    )
    lines = "".join(
        f'<polyline fill="none" stroke="{COLOURS[index % len(COLOURS)]}" stroke-width="1.5" points="'
        + " ".join(f"{left + across * (time - start):.1f},{bottom - up * value:.1f}" for time, value in points)
        + '"/>'
        for index, (_, points) in enumerate(series)
    )
    return axis + lines + _legend(series, width, height)


def _legend(series: Sequence[Series], width: float, height: float) -> str:
    room = (width - MARGIN) / max(1, len(series))
    return "".join(
        f'<rect x="{MARGIN + room * index:.0f}" y="{height - 18}" width="9" height="9" '
        f'fill="{COLOURS[index % len(COLOURS)]}"/>'
        f'<text x="{MARGIN + room * index + 13:.0f}" y="{height - 10}">{escape(name[: max(4, int(room / 6.5))])}</text>'
        for index, (name, _) in enumerate(series)
    )


def _with_unit(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s":
        return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"
    return f"{value:.3g}"
