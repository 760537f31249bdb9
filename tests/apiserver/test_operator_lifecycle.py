"""A model's life on a real control plane: rollout, scale, drift, names, deletion, restarts."""

import json
import random
import signal
import time

import pytest

from tests.operator_world import Object, OperatorWorld

pytestmark = pytest.mark.apiserver


def deployment(world: OperatorWorld, team: str, name: str) -> Object:
    found = world.list(team, "deployments", "-l", f"genmodel.dev/model={name}")
    assert len(found) == 1
    return found[0]


def test_six_lines_become_a_served_model(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    url = f"http://tiny.{team}.svc/v1"
    seen = world.assert_shown(
        team,
        "tiny",
        reason="Serving",
        words=(f"1 of 1 replicas answer at {url}", "1 x NVIDIA L4 per replica", "acme/tiny-llama at main is commit"),
        event="Normal Serving",
        row={"READY": "True", "REPLICAS": "1/1", "ACCELERATOR": "1 x NVIDIA L4", "URL": url},
    )
    assert sorted(map(str, seen.events)) == ["Normal Planned", "Normal Serving"]
    model = world.get(team, "gm", "tiny")
    assert "finalizers" not in model["metadata"]
    assert not [key for key in model["metadata"].get("annotations", {}) if "kopf" in key]


def test_kubectl_wait_and_the_scale_subresource(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.cluster.kubectl("-n", team, "wait", "--for=condition=Ready", "--timeout=60s", "gm/tiny")
    world.cluster.kubectl("-n", team, "scale", "gm/tiny", "--replicas=3")
    world.until(lambda: world.row(team, "tiny")["REPLICAS"] == "3/3", "three replicas answer")
    assert deployment(world, team, "tiny")["spec"]["replicas"] == 3
    assert world.get(team, "gm", "tiny")["status"]["replicas"] == 3


def test_suspend_keeps_everything_but_the_pods(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    before = deployment(world, team, "tiny")["metadata"]["uid"]
    world.wish(team, "tiny", suspend=True)
    row = world.wait_for(team, "tiny", "Suspended")
    assert row["READY"] == "True"
    world.until(lambda: world.list(team, "pods") == [], "the pods are gone")
    world.wish(team, "tiny", suspend=False)
    world.wait_for(team, "tiny", "Serving")
    assert deployment(world, team, "tiny")["metadata"]["uid"] == before


def test_a_change_rolls_to_a_new_revision_and_a_revert_takes_the_old_one(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    first = world.get(team, "gm", "tiny")["status"]["revision"]["serving"]
    world.wish(team, "tiny", context={"maxModelLen": 256})
    world.until(
        lambda: world.get(team, "gm", "tiny")["status"]["revision"]["serving"] != first, "another revision serves"
    )
    world.wait_for(team, "tiny", "Serving")
    world.until(
        lambda: (
            [d["metadata"]["name"] for d in world.list(team, "deployments")] != [f"tiny-{first}"]
            and len(world.list(team, "deployments")) == 1
        ),
        "the old Deployment is gone",
    )
    second = world.get(team, "gm", "tiny")["status"]["revision"]["serving"]
    service = world.get(team, "service", "tiny")
    assert service["spec"]["selector"]["genmodel.dev/revision"] == second
    world.hub_log()
    world.wish(team, "tiny", context={})
    world.until(lambda: world.get(team, "gm", "tiny")["status"]["revision"]["serving"] == first, "the first is back")
    assert world.hub_log() == [], "a revert asks the Hub nothing"
    assert len(world.list(team, "controllerrevisions")) == 2


def assert_serving(world: OperatorWorld, team: str, **row: str) -> None:
    """A person sees a model that serves, and no word of trouble."""
    seen = world.assert_shown(
        team,
        "tiny",
        reason="Serving",
        words=f"1 of 1 replicas answer at http://tiny.{team}.svc/v1",
        event="Normal Serving",
        row={"READY": "True", "REPLICAS": "1/1", **row},
    )
    assert seen.warnings == []
    assert "Type: Stalled" not in seen.text


@pytest.mark.parametrize("kind", ["deployment", "service", "controllerrevision"])
def test_a_child_deleted_by_hand_comes_back(world: OperatorWorld, team: str, kind: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    (child,) = world.list(team, kind)
    name, before = child["metadata"]["name"], child["metadata"]["uid"]
    pods = {pod["metadata"]["uid"] for pod in world.list(team, "pods")}
    world.cluster.kubectl("-n", team, "delete", kind, name)
    world.until(lambda: [one["metadata"]["uid"] for one in world.list(team, kind)] not in ([], [before]), "it is back")
    assert [one["metadata"]["name"] for one in world.list(team, kind)] == [name]
    assert_serving(world, team)
    world.until_quiet()
    if kind != "deployment":
        assert {pod["metadata"]["uid"] for pod in world.list(team, "pods")} == pods, "nothing restarts"


def test_a_deployment_edited_by_hand_is_restored_and_foreign_fields_stay(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    name = deployment(world, team, "tiny")["metadata"]["name"]
    edit = {
        "metadata": {"annotations": {"team.example/note": "ours"}},
        "spec": {"replicas": 4, "template": {"spec": {"containers": [{"name": "server", "image": "evil:1"}]}}},
    }
    world.cluster.kubectl("-n", team, "patch", "deployment", name, "-p", json.dumps(edit))

    def restored() -> bool:
        found = deployment(world, team, "tiny")
        image = found["spec"]["template"]["spec"]["containers"][0]["image"]
        return bool(found["spec"]["replicas"] == 1 and image != "evil:1")

    world.until(restored, "our fields are back")
    assert deployment(world, team, "tiny")["metadata"]["annotations"]["team.example/note"] == "ours"
    world.until(lambda: len(world.list(team, "pods")) == 1, "the pods of the edit are gone")
    assert_serving(world, team)
    world.until_quiet()


def test_a_service_edited_by_hand_is_restored_and_foreign_fields_stay(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    before = world.get(team, "service", "tiny")
    edit = {
        "metadata": {"annotations": {"team.example/note": "ours"}},
        "spec": {"selector": {"genmodel.dev/revision": "stolen"}},
    }
    world.cluster.kubectl("-n", team, "patch", "service", "tiny", "-p", json.dumps(edit))
    world.until(
        lambda: world.get(team, "service", "tiny")["spec"]["selector"] == before["spec"]["selector"],
        "the selector is back",
    )
    after = world.get(team, "service", "tiny")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert after["metadata"]["annotations"]["team.example/note"] == "ours"
    assert_serving(world, team, URL=f"http://tiny.{team}.svc/v1")
    world.until_quiet()


@pytest.mark.parametrize("label", ["genmodel.dev/model", "genmodel.dev/revision"])
def test_a_label_edited_by_hand_is_restored_and_nothing_restarts(world: OperatorWorld, team: str, label: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    before = deployment(world, team, "tiny")
    name = before["metadata"]["name"]
    world.cluster.kubectl("-n", team, "label", "--overwrite", "deployment", name, f"{label}=stolen")

    def is_restored() -> bool:
        return bool(
            world.get(team, "deployment", name)["metadata"]["labels"][label] == before["metadata"]["labels"][label]
        )

    world.until(is_restored, "the label is back")
    world.until_quiet()
    assert world.get(team, "deployment", name)["metadata"]["uid"] == before["metadata"]["uid"]


def test_an_old_deployment_whose_label_was_edited_goes_with_its_revision(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    name = deployment(world, team, "tiny")["metadata"]["name"]
    world.stop_operator(signal.SIGKILL)
    world.cluster.kubectl("-n", team, "label", "--overwrite", "deployment", name, "genmodel.dev/model=stolen")
    world.wish(team, "tiny", context={"maxModelLen": 64})
    world.start_operator()
    world.until(
        lambda: [one["metadata"]["name"] for one in world.list(team, "deployments")] not in ([], [name]),
        "the new revision has a Deployment",
    )
    world.until(lambda: len(world.list(team, "deployments")) == 1, "the old Deployment is gone")
    world.wait_for(team, "tiny", "Serving")


@pytest.mark.parametrize("kind", ["service", "deployment"])
def test_a_name_that_somebody_else_has_is_refused_not_adopted(world: OperatorWorld, team: str, kind: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    name = world.list(team, kind)[0]["metadata"]["name"]
    world.cluster.kubectl("-n", team, "delete", "gm", "tiny")
    world.until(lambda: world.list(team, kind) == [], "the garbage collector has worked")
    world.cluster.kubectl("-n", team, "create", "-f", "-", input=json.dumps(foreign(kind, name, team)))
    before = theirs(world, team, kind, name)
    world.wish(team, "tiny")
    seen = world.assert_shown(
        team,
        "tiny",
        reason="NameConflict",
        words=(
            f"the {kind.capitalize()} {name} exists already and belongs to somebody else (written by kubectl-create",
            f"it was left alone; rename this model, or delete that {kind.capitalize()}",
        ),
        event="Warning NameConflict",
        row={"READY": "False", "URL": ""},
    )
    assert seen.warnings == ["NameConflict"]
    world.until_quiet()
    assert theirs(world, team, kind, name) == before
    world.cluster.kubectl("-n", team, "delete", kind, name)
    world.assert_shown(
        team,
        "tiny",
        reason="Serving",
        words="1 of 1 replicas answer",
        row={"READY": "True"},
        seconds=120,
    )


def theirs(world: OperatorWorld, team: str, kind: str, name: str) -> Object:
    """What is its owner's of an object: not its status, nor what the cluster's own controllers note on it."""
    shown = ("-n", team, "get", kind, name, "--show-managed-fields", "-o", "json")
    found = json.loads(world.cluster.kubectl(*shown))
    metadata = found["metadata"]
    noted = metadata.get("annotations", {})
    return {
        "spec": found["spec"],
        **{key: metadata.get(key) for key in ("uid", "generation", "labels", "ownerReferences", "finalizers")},
        "annotations": {key: value for key, value in noted.items() if "kubernetes.io/" not in key},
        "managers": [one for one in metadata["managedFields"] if one["manager"] != "kube-controller-manager"],
    }


def foreign(kind: str, name: str, team: str) -> Object:
    """Somebody's own Service or Deployment of a name that a model will want."""
    metadata = {"name": name, "namespace": team}
    if kind == "service":
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
    labels = {"app": "theirs"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "theirs:1"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def test_deleting_a_model_leaves_nothing(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny", replicas=2)
    world.wait_for(team, "tiny", "Serving")
    world.cluster.kubectl("-n", team, "delete", "gm", "tiny", "--timeout=20s")
    kinds = "deployments,replicasets,pods,services,controllerrevisions"
    world.until(lambda: world.list(team, kinds, "-l", "genmodel.dev/model=tiny") == [], "all children are gone")


def test_a_restart_in_steady_state_writes_nothing(world: OperatorWorld, team: str) -> None:
    for index in range(10):
        world.wish(team, f"m{index}")
    for index in range(10):
        world.wait_for(team, f"m{index}", "Serving")
    world.until_quiet()
    world.stop_operator()
    world.start_operator()
    time.sleep(5)
    assert world.written() == {}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_a_random_moment_it_converges_without_duplicates(world: OperatorWorld, team: str, seed: int) -> None:
    names = [f"m{index}" for index in range(5)]
    for name in names:
        world.wish(team, name)
    time.sleep(random.Random(seed).uniform(0, 1.5))
    world.stop_operator(signal.SIGKILL)
    world.start_operator()
    for name in names:
        seen = world.assert_shown(
            team,
            name,
            reason="Serving",
            words=("1 of 1 replicas answer", "1 x NVIDIA L4 per replica"),
            row={"READY": "True", "REPLICAS": "1/1", "ACCELERATOR": "1 x NVIDIA L4"},
        )
        told = [str(event) for event in seen.events]
        assert len(told) == len(set(told)), f"{name}: the same is told twice: {told}"
        assert seen.warnings == []
    for kind in ("deployments", "services", "controllerrevisions"):
        owners = [one["metadata"]["labels"].get("genmodel.dev/model") for one in world.list(team, kind)]
        assert sorted(owners) == names, kind


def test_a_pod_without_room_says_so_and_is_placed_when_a_node_comes(world: OperatorWorld, team: str) -> None:
    world.wish(team, "many", replicas=40)
    seen = world.assert_shown(
        team,
        "many",
        reason="Unschedulable",
        words=(
            "of 40 replicas answer: no node takes the pod: ",
            "Insufficient nvidia.com/gpu",
            "free or add what is short; the pod is placed as soon as there is room",
        ),
        event="Normal Unschedulable",
        row={"READY": "False"},
        seconds=120,
    )
    assert "Type: Stalled" not in seen.text
    world.wish(team, "many", replicas=1)
    world.assert_shown(
        team,
        "many",
        reason="Serving",
        words="1 of 1 replicas answer",
        event="Normal Serving",
        row={"READY": "True", "REPLICAS": "1/1"},
        seconds=120,
    )
