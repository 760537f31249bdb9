"""Replicas on a real control plane: a real autoscaler on /scale, suspension, and a budget for drains."""

import json
from typing import Any

import pytest

from tests.operator_world import OperatorWorld
from tests.rollout_world import revision

pytestmark = pytest.mark.apiserver


def autoscaler(world: OperatorWorld, team: str, *, least: int, most: int) -> None:
    found = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "tiny", "namespace": team},
        "spec": {
            "scaleTargetRef": {"apiVersion": "genmodel.dev/v1alpha1", "kind": "GenerativeModel", "name": "tiny"},
            "minReplicas": least,
            "maxReplicas": most,
        },
    }
    world.cluster.kubectl("apply", "-f", "-", input=json.dumps(found))


def test_an_autoscaler_raises_and_lowers_the_replicas_by_our_scale(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    first = revision(world, team)["current"]
    autoscaler(world, team, least=3, most=5)
    world.until(lambda: world.row(team, "tiny")["REPLICAS"] == "3/3", "three replicas answer", seconds=120)
    assert world.get(team, "gm", "tiny")["spec"]["replicas"] == 3
    (deployment,) = world.list(team, "deployments", "--show-managed-fields")
    assert deployment["spec"]["replicas"] == 3
    assert revision(world, team)["current"] == first, "it is no other revision"
    writers = {
        entry["manager"]
        for entry in deployment["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }
    assert writers == {"genmodel-operator"}, "only we write the Deployment's replicas"
    autoscaler(world, team, least=1, most=2)
    world.until(lambda: world.row(team, "tiny")["REPLICAS"] == "2/2", "down to the most", seconds=120)
    world.until_quiet()
    (model,) = world.list(team, "gm", "--show-managed-fields")
    ours = [one for one in model["metadata"]["managedFields"] if one["manager"] == "genmodel-operator"]
    assert [one.get("subresource") for one in ours] == ["status"], "and never the model's"


def budget(world: OperatorWorld, team: str) -> list[dict[str, Any]]:
    return world.list(team, "poddisruptionbudgets")


def test_a_budget_lets_one_of_several_replicas_go_at_a_time(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    assert budget(world, team) == [], "one replica has none"
    world.wish(team, "tiny", replicas=2)
    world.until(lambda: world.row(team, "tiny")["REPLICAS"] == "2/2", "two replicas answer")
    world.until(
        lambda: [one.get("status", {}).get("disruptionsAllowed") for one in budget(world, team)] == [1],
        "the cluster counts one that may go",
    )
    uid = budget(world, team)[0]["metadata"]["uid"]
    world.cluster.kubectl("-n", team, "patch", "pdb", "tiny", "--type=merge", "-p", '{"spec":{"maxUnavailable":2}}')
    world.until(lambda: budget(world, team)[0]["spec"]["maxUnavailable"] == 1, "an edit by hand is put back")
    world.until_quiet()
    world.cluster.kubectl("-n", team, "delete", "pdb", "tiny")
    world.until(lambda: [one["metadata"]["uid"] for one in budget(world, team)] not in ([], [uid]), "it comes back")
    world.wish(team, "tiny", replicas=1)
    world.until(lambda: budget(world, team) == [], "it goes with the second replica")


def test_a_suspended_model_comes_back_as_it_was(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny", replicas=2)
    world.wait_for(team, "tiny", "Serving")
    first = revision(world, team)["current"]
    world.wish(team, "tiny", replicas=2, suspend=True)
    assert world.wait_for(team, "tiny", "Suspended")["READY"] == "True"
    world.until(lambda: world.row(team, "tiny")["REPLICAS"] == "0/0", "both are stopped")
    world.until(lambda: world.list(team, "pods") == [], "the pods are gone")
    assert budget(world, team) == []
    world.hub_log()
    world.wish(team, "tiny", replicas=2, suspend=False)
    world.until(lambda: world.row(team, "tiny")["REPLICAS"] == "2/2", "both are back")
    world.wait_for(team, "tiny", "Serving")
    assert revision(world, team)["current"] == first
    assert [entry for entry in world.hub_log() if "tiny-llama" in entry["path"]] == [], "without the Hub"


def test_replicas_and_a_wish_at_once(world: OperatorWorld, team: str) -> None:
    """Scaled while a rollout goes on: both count."""
    world.wish(team, "tiny", replicas=1)
    world.wait_for(team, "tiny", "Serving")
    first = revision(world, team)["current"]
    world.wish(team, "tiny", replicas=3, context={"maxModelLen": 64})
    world.until(lambda: revision(world, team)["serving"] != first, "another revision serves", seconds=120)
    world.until(lambda: world.row(team, "tiny")["REPLICAS"] == "3/3", "three replicas answer", seconds=120)
    world.wait_for(team, "tiny", "Serving")
    world.until(lambda: len(world.list(team, "deployments")) == 1, "the old Deployment is gone")
