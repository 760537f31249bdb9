"""Every panel of the dashboards has data, from a real Prometheus that scrapes the operator and a loaded vLLM."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from bench.pictures import draw
from examples.demo.steps import CHAT
from scripts.generate.monitoring.alerts import ALERTS
from scripts.generate.monitoring.recording import FIGURES
from scripts.generate.outputs import CHART, ROOT
from tests.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.progress import wait_until
from tests.platform import Platform
from tests.prometheus_server import Prometheus, prometheus_at_work

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NAME = "fables"
GONE = "gone"
"""A model that is deleted meanwhile."""
CLIENTS = 4
PICTURES = os.environ.get("GENMODEL_PICTURES")
"""Set: the load lasts longer, and the panels are drawn into docs/pictures."""
PICTURE_SECONDS = 150.0
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in (CHART / "files" / "dashboards").glob("*.json")}


def query_of(target: dict[str, Any]) -> str:
    return str(target["expr"]).replace("$namespace", "default").replace("$model", NAME)


QUERIES = {
    f"{name}: {panel['title']} {target['refId']}": query_of(target)
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    for target in panel["targets"]
}


@contextmanager
def requests_under_way(url: str) -> Iterator[None]:
    """Keep a few clients asking and streaming until the block ends."""
    enough = threading.Event()

    def ask(number: int) -> None:
        with OpenAI(base_url=url, api_key="unused", timeout=120, max_retries=0) as api:
            while not enough.is_set():
                asked = [{"role": "user", "content": f"Tell me fable {number} of the fox and the grapes."}]
                stream = api.chat.completions.create(
                    model=NAME,
                    messages=asked,  # type: ignore[arg-type]
                    max_tokens=16 * (1 + number),
                    stream=True,
                )
                for _ in stream:
                    pass
                enough.wait(0.2 * number)

    clients = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        enough.set()
        for client in clients:
            client.join(120)


def without_data(prometheus: Prometheus) -> list[str]:
    return [name for name, query in QUERIES.items() if not prometheus.values(query)]


def test_every_panel_has_data(platform: Platform, fables: str, tmp_path: Path) -> None:
    assert fables == NAME
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("Prometheus runs inside the network of our own cluster")
    platform.wish(GONE, CHAT, suspend=True)
    with prometheus_at_work(platform.cluster, tmp_path) as prometheus:
        with requests_under_way(platform.endpoint(NAME)):
            try:
                wait_until("data in every panel", lambda: without_data(prometheus) == [], timeout_seconds=120)
            except ClusterError:
                pytest.fail(f"no data: {without_data(prometheus)}; not scraped: {prometheus.unhealthy_targets()}")
            assert_all_is_scraped(prometheus)
            assert_rules_are_evaluated(prometheus)
            if PICTURES:
                draw_all(prometheus)
        told = f'genmodel_replicas{{name="{GONE}"}}'
        wait_until("what the operator tells", lambda: bool(prometheus.values(told)), timeout_seconds=60)
        platform.delete(GONE)
        wait_until("nothing of a deleted model", lambda: not prometheus.values(told), timeout_seconds=60)


def assert_all_is_scraped(prometheus: Prometheus) -> None:
    assert prometheus.unhealthy_targets() == []
    found = [(labels["job"], labels.get("model", "")) for labels in prometheus.targets()]
    assert found.count(("genmodel-operator", "")) == 1
    assert found.count(("genmodel-models", NAME)) == 1
    # The engine names itself as the model is named: so its figures are found however they are scraped.
    assert prometheus.values(f'vllm:num_requests_running{{namespace="default",model="{NAME}",model_name="{NAME}"}}')
    assert prometheus.values(f'genmodel_runtime_start_seconds{{model="{NAME}"}}')[0] > 0
    assert not prometheus.values('{__name__=~".+_created",job="genmodel-models"}')


def assert_rules_are_evaluated(prometheus: Prometheus) -> None:
    """Each rule was evaluated; no alert fires for a model that serves well."""
    rules = prometheus.rules()
    assert {rule["name"] for rule in rules} >= {*(figure.record for figure in FIGURES), *(a.name for a in ALERTS)}
    assert {(rule["name"], rule.get("lastError", "")) for rule in rules if rule["health"] != "ok"} == set()
    assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []


def draw_all(prometheus: Prometheus) -> None:
    time.sleep(PICTURE_SECONDS)
    for name, dashboard in DASHBOARDS.items():
        (ROOT / "docs" / "pictures" / f"dashboard-{name}.svg").write_text(picture(prometheus, dashboard))


def picture(prometheus: Prometheus, dashboard: dict[str, Any]) -> str:
    answers = {}
    for panel in dashboard["panels"]:
        drawn = []
        for target in panel["targets"]:
            for labels, points in prometheus.series(query_of(target), seconds=PICTURE_SECONDS):
                if points:
                    drawn.append((named(target["legendFormat"], labels), points))
        answers[panel["id"]] = drawn
    return draw(dashboard, answers)


def named(legend: str, labels: dict[str, str]) -> str:
    """Return a series' name as Grafana makes it."""
    if legend == "__auto":
        return "  ".join(value for _, value in sorted(labels.items()))
    for label, value in labels.items():
        legend = legend.replace(f"{{{{{label}}}}}", value)
    return legend
