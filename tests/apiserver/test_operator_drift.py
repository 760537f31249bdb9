"""Children that people and programs edit: what is ours comes back, what is theirs stays, and nobody writes for ever."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from genmodel_operator.kube.apply import differences
from tests.operator_world import Object, OperatorWorld

pytestmark = pytest.mark.apiserver

EDITS_EACH = 3
"""So often a child is put back at once; the next edit takes the next model."""
WRITTEN = {"deployment": "Deployment", "service": "Service", "controllerrevision": "ControllerRevision"}
NOT_OURS = ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration")


class Models:
    """Served models, of which each test takes one that was not edited too often yet."""

    def __init__(self, world: OperatorWorld, team: str, names: list[str]) -> None:
        self.world, self.team, self._names = world, team, names
        self._edits: dict[str, int] = {}

    def take(self, kind: str) -> str:
        """The name of a child of this kind."""
        count = self._edits[kind] = self._edits.get(kind, 0) + 1
        model = self._names[(count - 1) // EDITS_EACH]
        (found,) = self.world.list(self.team, kind, "-l", f"genmodel.dev/model={model}")
        return str(found["metadata"]["name"])


@pytest.fixture(scope="module")
def models(world: OperatorWorld) -> Iterator[Models]:
    names = [f"drift-{number}" for number in range(4)]
    with world.namespace() as team:
        for name in names:
            world.wish(team, name)
        for name in names:
            world.wait_for(team, name, "Serving")
        world.until_quiet()
        yield Models(world, team, names)


def meant(found: Object) -> Object:
    """What of a child is to be as it was: all but what the cluster itself keeps in it."""
    metadata = {key: found["metadata"][key] for key in ("name", "labels", "ownerReferences")}
    annotations = {k: v for k, v in found["metadata"].get("annotations", {}).items() if k not in NOT_OURS}
    rest = {key: value for key, value in found.items() if key in ("spec", "data", "revision")}
    return {"metadata": {**metadata, "annotations": annotations}, **rest}


def template(**container: Any) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "server", **container}]}}}}


NO_LABEL = {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}
NO_OWNER = {"metadata": {"ownerReferences": None}}
SERVER = "/spec/template/spec/containers/0"
FIRST_PORT = "/spec/ports/0"


@pytest.mark.parametrize(
    ("kind", "how", "edit"),
    [
        pytest.param("deployment", "strategic", {"spec": {"replicas": 3}}, id="replicas"),
        pytest.param("deployment", "strategic", template(image="evil:1"), id="image"),
        pytest.param("deployment", "strategic", template(args=["--model", "evil"]), id="arguments"),
        pytest.param("deployment", "merge", NO_LABEL, id="label by which we watch"),
        pytest.param("deployment", "merge", NO_OWNER, id="owner"),
        pytest.param(
            "deployment", "merge", {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}, id="strategy"
        ),
        pytest.param(
            "deployment",
            "json",
            [{"op": "replace", "path": f"{SERVER}/livenessProbe", "value": {"exec": {"command": ["true"]}}}],
            id="a probe of another kind, which cannot be beside ours",
        ),
        pytest.param(
            "deployment",
            "json",
            [{"op": "replace", "path": f"{SERVER}/ports/0/containerPort", "value": 9000}],
            id="number of the container's port, whose name stays",
        ),
        pytest.param(
            "deployment", "json", [{"op": "remove", "path": "/spec/template/spec/initContainers"}], id="container gone"
        ),
        pytest.param(
            "service", "json", [{"op": "replace", "path": f"{FIRST_PORT}/port", "value": 81}], id="the service's port"
        ),
        pytest.param(
            "service", "json", [{"op": "replace", "path": f"{FIRST_PORT}/targetPort", "value": 1}], id="target port"
        ),
        pytest.param("service", "merge", {"spec": {"selector": {"theirs": "1"}}}, id="one label more to select"),
        pytest.param("service", "merge", {"spec": {"selector": {"genmodel.dev/revision": "x"}}}, id="other pods"),
        pytest.param("service", "merge", {"spec": {"type": "NodePort"}}, id="open to the world"),
        pytest.param("service", "merge", NO_LABEL, id="the service's label"),
        pytest.param(
            "controllerrevision", "merge", {"metadata": {"labels": {"genmodel.dev/revision": "x"}}}, id="its revision"
        ),
        pytest.param("controllerrevision", "merge", NO_LABEL, id="the revision's label"),
        pytest.param("controllerrevision", "merge", NO_OWNER, id="the revision's owner"),
        pytest.param(
            "controllerrevision",
            "merge",
            {"metadata": {"annotations": {"genmodel.dev/source-revision": None, "genmodel.dev/plan": "{}"}}},
            id="the revision's annotations",
        ),
    ],
)
def test_what_is_ours_comes_back_and_then_it_is_quiet(models: Models, kind: str, how: str, edit: Any) -> None:
    world, team = models.world, models.team
    name = models.take(kind)
    before = meant(world.get(team, kind, name))
    writes, log = writes_to(world, WRITTEN[kind]), len(world.operator_log())
    world.cluster.kubectl("-n", team, "patch", kind, name, "--type", how, "-p", json.dumps(edit))
    world.until(
        lambda: not differences(world.get(team, kind, name), before),
        f"{kind} {name} is as it was: {differences(world.get(team, kind, name), before)}",
    )
    model = before["metadata"]["ownerReferences"][0]["name"]
    world.wait_for(team, model, "Serving")
    world.until_quiet(quiet_seconds=3)
    # To become the owner of what we created, to apply, and where that is refused to replace and apply again.
    assert writes_to(world, WRITTEN[kind]) - writes <= 4
    assert world.operator_log()[log:].count("is put back") == 1
    assert len(world.list(team, "deployments", "-l", f"genmodel.dev/model={model}")) == 1


def test_a_revision_deleted_by_hand_comes_back_and_restarts_nothing(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    world.until_quiet(quiet_seconds=3)
    (before,) = world.list(team, "controllerrevisions")
    pods = [pod["metadata"]["uid"] for pod in world.list(team, "pods")]
    world.cluster.kubectl("-n", team, "delete", "controllerrevision", before["metadata"]["name"])
    world.until(lambda: len(world.list(team, "controllerrevisions")) == 1, "it is back")
    world.until_quiet(quiet_seconds=3)
    (after,) = world.list(team, "controllerrevisions")
    assert after["data"] == before["data"]
    assert [pod["metadata"]["uid"] for pod in world.list(team, "pods")] == pods


def pod_spec(world: OperatorWorld, team: str, name: str) -> Any:
    return world.get(team, "deployment", name)["spec"]["template"]["spec"]


def one_deployment(world: OperatorWorld, team: str) -> str:
    (found,) = world.list(team, "deployments")
    return str(found["metadata"]["name"])


THEIR_METADATA = {"annotations": {"autoscaling.example/target": "1"}, "labels": {"team.example/cost": "a"}}
SIDECAR = {"name": "proxy", "image": "proxy:1", "env": [{"name": "A", "value": "1"}]}
THEIR_POD = {
    "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-24T10:00:00Z"}},
    "spec": {
        "containers": [SIDECAR],
        "volumes": [{"name": "theirs", "emptyDir": {}}],
    },
}


@pytest.mark.parametrize("how", ["an apply with another manager", "an edit"])
def test_what_others_add_stays_without_a_write_of_ours(world: OperatorWorld, team: str, how: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    world.until_quiet(quiet_seconds=3)
    name = one_deployment(world, team)
    theirs: Object = {"metadata": {"name": name, **THEIR_METADATA}, "spec": {"template": THEIR_POD}}
    deployment_writes = writes_to(world, "Deployment")
    if how == "an edit":
        world.cluster.kubectl("-n", team, "patch", "deployment", name, "-p", json.dumps(theirs))
    else:
        theirs |= {"apiVersion": "apps/v1", "kind": "Deployment"}
        apply_as(world, team, "injector", theirs)
    world.until(
        lambda: any(len(pod["spec"]["containers"]) == 2 for pod in world.list(team, "pods")), "the sidecar runs"
    )
    world.wait_for(team, "tiny", "Serving")
    world.until_quiet(quiet_seconds=3)
    assert writes_to(world, "Deployment") == deployment_writes, "nothing of ours was touched"
    world.cluster.kubectl("-n", team, "scale", "deployment", name, "--replicas=2")
    world.until(lambda: world.get(team, "deployment", name)["spec"]["replicas"] == 1, "ours is back")
    world.until_quiet(quiet_seconds=3)
    found = world.get(team, "deployment", name)
    assert {c["name"] for c in found["spec"]["template"]["spec"]["containers"]} == {"server", "proxy"}
    assert found["metadata"]["annotations"]["autoscaling.example/target"] == "1"
    assert found["metadata"]["labels"]["team.example/cost"] == "a"
    assert "kubectl.kubernetes.io/restartedAt" in found["spec"]["template"]["metadata"]["annotations"]


def apply_as(world: OperatorWorld, team: str, manager: str, obj: Object) -> None:
    """A server-side apply by somebody who takes what he names."""
    options = ["--server-side", "--force-conflicts", f"--field-manager={manager}"]
    world.cluster.kubectl("-n", team, "apply", *options, "-f", "-", input=json.dumps(obj))


def writes_to(world: OperatorWorld, kind: str, *verbs: str) -> float:
    """Writes of the operator to objects of a kind so far, without those that came too late for what was read."""
    wanted = verbs or ("apply", "create", "delete", "replace_spec", "take_over")
    samples = world.samples("genmodel_kube_requests_total")
    ours = [one for one in samples if one.labels["kind"] == kind and one.labels["verb"] in wanted]
    return sum(one.value for one in ours if one.labels["code"] != "409")


def test_a_port_that_others_add_to_the_service_stays(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    world.until_quiet(quiet_seconds=3)
    before = writes_to(world, "Service")
    port = {"name": "theirs", "port": 9000, "targetPort": 9000}
    apply_as(
        world,
        team,
        "mesh",
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "tiny"}, "spec": {"ports": [port]}},
    )
    world.until_quiet(quiet_seconds=3)
    assert [one["port"] for one in world.get(team, "service", "tiny")["spec"]["ports"]] == [80, 9000]
    assert writes_to(world, "Service") == before


def test_somebody_who_takes_our_fields_over_gives_them_back(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    name = one_deployment(world, team)
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}}
    apply_as(world, team, "taker", {**theirs, "spec": {"replicas": 4}})
    world.until(lambda: world.get(team, "deployment", name)["spec"]["replicas"] == 1, "our replicas are back")
    apply_as(world, team, "taker", {**theirs, "spec": {"replicas": 1}})
    world.until_quiet(quiet_seconds=3)
    apply_as(world, team, "taker", theirs)
    world.until_quiet(quiet_seconds=3)
    assert world.get(team, "deployment", name)["spec"]["replicas"] == 1, "it was ours as well"


def test_a_lost_record_of_who_wrote_what_changes_nothing(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    world.until_quiet(quiet_seconds=3)
    name = one_deployment(world, team)
    before = writes_to(world, "Deployment")
    wiped = json.dumps([{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}])
    world.cluster.kubectl("-n", team, "patch", "deployment", name, "--type=json", "-p", wiped)
    world.until_quiet(quiet_seconds=3)
    assert writes_to(world, "Deployment") == before
    world.cluster.kubectl("-n", team, "patch", "deployment", name, "-p", json.dumps(template(image="evil:1")))
    world.until(lambda: "evil" not in str(pod_spec(world, team, name)), "the image is back")
    world.until_quiet(quiet_seconds=3)
