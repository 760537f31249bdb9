"""The dashboards beside Grafana's own types (grafana-foundation-sdk, which Grafana generates from its schema)."""

import inspect
import json
import re
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard, DataTransformerConfig, Panel
from pydantic import ConfigDict, TypeAdapter

from genmodel_operator.observability.metrics import Metrics
from scripts.generate.monitoring.recording import recorded
from scripts.generate.outputs import CHART

FILES = sorted((CHART / "files" / "dashboards").glob("*.json"))
LOOSE = ConfigDict(arbitrary_types_allowed=True)


@pytest.fixture(scope="module", autouse=True)
def _panels_and_queries() -> None:
    plugins.register_default_plugins()


def read_by_grafana(document: dict[str, Any]) -> Dashboard:
    """Return the dashboard in Grafana's types; the package leaves transformations as they are, so they come here."""
    read = Dashboard.from_json(document)
    for panel in read.panels or []:
        if isinstance(panel, Panel) and panel.transformations:
            panel.transformations = [DataTransformerConfig.from_json(vars_of(t)) for t in panel.transformations]
    return read


def vars_of(transformation: Any) -> dict[str, Any]:
    return dict(transformation) if isinstance(transformation, dict) else dict(vars(transformation))


def lost(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Yield what Grafana's types do not know of ours, or read as something else."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from lost(value, theirs[key], f"{path}.{key}") if key in theirs else [f"{path}.{key}"]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(*pair, f"{path}[{index}]")
    elif ours != theirs:
        yield f"{path}: {ours!r} is read as {theirs!r}"


def wrongly_typed(found: Any, path: str = "") -> Iterator[str]:
    """Yield the members that are not of the type which Grafana declares for them."""
    if isinstance(found, list):
        for index, item in enumerate(found):
            yield from wrongly_typed(item, f"{path}[{index}]")
    if not type(found).__module__.startswith("grafana_foundation_sdk"):
        return
    module = inspect.getmodule(type(found))
    hints = typing.get_type_hints(type(found).__init__, vars(module))
    for name, hint in hints.items():
        value = getattr(found, name, None)
        if name == "return" or value is None:
            continue
        try:
            TypeAdapter(hint, config=LOOSE).validate_python(value)
        except ValueError as error:
            yield f"{path}.{name}: {error}"
        yield from wrongly_typed(value, f"{path}.{name}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestFile:
    def test_grafana_s_types_know_every_key_and_value(self, path: Any) -> None:
        document = json.loads(path.read_text())
        read = read_by_grafana(document)
        assert list(lost(document, json.loads(json.dumps(read, cls=JSONEncoder)))) == []
        assert list(wrongly_typed(read)) == []

    def test_panels_have_numbers_and_places_of_their_own(self, path: Any) -> None:
        panels = json.loads(path.read_text())["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        cells = [
            (x, y)
            for place in (panel["gridPos"] for panel in panels)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(set(cells)) == len(cells), "panels lie upon each other"
        assert max(x for x, _ in cells) < 24

    def test_every_query_reads_figures_that_there_are(self, path: Any) -> None:
        known = {name for name, _, _, _ in Metrics().described()} | {name for name, *_ in recorded()}
        text = path.read_text()
        read = set(re.findall(r"genmodel[_:][a-z_:0-9]+", " ".join(re.findall(r'"(?:expr|query)": "(.*)"', text))))
        assert read
        assert read <= known


@pytest.mark.parametrize(
    ("change", "want"),
    [
        pytest.param({"graphTooltip": "much"}, "graph_tooltip", id="a wrong type"),
        pytest.param({"surprise": 1}, ".surprise", id="an unknown key"),
    ],
)
def test_what_grafana_does_not_know_is_noticed(change: dict[str, Any], want: str) -> None:
    document = json.loads(FILES[0].read_text()) | change
    read = read_by_grafana(document)
    found = [*lost(document, json.loads(json.dumps(read, cls=JSONEncoder))), *wrongly_typed(read)]
    assert any(want in problem for problem in found)
