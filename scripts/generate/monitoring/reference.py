"""The reference page of all metrics, recorded figures and alerts."""

import re
from collections.abc import Iterator

from genmodel_operator.observability.metrics import Metrics
from genmodel_runtime.contract import Phase
from genmodel_runtime.metrics import own_metrics
from genmodel_runtime.state import Download, Measured, Snapshot
from scripts.generate.monitoring.alerts import ALERTS, Alert
from scripts.generate.monitoring.recording import recorded
from scripts.generate.reference import page, table

_ABOUT = (
    "How to get them into a Prometheus, and what to do with them: [monitoring](../monitoring.md). No label can grow "
    "without bound but with the models themselves, and the series of a model go with it."
)
_ENGINE = (
    "Pods of models show these on port 8001 (`runtime`), together with the engine's own metrics. The engine's are "
    "named by its release: [vLLM's list](https://docs.vllm.ai/en/stable/design/metrics/)."
)
_RECORDED = (
    "Recording rules in [genmodel.rules.yaml](../../charts/genmodel/files/genmodel.rules.yaml). Dashboards and alerts "
    "read these, so that they survive an engine that calls a figure otherwise."
)
_HEADS = ["metric", "type", "labels", "meaning"]


def metrics() -> str:
    """Return the page."""
    return page(
        "Metrics and alerts",
        _ABOUT,
        "## The operator",
        table(_HEADS, [[f"`{name}`", kind, _codes(names), text] for name, kind, names, text in Metrics().described()]),
        "## The runtime in a model's pod",
        _ENGINE,
        table(_HEADS, list(_runtime())),
        "## Recorded figures",
        _RECORDED,
        table(
            ["figure", "labels", "meaning", "from, newest name first"],
            [
                [f"`{name}`", _codes(names), text, _codes(source.split(", "))]
                for name, names, text, source in recorded()
            ],
        ),
        "## Alerts",
        table(["alert", "severity", "fires after", "when"], [_alert(alert) for alert in ALERTS]),
    )


def _codes(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names if name)


def _runtime() -> Iterator[list[str]]:
    """Yield what the runtime says when it knows everything that it can."""
    told = own_metrics(Snapshot(Phase.SERVING, since=0, download=Download(1, 1), measured=Measured(start_seconds=1.0)))
    for name, text, kind in re.findall(r"# HELP (\S+) (.*)\n# TYPE \S+ (\S+)", told):
        labels = sorted({label for found in re.findall(rf"^{name}{{(.*)}}", told, re.M) for label in _names(found)})
        yield [f"`{name}`", kind, _codes(labels), text]


def _names(labels: str) -> list[str]:
    return re.findall(r'(\w+)="', labels)


def _alert(alert: Alert) -> list[str]:
    link = f"[{alert.name}](../runbooks/{alert.name}.md)"
    return [link, alert.severity, alert.wait, f"`{alert.expression}`"]
