"""What the chart brings for Prometheus and Grafana, as real helm renders it; PrometheusRule: see test_monitors."""

import json
from typing import Any

import pytest
import yaml

from genmodel_operator.settings import PodMonitorSettings, Settings
from scripts.generate.monitoring.dashboards import DASHBOARDS, dashboard
from tests.helm import RELEASE, Helm, Objects

pytestmark = pytest.mark.apiserver


def dashboards(found: Objects) -> dict[str, dict[str, Any]]:
    return {name: item for (kind, name), item in found.items() if kind == "ConfigMap" and "-dashboard-" in name}


def test_dashboards_are_config_maps_that_a_sidecar_finds(helm: Helm) -> None:
    found = dashboards(helm.objects())
    assert set(found) == {f"{RELEASE}-dashboard-{name}" for name in DASHBOARDS}
    for name in DASHBOARDS:
        config = found[f"{RELEASE}-dashboard-{name}"]
        assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert json.loads(config["data"][f"genmodel-{name}.json"]) == dashboard(name)


def test_dashboards_go_where_the_sidecar_looks(helm: Helm) -> None:
    wanted = {"labels": {"board": "yes"}, "annotations": {"grafana_folder": "Models"}, "namespace": "grafana"}
    found = dashboards(helm.objects({"metrics": {"dashboards": wanted}}))
    assert len(found) == len(DASHBOARDS)
    for key, config in found.items():
        assert key.startswith("grafana/")
        assert config["metadata"]["labels"]["board"] == "yes"
        assert config["metadata"]["annotations"] == {"grafana_folder": "Models"}
    assert dashboards(helm.objects({"metrics": {"dashboards": {"enabled": False}}})) == {}


def test_without_the_kinds_nothing_of_them_is_rendered(helm: Helm) -> None:
    assert not {kind for kind, _ in helm.objects()} & {"PodMonitor", "PrometheusRule"}


def test_the_operator_s_settings_follow_the_chart_s(helm: Helm) -> None:
    monitor = {"labels": {"release": "prom"}, "intervalSeconds": 15, "enabled": False}
    found = helm.objects({"metrics": {"podMonitor": monitor}})
    text = found["ConfigMap", RELEASE]["data"]["settings.yaml"]
    settings = Settings.model_validate(yaml.safe_load(text), strict=True)
    assert settings.pod_monitors == PodMonitorSettings(enabled=False, labels={"release": "prom"}, interval_seconds=15)


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param({"podMonitors": {"enabled": True}}, "podMonitors", id="a misspelt kind"),
        pytest.param({"podMonitor": {"interval": "15s"}}, "interval", id="a misspelt interval"),
        pytest.param({"podMonitor": {"intervalSeconds": 0}}, "intervalSeconds", id="no interval"),
        pytest.param({"prometheusRule": {"runbookUrl": "wiki"}}, "runbookUrl", id="no address"),
        pytest.param({"dashboards": {"labels": {"a": 1}}}, "labels", id="a number for a label"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(helm: Helm, values: dict[str, Any], want: str) -> None:
    answer = helm.template({"metrics": values})
    assert answer.returncode != 0
    assert want in answer.stderr
