"""Weights on a claim, on a real control plane: the claim, the download Job and what waits for it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.termination import Failure, termination_document
from tests.claims import SINGLE, a_claim, a_volume
from tests.fakes.hand_node import STARTED, HandNode, container
from tests.operator_world import Object, OperatorWorld
from tests.situations.patients import PRODUCT, hand_node, pods_voice
from tests.situations.pods import told

pytestmark = pytest.mark.apiserver

ADDRESS = "10.245.200.77"


@pytest.fixture
def volume(world: OperatorWorld) -> Iterator[str]:
    """Yield the class of a volume of the test's own."""
    with a_volume(world.cluster.kubectl, f"weights-{uuid4().hex[:8]}") as name:
        yield name


def jobs(world: OperatorWorld, team: str) -> list[Object]:
    return world.list(team, "jobs")


def ended_as(found: list[Object]) -> set[str]:
    return {c["type"] for job in found for c in job["status"].get("conditions", []) if c["status"] == "True"}


def conditions(world: OperatorWorld, team: str, name: str = "m") -> dict[str, tuple[str, str]]:
    found = world.get(team, "gm", name).get("status", {}).get("conditions", [])
    return {c["type"]: (c["status"], c["reason"]) for c in found}


def test_weights_are_brought_once_by_a_job_and_outlive_the_model(world: OperatorWorld, team: str, volume: str) -> None:
    cache = {"persistentVolumeClaim": {"storageClassName": volume, "size": "12Gi"}}
    world.wish(team, "m", replicas=2, cache=cache)
    world.wait_for(team, "m", "Serving", seconds=120)

    status = world.get(team, "gm", "m")["status"]
    commit = status["model"]["commit"]
    assert status["cache"] == {"claimName": "m-weights", "kept": True}
    assert conditions(world, team)["WeightsReady"] == ("True", "WeightsOnClaim")
    (claim,) = world.list(team, "pvc")
    assert claim["metadata"]["name"] == "m-weights"
    assert "ownerReferences" not in claim["metadata"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "12Gi"
    (job,) = jobs(world, team)
    assert job["metadata"]["name"] == f"m-{commit[:10]}"
    assert "genmodel.dev/revision" not in job["spec"]["template"]["metadata"]["labels"]
    servers = world.list(team, "pods", "-l", "app.kubernetes.io/component=server")
    assert len({pod["spec"]["nodeName"] for pod in servers}) == 1, "the volume is for one node"
    assert min(p["metadata"]["creationTimestamp"] for p in servers) >= job["status"]["completionTime"]
    assert not [v for pod in servers for v in pod["spec"]["volumes"] if v["name"] == "token"], "no token to serve with"

    world.until_quiet()
    world.stop_operator()
    world.start_operator()
    world.until_quiet()
    assert world.written() == {}, "a restart writes nothing"

    world.cluster.kubectl("-n", team, "delete", "gm", "m", "--timeout=60s")
    world.until(lambda: jobs(world, team) == [] and world.list(team, "deployments") == [], "all else goes")
    (kept,) = world.list(team, "pvc")
    assert kept["metadata"]["uid"] == claim["metadata"]["uid"]
    world.until(lambda: "WeightsKept" in {e["reason"] for e in world.list(team, "events")}, "an Event names what stays")
    world.wish(team, "m", cache=cache)
    world.wait_for(team, "m", "Serving", seconds=120)
    (again,) = world.list(team, "pvc")
    assert again["metadata"]["uid"] == claim["metadata"]["uid"], "the next model of the name takes the claim"


def test_weights_are_brought_for_no_replicas_at_all(world: OperatorWorld, team: str, volume: str) -> None:
    world.wish(team, "m", replicas=0, cache={"persistentVolumeClaim": {"storageClassName": volume}})
    row = world.wait_for(team, "m", "Suspended")
    assert row["READY"] == "True"
    world.until(lambda: conditions(world, team).get("WeightsReady") == ("True", "WeightsOnClaim"), "the Job is done")
    assert "the weights are on the claim m-weights and verified" in world.condition(team, "m")["message"]
    assert world.list(team, "pods", "-l", "app.kubernetes.io/component=server") == []
    first = jobs(world, team)[0]["metadata"]["uid"]
    world.cluster.kubectl("-n", team, "scale", "gm/m", "--replicas=1")
    world.wait_for(team, "m", "Serving", seconds=120)
    assert [job["metadata"]["uid"] for job in jobs(world, team)] == [first], "what is there is not brought again"


def test_a_claim_of_the_user_s_own(world: OperatorWorld, team: str, volume: str) -> None:
    world.wish(team, "m", cache={"persistentVolumeClaim": {"claimName": "shared"}})
    world.assert_shown(
        team,
        "m",
        reason="ClaimNotFound",
        words=("the claim shared does not exist", "leave claimName out"),
        event="Warning ClaimNotFound",
        row={"READY": "False"},
    )
    assert world.list(team, "pods") == []
    a_claim(world.cluster.kubectl, team, "shared", storage_class=volume, mode="ReadWriteMany")
    world.wish(team, "m", cache={"persistentVolumeClaim": {"claimName": "shared"}}, replicas=2)
    world.wait_for(team, "m", "Serving", seconds=120)
    assert world.get(team, "gm", "m")["status"]["cache"] == {"claimName": "shared", "kept": False}
    world.until(lambda: world.row(team, "m")["REPLICAS"] == "2/2", "both answer")
    servers = world.list(team, "pods", "-l", "app.kubernetes.io/component=server")
    assert "podAffinity" not in servers[0]["spec"].get("affinity", {}), "a volume for many nodes binds to none"


@pytest.fixture
def single_volume(world: OperatorWorld) -> Iterator[str]:
    """Yield the class of a volume that one pod at a time can use."""
    with a_volume(world.cluster.kubectl, f"single-{uuid4().hex[:8]}", modes=SINGLE) as name:
        yield name


def test_a_claim_for_one_pod_is_not_shared(world: OperatorWorld, team: str, single_volume: str) -> None:
    a_claim(world.cluster.kubectl, team, "single", storage_class=single_volume, mode=SINGLE[0])
    world.wish(team, "m", cache={"persistentVolumeClaim": {"claimName": "single"}}, replicas=2)
    world.assert_shown(
        team,
        "m",
        reason="ClaimNotShareable",
        words=("2 pods cannot share the claim single", "set spec.replicas to 1"),
        event="Warning ClaimNotShareable",
        row={"READY": "False"},
    )
    world.wish(team, "m", cache={"persistentVolumeClaim": {"claimName": "single"}}, replicas=1)
    world.wait_for(team, "m", "Serving", seconds=120)


def test_pods_beyond_the_node_of_their_claim_say_so(world: OperatorWorld, team: str, volume: str) -> None:
    cache = {"persistentVolumeClaim": {"storageClassName": volume}}
    world.wish(team, "m", replicas=5, cache=cache, accelerator={"products": ["NVIDIA-L4"], "count": 2})
    world.assert_shown(
        team,
        "m",
        reason="Unschedulable",
        words=("all pods that use the claim m-weights have to be on one node", "a ReadWriteMany claim allows more"),
        event="Normal Unschedulable",
        row={"READY": "False", "REPLICAS": "4/5"},
        seconds=120,
    )


def test_a_claim_without_a_volume_is_named(world: OperatorWorld, team: str) -> None:
    world.wish(team, "m", cache={"persistentVolumeClaim": {"storageClassName": "no-such-class"}})
    world.assert_shown(
        team,
        "m",
        reason="Unschedulable",
        words=("the claim m-weights has no volume yet", "kubectl describe pvc m-weights"),
        event="Normal Unschedulable",
        row={"READY": "False"},
    )


@pytest.fixture(scope="module")
def node(world: OperatorWorld) -> Iterator[HandNode]:
    with hand_node(world) as found:
        yield found


def fetcher(world: OperatorWorld, team: str) -> list[Object]:
    found = world.list(team, "pods", "-l", "app.kubernetes.io/component=fetch")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"] and pod["spec"].get("nodeName")]


def fetching(**state: Any) -> Object:
    """The status of a Job's pod whose only container is in this state; without a probe it is ready when it runs."""
    over = {"terminated": "Failed"}.get(next(iter(state)), "Running")
    status: Object = {"phase": over, "podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}
    ready = {"type": "Ready", "status": "True" if "running" in state else "False"}
    return status | {"conditions": [ready], "containerStatuses": [container("prepare", **state)]}


def test_a_download_shows_its_bytes_and_why_it_failed(
    world: OperatorWorld, team: str, volume: str, node: HandNode, tmp_path: Path
) -> None:
    cache = {"persistentVolumeClaim": {"storageClassName": volume}}
    with pods_voice(world, tmp_path) as voice:
        world.wish(team, "m", cache=cache, accelerator={"products": [PRODUCT]})
        world.until(lambda: len(fetcher(world, team)) == 1, "the Job's pod is placed", seconds=90)
        (pod,) = fetcher(world, team)
        document = told("Downloading") | {"download": {"bytesDone": 1024**3, "bytesTotal": 4 * 1024**3}}
        voice.write_text(json.dumps(document))
        node.write(team, pod["metadata"]["name"], fetching(running={"startedAt": STARTED}))
        world.assert_shown(
            team,
            "m",
            reason="Downloading",
            words=("downloading the weights: 1.0 GiB of 4.0 GiB (25 %)",),
            event="Normal Downloading",
            row={"READY": "False", "REPLICAS": "0/1"},
        )
        assert conditions(world, team)["WeightsReady"] == ("False", "Downloading")
        assert world.get(team, "gm", "m")["status"]["download"]["bytesDone"] == 1024**3
        assert world.list(team, "deployments") == [], "nothing waits on a node for the weights"

        full = Failure(RuntimeReason.VOLUME_FULL, "the volume /models is too small", ExitCode.NO_SPACE)
        ended = {"exitCode": int(full.exit_code), "reason": "Error", "message": termination_document(full).decode()}
        node.write(team, pod["metadata"]["name"], fetching(terminated={**ended, "finishedAt": STARTED}))
        world.assert_shown(
            team,
            "m",
            reason="VolumeFull",
            words=("the volume /models is too small", "on the claim that the weights are on"),
            event="Warning VolumeFull",
            row={"READY": "False", "REPLICAS": "0/1"},
        )
        assert conditions(world, team)["Stalled"] == ("True", "VolumeFull")
        world.until(lambda: "Failed" in ended_as(jobs(world, team)), "the Job is over: another try finds the same")
        (failed,) = jobs(world, team)
        assert failed["status"]["failed"] == 1

        name = another_try_is_told_of_when_bytes_come(world, team, node, voice, failed)
        node.write(team, name, fetching(terminated={**ended, "finishedAt": STARTED}))
        world.until(lambda: "Failed" in ended_as(jobs(world, team)), "it failed once more")
        (failed,) = jobs(world, team)
        world.wish(team, "m", cache=cache, accelerator={"products": [PRODUCT]}, context={"maxModelLen": 128})
        world.until(
            lambda: [job["metadata"]["uid"] for job in jobs(world, team)] not in ([], [failed["metadata"]["uid"]]),
            "a change of the wish tries again at once",
        )
        world.cluster.kubectl("-n", team, "delete", "gm", "m")
        world.until(lambda: world.list(team, "pods") == [], "the pods are gone")


def another_try_is_told_of_when_bytes_come(
    world: OperatorWorld, team: str, node: HandNode, voice: Path, failed: Object
) -> str:
    """The Job is made anew after five minutes, which are over at once here; the failure stays until bytes come.

    Returns the name of the pod of that try.
    """
    name = failed["metadata"]["name"]
    at = next(i for i, c in enumerate(failed["status"]["conditions"]) if c["type"] == "Failed")
    long_ago = [{"op": "replace", "path": f"/status/conditions/{at}/lastTransitionTime", "value": STARTED}]
    patch = ("patch", "job", name, "--subresource=status", "--type=json", "-p", json.dumps(long_ago))
    world.cluster.kubectl("-n", team, *patch)
    gone = {failed["metadata"]["uid"]}
    world.until(
        lambda: {job["metadata"]["uid"] for job in jobs(world, team)} - gone != set(), "another Job", seconds=90
    )
    (again,) = jobs(world, team)
    assert "VolumeFull" in again["metadata"]["annotations"]["genmodel.dev/failed-before"]
    world.until(
        lambda: [owner_of(pod) for pod in fetcher(world, team)] == [again["metadata"]["uid"]], "its pod is placed"
    )
    (pod,) = fetcher(world, team)
    silent = told("Downloading") | {"download": {"bytesDone": 1024**3, "bytesTotal": 4 * 1024**3}}
    voice.write_text(json.dumps(silent))
    node.write(team, pod["metadata"]["name"], fetching(running={"startedAt": STARTED}))
    world.until(lambda: world.get(team, "gm", "m")["status"].get("download") is not None, "the pod is heard")
    assert world.condition(team, "m")["reason"] == "VolumeFull"
    voice.write_text(json.dumps(silent | {"download": silent["download"] | {"bytesPerSecond": 2**26}}))
    world.assert_shown(
        team,
        "m",
        reason="Downloading",
        words=("64.0 MiB/s; the try before it failed: the volume /models is too small",),
        row={"READY": "False", "REPLICAS": "0/1"},
    )
    return str(pod["metadata"]["name"])


def owner_of(pod: Object) -> str:
    return str(pod["metadata"]["ownerReferences"][0]["uid"])


def test_a_commit_that_is_not_wished_any_more_is_given_up(world: OperatorWorld, team: str, volume: str) -> None:
    cache = {"persistentVolumeClaim": {"storageClassName": volume}}
    world.wish(team, "m", cache=cache)
    world.wait_for(team, "m", "Serving", seconds=120)
    (first,) = jobs(world, team)
    with world.namespace() as other:
        assert jobs(world, other) == []
    world.wish(team, "m")
    world.wait_for(team, "m", "Serving", seconds=120)
    world.until(lambda: "cache" not in world.get(team, "gm", "m")["status"], "each pod has its weights for itself")
    assert first["metadata"]["name"].startswith("m-")
    assert [claim["metadata"]["name"] for claim in world.list(team, "pvc")] == ["m-weights"]
