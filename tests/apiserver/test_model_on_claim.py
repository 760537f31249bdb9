"""A model on a claim that its user filled, on a real control plane: the inspection, what it finds, what is served.

No kubelet mounts anything here: what a pod would find on the volume is what the runtime's own code finds in a folder.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from genmodel_runtime.inspection import describe, encode
from genmodel_runtime.source import SourceBroken, check_source, open_source
from genmodel_runtime.termination import Failure, termination_document
from tests.claims import a_claim, a_volume
from tests.fakes.hand_node import NOT_YET, STARTED, HandNode, container, pod_status, serving
from tests.fakes.hub_models import llama_files, without
from tests.operator_world import Object, OperatorWorld
from tests.situations.patients import PRODUCT, hand_node
from tests.situations.pods import looping

pytestmark = pytest.mark.apiserver

ADDRESS = "10.245.200.78"
MODEL = "acme/of-our-own"
SOURCE = {"persistentVolumeClaim": {"claimName": "models", "path": "team/llama"}}


@pytest.fixture(scope="module")
def node(world: OperatorWorld) -> Iterator[HandNode]:
    with hand_node(world) as found:
        yield found


@pytest.fixture
def volume(world: OperatorWorld, node: HandNode) -> Iterator[str]:
    """Yield the class of a volume that only the test's own node can mount."""
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
    where = {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}}
    local = {"path": "/nowhere"}
    with a_volume(world.cluster.kubectl, f"models-{uuid4().hex[:8]}", local=local, nodeAffinity=where) as name:
        yield name


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def wish(world: OperatorWorld, team: str, tokens: int) -> None:
    world.wish(
        team,
        "m",
        model=MODEL,
        source=SOURCE,
        accelerator={"products": [PRODUCT]},
        context={"maxModelLen": tokens},
    )


def placed(world: OperatorWorld, team: str, component: str) -> list[Object]:
    found = world.list(team, "pods", "-l", f"app.kubernetes.io/component={component}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"] and pod["spec"].get("nodeName")]


class Inspector:
    """Plays the kubelet of the pods that read the claim, and of those that serve."""

    def __init__(self, world: OperatorWorld, team: str, node: HandNode) -> None:
        self._world, self._team, self._node = world, team, node
        self._seen: set[str] = set()

    def next(self) -> Object:
        """The pod of an inspection that has not been answered yet."""
        self._world.until(lambda: len(self._fresh()) == 1, "an inspection's pod is placed", seconds=120)
        (pod,) = self._fresh()
        return pod

    def answer(self, message: str, *, code: int) -> None:
        """Let the next inspection end."""
        pod = self.next()
        self._seen.add(pod["metadata"]["uid"])
        ended = {"exitCode": code, "reason": "Error" if code else "Completed", "message": message}
        self._node.write(
            self._team,
            pod["metadata"]["name"],
            {
                "phase": "Failed" if code else "Succeeded",
                "podIP": ADDRESS,
                "podIPs": [{"ip": ADDRESS}],
                "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [container("prepare", terminated={**ended, "finishedAt": STARTED})],
            },
        )

    def finds(self, folder: Path) -> str:
        """Let the next inspection find this folder; return the digest of what is in it, empty where it is refused."""
        try:
            document = describe(open_source(folder, name="the folder team/llama of the claim"))
        except SourceBroken as broken:
            self.answer(termination_document(broken.failure).decode(), code=int(broken.failure.exit_code))
            return ""
        self.answer(encode(document).decode(), code=0)
        return str(document["digest"])

    def server(self, digest: str) -> Object:
        """The pod that serves the files with this digest."""

        def found() -> list[Object]:
            pods = placed(self._world, self._team, "server")
            return [pod for pod in pods if pod["metadata"]["labels"]["genmodel.dev/commit"] == digest[:12]]

        self._world.until(lambda: len(found()) == 1, "the server's pod is placed", seconds=120)
        return found()[0]

    def _fresh(self) -> list[Object]:
        return [pod for pod in placed(self._world, self._team, "inspect") if pod["metadata"]["uid"] not in self._seen]


def test_a_model_from_a_claim_is_inspected_served_and_inspected_again_when_asked(
    world: OperatorWorld, team: str, volume: str, node: HandNode, tmp_path: Path
) -> None:
    kubelet, good = Inspector(world, team, node), fill(tmp_path / "good", llama_files())
    what_is_missing_is_named(world, team, volume, kubelet, tmp_path)

    wish(world, team, 128)
    assert_reads_alone(world, team, kubelet.next())
    digest = kubelet.finds(good)
    pod = kubelet.server(digest)
    assert_serves_from_the_claim(pod, digest)
    node.write(team, pod["metadata"]["name"], serving(ADDRESS))
    world.wait_for(team, "m", "Serving", seconds=120)
    assert_shown_as_on_the_claim(world, team, digest)
    world.until(lambda: world.list(team, "jobs") == [], "what was told is frozen")
    before = inspections(world, team)
    world.stop_operator()
    world.start_operator()
    world.until_quiet()
    assert inspections(world, team) <= before, "a restart reads nothing again"
    assert world.written() == {}, "and writes nothing"

    fill(good, llama_files(seed=1) | {"config.json": llama_files()["config.json"] + b"\n"})
    changed = check_source(good, digest)
    assert changed is not None
    what_changed_is_told_and_served_when_asked(world, team, node, kubelet, pod, changed)
    new = kubelet.finds(good)
    assert new not in ("", digest)
    pod = kubelet.server(new)
    node.write(team, pod["metadata"]["name"], serving("10.245.200.79"))
    world.wait_for(team, "m", "Serving", seconds=120)
    assert world.get(team, "gm", "m")["status"]["model"]["commit"] == new
    assert [entry for entry in world.hub_log() if MODEL in entry["path"]] == [], "no Hub is asked for it"


