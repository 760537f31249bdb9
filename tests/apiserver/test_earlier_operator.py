"""An operator that is newer than what serves: it takes it over as it is, and restarts nothing."""

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.api.labels import FIELD_MANAGER
from tests.operator_world import OperatorWorld
from tests.rollout_world import uids

pytestmark = pytest.mark.apiserver

RECORDED = Path(__file__).parent / "data" / "earlier_operator.json"
NAME = "tiny"
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Before:
    """What served when today's operator came: children by kind, and the uids of the ready pods."""

    children: dict[str, Object]
    pods: set[str]


@pytest.fixture
def before(world: OperatorWorld, team: str) -> Before:
    """Return what served when today's operator came; it has come to rest since."""
    assert world.stop_operator() == 0
    try:
        found = put_back(world, team)
    finally:
        world.start_operator()
    world.until_quiet()
    return found


def put_back(world: OperatorWorld, team: str) -> Before:
    """Create the recorded model and its children as the earlier operator did, and wait for their pods."""
    model, *_ = recorded(team, uid="")
    world.cluster.kubectl("create", "-f", "-", input=json.dumps(model))
    uid = world.get(team, "gm", NAME)["metadata"]["uid"]
    model, *children = recorded(team, uid=uid)
    told = {key: model[key] for key in ("apiVersion", "kind", "metadata", "status")}
    server_side = ("apply", "--server-side", f"--field-manager={FIELD_MANAGER}", "-f", "-")
    world.cluster.kubectl(*server_side, "--subresource=status", input=json.dumps(told))
    for child in children:
        world.cluster.kubectl("--namespace", team, *server_side, input=json.dumps(child))
    wanted = model["spec"]["replicas"]
    world.until(lambda: len(ready_pods(world, team)) == wanted, "the recorded pods are ready")
    made = {child["kind"]: world.get(team, child["kind"].lower(), child["metadata"]["name"]) for child in children}
    return Before(made, uids(ready_pods(world, team)))


def recorded(team: str, *, uid: str) -> list[Object]:
    """Return the model, then its children."""
    text = Template(RECORDED.read_text()).substitute(namespace=team, uid=uid)
    found: list[Object] = json.loads(text)
    found[0]["metadata"]["namespace"] = team
    return found


def ready_pods(world: OperatorWorld, team: str) -> list[Object]:
    pods = world.list(team, "pods", "-l", f"{labels.MODEL}={NAME}")
    return [pod for pod in pods if is_ready(pod)]


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def test_nothing_restarts_and_the_model_stays_ready(world: OperatorWorld, team: str, before: Before) -> None:
    deployment, revision = before.children["Deployment"], before.children["ControllerRevision"]
    [now] = world.list(team, "deployments")
    assert now["spec"]["template"] == deployment["spec"]["template"]
    assert world.get(team, "controllerrevision", revision["metadata"]["name"])["data"] == revision["data"]
    assert world.get(team, "service", NAME)["spec"]["selector"] == before.children["Service"]["spec"]["selector"]
    assert uids(ready_pods(world, team)) == before.pods
    assert world.row(team, NAME)["REASON"] == "Serving"
    status, own = world.get(team, "gm", NAME)["status"], labels_of(deployment)[labels.REVISION]
    assert (status["revision"]["current"], status["revision"]["serving"]) == (own, own)

    world.cluster.kubectl("--namespace", team, "scale", "gm", NAME, "--replicas=3")
    world.until(lambda: len(ready_pods(world, team)) == 3, "one more is ready")
    grown = ready_pods(world, team)
    assert uids(grown) > before.pods, "those that serve stay"
    assert {labels_of(pod)[labels.REVISION] for pod in grown} == {own}, "the new one is of the same revision"


def labels_of(found: Object) -> dict[str, str]:
    own: dict[str, str] = found["metadata"]["labels"]
    return own
