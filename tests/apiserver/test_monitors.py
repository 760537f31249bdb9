"""PodMonitors on a cluster where Prometheus Operator's kinds come and go while the operator runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api_connection import RequestError
from tests.cluster import Cluster
from tests.helm import CHART, KUBE_VERSION, NAMESPACE, RELEASE, Helm
from tests.operator_world import OperatorWorld
from tests.prometheus_crds import prometheus_crd
from tests.rollout_world import restarted

pytestmark = pytest.mark.apiserver

APPEARS_SECONDS = 120.0
KINDS = ("podmonitors", "prometheusrules")


@pytest.fixture
def prometheus_kinds(control_plane: Cluster) -> Iterator[Cluster]:
    """Yield the control plane with the real definitions; they are gone afterwards."""
    try:
        for plural in KINDS:
            crd = prometheus_crd(plural)
            control_plane.apply(crd)
            name = f"crd/{crd['metadata']['name']}"
            control_plane.kubectl("wait", "--for=condition=Established", name, "--timeout=60s")
        yield control_plane
    finally:
        remove_kinds(control_plane)


def remove_kinds(cluster: Cluster) -> None:
    names = [f"{plural}.monitoring.coreos.com" for plural in KINDS]
    cluster.kubectl("delete", "crd", *names, "--ignore-not-found", "--timeout=60s")


def monitors(world: OperatorWorld, team: str) -> list[dict[str, Any]]:
    """Return what is there; a kind that has just come may not be in the API server's lists yet."""
    try:
        return world.list(team, "podmonitors")
    except RequestError:
        return []


def test_models_get_monitors_when_the_kind_comes_and_live_on_when_it_goes(
    world: OperatorWorld, team: str, request: pytest.FixtureRequest
) -> None:
    with restarted(world, RESYNC_SECONDS="10"):
        monitors_come_and_go(world, team, request)


def monitors_come_and_go(world: OperatorWorld, team: str, request: pytest.FixtureRequest) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    pods = {pod["metadata"]["uid"] for pod in world.list(team, "pods")}

    request.getfixturevalue("prometheus_kinds")
    world.until(lambda: len(monitors(world, team)) == 1, "the model that serves gets one", seconds=APPEARS_SECONDS)
    assert_made_for(monitors(world, team)[0], "tiny")
    assert_put_back(world, team)
    assert_left_alone(world, team)
    world.until_quiet()
    world.stop_operator()
    world.start_operator(settings={"RESYNC_SECONDS": "10"})
    world.until_quiet()
    assert world.written() == {}, "a restart writes nothing"

    remove_kinds(world.cluster)
    world.until(lambda: "PodMonitor is not served any more" in world.operator_log(), "the operator notices")
    world.wish(team, "third")
    world.wait_for(team, "third", "Serving")
    assert {pod["metadata"]["uid"] for pod in world.list(team, "pods")} >= pods, "no pod was made anew for any of it"


def assert_made_for(made: dict[str, Any], model: str) -> None:
    assert made["metadata"]["name"] == model
    assert made["metadata"]["ownerReferences"][0]["kind"] == "GenerativeModel"
    assert made["spec"]["selector"]["matchLabels"]["genmodel.dev/model"] == model
    (endpoint,) = made["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["interval"]) == ("runtime", "30s")


def assert_put_back(world: OperatorWorld, team: str) -> None:
    world.cluster.kubectl("-n", team, "delete", "podmonitor", "tiny")
    world.until(lambda: len(monitors(world, team)) == 1, "what was deleted by hand comes back")
    patch = json.dumps([{"op": "replace", "path": "/spec/podMetricsEndpoints/0/port", "value": "http"}])
    world.cluster.kubectl("-n", team, "patch", "podmonitor", "tiny", "--type=json", "-p", patch)
    world.until(
        lambda: monitors(world, team)[0]["spec"]["podMetricsEndpoints"][0]["port"] == "runtime",
        "what was changed by hand is put back",
    )


def assert_left_alone(world: OperatorWorld, team: str) -> None:
    """Somebody else's object of the name is told by an Event, and the model serves."""
    foreign = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "second", "namespace": team},
        "spec": {"selector": {}, "podMetricsEndpoints": []},
    }
    world.cluster.apply(foreign)
    world.wish(team, "second")
    world.wait_for(team, "second", "Serving")
    world.until(
        lambda: any(
            "the PodMonitor second exists already" in event["message"] for event in world.events(team, "second")
        ),
        "somebody else's is left alone and told",
    )
    world.cluster.kubectl("-n", team, "delete", "gm", "second")


def test_the_chart_s_own_objects_are_what_prometheus_operator_takes(prometheus_kinds: Cluster, tmp_path: Path) -> None:
    helm = Helm(prometheus_kinds, tmp_path)
    group = "monitoring.coreos.com/v1"
    apis = [option for kind in ("PodMonitor", "PrometheusRule") for option in ("--api-versions", f"{group}/{kind}")]
    values = {
        "metrics": {
            "podMonitor": {"labels": {"release": "prom"}, "intervalSeconds": 15},
            "prometheusRule": {"labels": {"release": "prom"}, "runbookUrl": "https://wiki.example.com/runbooks"},
        }
    }
    shown = ["--show-only", "templates/podmonitor.yaml", "--show-only", "templates/prometheusrule.yaml"]
    about = [RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", KUBE_VERSION]
    done = helm.run("template", *about, *apis, *shown, values=values)
    assert done.returncode == 0, done.stderr
    text = done.stdout.replace(f"namespace: {NAMESPACE}", "namespace: default")
    args = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-"]
    found = {item["kind"]: item for item in json.loads(prometheus_kinds.kubectl(*args, input=text))["items"]}

    assert {item["metadata"]["labels"]["release"] for item in found.values()} == {"prom"}
    (endpoint,) = found["PodMonitor"]["spec"]["podMetricsEndpoints"]
    assert (endpoint["interval"], endpoint["honorLabels"]) == ("15s", True)
    rules = [rule for group in found["PrometheusRule"]["spec"]["groups"] for rule in group["rules"]]
    runbooks = {rule["annotations"]["runbook_url"] for rule in rules if "alert" in rule}
    assert "https://wiki.example.com/runbooks/GenModelOperatorDown" in runbooks
    assert all(url.startswith("https://wiki.example.com/runbooks/") for url in runbooks)