def what_is_missing_is_named(world: OperatorWorld, team: str, volume: str, kubelet: Inspector, tmp_path: Path) -> None:
    """No claim, an empty folder, and one without weights; each with what to do about it."""
    world.hub_log()
    wish(world, team, 80)
    world.assert_shown(
        team,
        "m",
        reason="SourceClaimNotFound",
        words=("the claim models does not exist", f"create it in the namespace {team}"),
        event="Warning SourceClaimNotFound",
        row={"READY": "False"},
    )
    # The wish stays: a Job is made anew at once for another one, and the kubelet of the test answers each only once.
    a_claim(world.cluster.kubectl, team, "models", storage_class=volume)
    kubelet.next()
    world.wait_for(team, "m", "Inspecting")
    world.until(
        lambda: "a pod reads what is in the folder team/llama of the claim models" in said(world, team), "it is said"
    )
    kubelet.finds(tmp_path / "nothing")
    world.assert_shown(
        team,
        "m",
        reason="SourceEmpty",
        words=("the folder team/llama of the claim does not exist", "correct spec.source.persistentVolumeClaim.path"),
        event="Warning SourceEmpty",
        row={"READY": "False"},
    )
    wish(world, team, 96)
    assert kubelet.finds(fill(tmp_path / "bare", without(llama_files(), "model.safetensors"))) != ""
    world.assert_shown(
        team,
        "m",
        reason="SourceInvalid",
        words=("the folder team/llama of the claim models: ", "has no model*.safetensors", "within five minutes"),
        event="Warning SourceInvalid",
        row={"READY": "False"},
    )


def said(world: OperatorWorld, team: str) -> str:
    return str(world.condition(team, "m")["message"])


def assert_reads_alone(world: OperatorWorld, team: str, pod: Object) -> None:
    """The pod that reads the claim has neither token nor way out, and writes nothing."""
    (weights,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "weights"]
    assert weights["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    assert pod["spec"]["automountServiceAccountToken"] is False
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in world.list(team, "networkpolicies")}
    assert policies["m-inspect"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "inspect"
    assert {key: policies["m-inspect"].get(key) or [] for key in ("ingress", "egress")} == {"ingress": [], "egress": []}


def assert_serves_from_the_claim(pod: Object, digest: str) -> None:
    (weights,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "weights"]
    assert weights["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    assert "token" not in {volume["name"] for volume in pod["spec"]["volumes"]}
    for one in (pod["spec"]["initContainers"][0], pod["spec"]["containers"][0]):
        (mount,) = [mount for mount in one["volumeMounts"] if mount["name"] == "weights"]
        want = {"mountPath": f"/models/{digest}", "subPath": "team/llama", "readOnly": True}
        assert {key: mount[key] for key in want} == want


def assert_shown_as_on_the_claim(world: OperatorWorld, team: str, digest: str) -> None:
    status = world.get(team, "gm", "m")["status"]
    assert (status["model"]["repository"], status["model"]["commit"]) == (MODEL, digest)
    assert status["cache"] == {"claimName": "models", "kept": False}
    resolved = world.condition(team, "m", "ModelResolved")
    assert resolved["message"] == f"{MODEL} at the folder team/llama of the claim models is commit {digest}"
    assert world.condition(team, "m", "WeightsReady")["reason"] == "WeightsOnClaim"
    (policy,) = [found for found in world.list(team, "networkpolicies") if found["metadata"]["name"] == "m"]
    assert not policy["spec"].get("egress"), "what serves from the claim has no way out"


def inspections(world: OperatorWorld, team: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in placed(world, team, "inspect")}


def what_changed_is_told_and_served_when_asked(
    world: OperatorWorld, team: str, node: HandNode, kubelet: Inspector, pod: Object, changed: Failure
) -> None:
    """The next pod finds other files and says so; nothing is read again before its user asks."""
    name, digest = pod["metadata"]["name"], pod["metadata"]["labels"]["genmodel.dev/commit"]
    world.cluster.kubectl("-n", team, "delete", "pod", name, "--wait=false")
    world.until(lambda: kubelet.server(digest)["metadata"]["name"] != name, "another pod is placed", seconds=120)
    message = termination_document(changed).decode()
    ended: dict[str, Any] = {"exitCode": int(changed.exit_code), "reason": "Error", "message": message}
    fails = pod_status(ADDRESS, looping("prepare", {**ended, "finishedAt": STARTED}), NOT_YET)
    node.write(team, kubelet.server(digest)["metadata"]["name"], fails)
    world.assert_shown(
        team,
        "m",
        reason="SourceChanged",
        words=("are not those that were inspected", "genmodel update"),
        event="Warning SourceChanged",
        row={"READY": "False"},
    )
    assert world.list(team, "jobs") == [], "nobody has asked yet"
    world.cluster.kubectl("-n", team, "annotate", "gm", "m", "genmodel.dev/update=1")
    assert json.loads(message)["reason"] == "SourceChanged"
