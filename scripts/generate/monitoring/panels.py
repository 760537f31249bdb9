"""Panels of a Grafana dashboard, with what Grafana would fill in itself left out."""

from dataclasses import dataclass
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Query:
    """One query; ``legend`` names its series by their labels."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; sizes are Grafana's units, of which a row has 24."""

    title: str
    queries: tuple[Query, ...]
    text: str
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 8

    def document(self, number: int, x: int, y: int) -> dict[str, Any]:
        """Return the panel as Grafana reads it, at this place."""
        is_instant = self.kind in ("stat", "table")
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.text,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": {"unit": self.unit, **_least(self.kind)}, "overrides": []},
            "options": OPTIONS[self.kind],
            "targets": [
                _target(query, chr(ord("A") + index), instant=is_instant) for index, query in enumerate(self.queries)
            ],
            **({"transformations": _TABLE} if self.kind == "table" else {}),
        }


def _least(kind: str) -> dict[str, Any]:
    return {"min": 0} if kind == "timeseries" else {}


OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"], "values": False}, "colorMode": "value", "graphMode": "none"},
    "table": {"showHeader": True},
}
_TABLE = [{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}]


def _target(query: Query, ref: str, *, instant: bool) -> dict[str, Any]:
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "expr": query.expression,
        "legendFormat": query.legend or "__auto",
        "instant": instant,
        "range": not instant,
        **({"format": "table"} if instant else {}),
    }


def laid_out(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    """Return the panels from left to right and from top to bottom."""
    x = y = row_height = 0
    placed = []
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        placed.append(panel.document(number, x, y))
        x, row_height = x + panel.width, max(row_height, panel.height)
    return placed
