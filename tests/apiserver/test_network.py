"""NetworkPolicies of models on a real API server: written before pods, changed without a restart, repaired, removed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.operator_world import OperatorWorld

pytestmark = pytest.mark.apiserver

CHAT = [{"namespaceSelector": {"matchLabels": {"team": "web"}}, "podSelector": {"matchLabels": {"app": "chat"}}}]


def policies(world: OperatorWorld, team: str) -> dict[str, dict[str, Any]]:
    return {found["metadata"]["name"]: found for found in world.list(team, "networkpolicies")}


def clients(world: OperatorWorld, team: str, name: str = "tiny") -> list[Any]:
    found: list[Any] = policies(world, team)[name]["spec"]["ingress"][0]["from"]
    return found


OPENED: list[tuple[str, Callable[[Cluster, str], object]]] = [
    (
        "somebody lets all namespaces in",
        lambda cluster, team: patch(
            cluster,
            team,
            [{"op": "add", "path": "/spec/ingress/0/from/0/namespaceSelector", "value": {}}],
        ),
    ),
    (
        "somebody opens a range of ports",
        lambda cluster, team: patch(
            cluster, team, [{"op": "add", "path": "/spec/ingress/0/ports/0/endPort", "value": 9000}]
        ),
    ),
    ("somebody deletes it", lambda cluster, team: cluster.kubectl("-n", team, "delete", "networkpolicy", "tiny")),
]


def patch(cluster: Cluster, team: str, edit: list[dict[str, Any]]) -> None:
    cluster.kubectl("-n", team, "patch", "networkpolicy", "tiny", "--type=json", "-p", json.dumps(edit))


def test_a_model_s_policy_from_its_first_pod_to_its_end(world: OperatorWorld, team: str) -> None:
    # Nor does the strictest level of the namespace stand in the pods' way.
    world.cluster.kubectl("label", "namespace", team, "pod-security.kubernetes.io/enforce=restricted")
    before = world.written().get("create NetworkPolicy", 0)
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    world.until_quiet(quiet_seconds=3)
    assert world.written()["create NetworkPolicy"] - before == 1, "one write for a model that fetches for itself"
    (pod,) = world.list(team, "pods")
    found = policies(world, team)["tiny"]
    assert found["metadata"]["creationTimestamp"] <= pod["metadata"]["creationTimestamp"]
    assert clients(world, team) == [{"podSelector": {}}]
    labels = pod["metadata"]["labels"]
    assert found["spec"]["podSelector"]["matchLabels"].items() <= labels.items(), "it chooses the pods that serve"

    world.wish(team, "tiny", access={"allowFrom": CHAT})
    world.until(lambda: clients(world, team) == CHAT, "another list of who may ask")
    world.until_quiet(quiet_seconds=3)
    assert [one["metadata"]["uid"] for one in world.list(team, "pods")] == [pod["metadata"]["uid"]], "no restart"
    meant = policies(world, team)["tiny"]["spec"]
    for what, edit in OPENED:
        edit(world.cluster, team)
        world.until(lambda: policies(world, team).get("tiny", {}).get("spec") == meant, f"mended after {what}")
        world.until_quiet(quiet_seconds=3)

    world.cluster.kubectl("-n", team, "delete", "gm", "tiny")
    world.until(lambda: policies(world, team) == {}, "it goes with its model")


def test_a_policy_of_somebody_else_is_left_alone_and_no_pod_is_made(world: OperatorWorld, team: str) -> None:
    theirs = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "tiny", "namespace": team},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    world.cluster.kubectl("apply", "-f", "-", input=json.dumps(theirs))
    world.wish(team, "tiny")
    world.assert_shown(
        team, "tiny", reason="NameConflict", words="the NetworkPolicy tiny exists already and belongs to somebody else"
    )
    assert world.list(team, "deployments") == []
    assert policies(world, team)["tiny"]["spec"]["policyTypes"] == ["Ingress"]
    world.cluster.kubectl("-n", team, "delete", "networkpolicy", "tiny")
    world.wait_for(team, "tiny", "Serving", seconds=120)
