"""spec.podTemplate on a real API server: what reaches the pods, and what is refused before anything is replaced."""

import json
from typing import Any

import pytest

from tests.operator_world import OperatorWorld
from tests.rollout_world import pods_of, revision, selected, uids

pytestmark = pytest.mark.apiserver


def server(**changes: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "server", **changes}]}}


def test_it_reaches_the_pods_and_nothing_is_written_again(world: OperatorWorld, team: str) -> None:
    template = {
        "metadata": {"labels": {"team": "a"}, "annotations": {"note": "x"}},
        "spec": {
            # Written in other ways than the API server keeps them.
            "containers": [
                {
                    "name": "server",
                    "env": [{"name": "TZ", "value": "UTC"}],
                    "resources": {"requests": {"cpu": "1000m"}},
                    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch", "readOnly": False}],
                },
                {"name": "sidecar", "image": "theirs:1"},
            ],
            "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "2048Mi"}}],
            "tolerations": [{"key": "team", "operator": "Exists", "effect": ""}],
            "hostNetwork": False,
        },
    }
    world.wish(team, "tiny", podTemplate=template)
    world.wait_for(team, "tiny", "Serving")
    (pod,) = pods_of(world, team, revision(world, team)["serving"])
    names = [one["name"] for one in pod["spec"]["containers"]]
    assert names == ["server", "sidecar"]
    container = pod["spec"]["containers"][0]
    assert {"name": "TZ", "value": "UTC"} in container["env"]
    assert container["resources"]["requests"]["cpu"] == "1"
    assert pod["metadata"]["labels"]["team"] == "a"
    assert pod["metadata"]["annotations"]["note"] == "x"
    assert "team" in [one.get("key") for one in pod["spec"]["tolerations"]]
    world.until_quiet()
    world.stop_operator()
    world.start_operator()
    world.until_quiet()
    assert world.written() == {}
    assert "dry_run" not in world.requests(), "what is frozen is not tried again"
    (same,) = pods_of(world, team, revision(world, team)["serving"])
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]


@pytest.mark.parametrize(
    ("template", "want_words"),
    [
        pytest.param(
            {"spec": {"nodeSelectr": {"a": "b"}}},
            'spec.podTemplate.spec.nodeSelectr: unknown field "spec.podTemplate.spec.nodeSelectr"',
            id="a misspelt field",
        ),
        pytest.param(
            server(resources={"requests": {"cpu": "much"}}),
            "quantities must match the regular expression",
            id="no quantity",
        ),
        pytest.param(
            {"spec": {"containers": [{"name": "sidecar"}]}},
            "spec.podTemplate.spec.containers[sidecar].image: Required value",
            id="a sidecar without an image",
        ),
        pytest.param(
            server(volumeMounts=[{"name": "gone", "mountPath": "/x"}]),
            'spec.podTemplate.spec.containers[server].volumeMounts[/x].name: Not found: "gone"',
            id="a mount of no volume",
        ),
        pytest.param(
            {"spec": {"priority": "high"}}, "spec.podTemplate.spec.priority", id="a text where a number belongs"
        ),
        pytest.param(
            {"spec": {"restartPolicy": "Never"}},
            "spec.podTemplate.spec.restartPolicy: Unsupported value",
            id="pods that are not started again",
        ),
        pytest.param(
            server(command=["sh"]),
            "spec.podTemplate.spec.containers[server].command: the operator starts this container",
            id="another command",
        ),
    ],
)
def test_what_would_break_the_pods_is_refused_with_its_path_and_the_old_ones_serve_on(
    world: OperatorWorld, team: str, template: dict[str, Any], want_words: str
) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    old = revision(world, team)["serving"]
    before = uids(pods_of(world, team, old))

    world.wish(team, "tiny", podTemplate=template)

    row = world.wait_for(team, "tiny", "PodTemplateRefused")
    said = world.condition(team, "tiny")["message"]
    assert want_words in said
    assert said.endswith(f"; revision {old} serves on")
    assert row["READY"] == "False"
    assert world.condition(team, "tiny", "Stalled")["status"] == "True"
    assert world.condition(team, "tiny", "Available")["status"] == "True"
    assert len(world.list(team, "deployments")) == 1, "nothing of it was stored"
    assert len(world.list(team, "controllerrevisions")) == 1

    world.wish(team, "tiny", podTemplate=None)

    world.wait_for(team, "tiny", "Serving")
    assert uids(pods_of(world, team, old)) == before
    assert selected(world, team) == old


def test_null_takes_a_field_away(world: OperatorWorld, team: str) -> None:
    # Created, not applied: kubectl apply removes nulls before it sends.
    wanted = {
        "apiVersion": "genmodel.dev/v1alpha1",
        "kind": "GenerativeModel",
        "metadata": {"name": "tiny", "namespace": team},
        "spec": {
            "model": "acme/tiny-llama",
            "podTemplate": {"spec": {"securityContext": {"runAsGroup": None}}},
        },
    }
    world.cluster.kubectl("create", "-f", "-", input=json.dumps(wanted))
    world.wait_for(team, "tiny", "Serving")
    (pod,) = pods_of(world, team, revision(world, team)["serving"])
    assert "runAsGroup" not in pod["spec"]["securityContext"]
    assert pod["spec"]["securityContext"]["runAsUser"] == 10001
    world.until_quiet()


def test_the_first_revision_is_tried_too(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny", podTemplate={"spec": {"dnsPolicy": "Nowhere"}})
    world.wait_for(team, "tiny", "PodTemplateRefused")
    assert "spec.podTemplate.spec.dnsPolicy" in world.condition(team, "tiny")["message"]
    assert world.list(team, "deployments") == []


def test_a_policy_that_refuses_the_deployment_keeps_the_old_one(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    old = revision(world, team)["serving"]
    before = uids(pods_of(world, team, old))
    world.cluster.kubectl("-n", team, "create", "quota", "one", "--hard=count/deployments.apps=1")
    world.until(
        lambda: "used" in world.get(team, "quota", "one").get("status", {}), "the quota has counted what there is"
    )
    world.wish(team, "tiny", context={"maxModelLen": 64})
    world.wait_for(team, "tiny", "RefusedByCluster")
    assert "exceeded quota: one" in world.condition(team, "tiny")["message"]
    assert uids(pods_of(world, team, old)) == before
    assert len(world.list(team, "controllerrevisions")) == 1
    world.cluster.kubectl("-n", team, "delete", "quota", "one")
    world.until(lambda: revision(world, team)["serving"] != old, "it rolls when the quota is gone", seconds=120)
