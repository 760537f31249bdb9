"""What status says of weights on a claim: how far the download is, why it failed, what stays."""

import json
from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.labels import COMPONENT_FETCH, FAILED_BEFORE, child_labels
from genmodel_operator.api.reasons import Reason
from genmodel_operator.causes import Cause
from genmodel_operator.causes.weights import Weights, failed_before, told_reason
from genmodel_operator.status import WEIGHTS, StepFailure, World, summarise
from genmodel_runtime.contract import RuntimeReason
from tests.builders import a_model
from tests.builders_pods import (
    REVISION,
    a_deployment,
    a_pod,
    a_ready_pod,
    a_termination,
    container,
    scheduled,
)

NOW = "2026-05-01T10:00:00Z"
RUNNING = container("prepare", running={"startedAt": NOW})
BYTES: dict[str, Any] = {"contract": 1, "phase": "Downloading", "download": {"bytesDone": 2**30, "bytesTotal": 2**32}}
MOVING = BYTES | {"download": {"bytesDone": 2**30, "bytesTotal": 2**32, "bytesPerSecond": 2**26}}
ELSEWHERE = {"f": BYTES | {"download": BYTES["download"] | {"elsewhere": True}}}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes ..."}


def fetching(prepare: dict[str, Any], *, name: str = "f", phase: str = "Running", born: str = NOW) -> dict[str, Any]:
    """A Job's pod whose only container is the one given; without a probe it is ready as soon as it runs."""
    ready = {"type": "Ready", "status": "True" if "running" in prepare["state"] else "False"}
    pod = a_pod(name, phase=phase, conditions=[scheduled(), ready], containerStatuses=[prepare])
    pod["metadata"] |= {"creationTimestamp": born, "labels": child_labels("mistral", COMPONENT_FETCH)}
    return pod


def failed(reason: str, message: str, *, born: str = NOW, code: int = 12) -> dict[str, Any]:
    ended = a_termination(reason, message, code=code)
    return fetching(container("prepare", terminated=ended), name=f"f-{born}", phase="Failed", born=born)


def weights(*pods: dict[str, Any], complete: bool = False, kept: bool = True, one_node: bool = True) -> Weights:
    return Weights("mistral-weights", is_kept=kept, is_complete=complete, is_for_one_node=one_node, pods=pods)


def shown(found: Weights | None, *, model: Any = None, **world: Any) -> dict[str, tuple[str, str, str]]:
    seen = World(current=REVISION, weights=found, url="http://mistral.team-a.svc/v1", **world)
    status = summarise(model or a_model(), seen, NOW)
    return {c.type: (c.status.value, c.reason, c.message) for c in status.conditions}


@pytest.mark.parametrize(
    ("pods", "want_reason", "want_words"),
    [
        pytest.param([], "PodsPending", "the pod that downloads the weights is created", id="no pod yet"),
        pytest.param([fetching(RUNNING)], "Downloading", "1.0 GiB of 4.0 GiB (25 %)", id="bytes"),
        pytest.param([a_pod("f", conditions=[UNSCHEDULABLE])], "Unschedulable", "no node takes the pod", id="no node"),
        pytest.param([failed("VolumeFull", "it is full")], "VolumeFull", "it is full", id="failed"),
        pytest.param(
            [failed("HubUnreachable", "old", born="2026-05-01T09:00:00Z", code=10), failed("VolumeFull", "new")],
            "VolumeFull",
            "new",
            id="the newest failure",
        ),
        pytest.param(
            [failed("HubUnreachable", "no way", code=10), fetching(RUNNING)],
            "HubUnreachable",
            "no way",
            id="another try has received nothing",
        ),
        pytest.param(
            [failed("HubUnreachable", "no way", code=10), a_pod("f", phase="Pending", conditions=[scheduled()])],
            "HubUnreachable",
            "no way",
            id="another try only begins",
        ),
        pytest.param(
            [fetching(container("prepare", terminated={"exitCode": 137, "reason": "OOMKilled"}), phase="Failed")],
            "OutOfMemory",
            "memory limit of 1Gi",
            id="killed",
        ),
        pytest.param(
            [a_pod("f", phase="Failed", reason="Evicted", message="The node was low on resource: memory")],
            "PodEvicted",
            "low on resource",
            id="evicted before it ran",
        ),
    ],
)
def test_why_the_weights_are_not_there(pods: list[dict[str, Any]], want_reason: str, want_words: str) -> None:
    found = shown(weights(*pods), runtimes={"f": BYTES})
    for kind in ("Ready", "WeightsReady"):
        status, reason, message = found[kind]
        assert (status, reason) == ("False", want_reason), message
        assert want_words in message


BEFORE = Cause(RuntimeReason.VOLUME_FULL, "it was full")


@pytest.mark.parametrize(
    ("pods", "runtime", "want"),
    [
        pytest.param([], {}, "it was full", id="its pod is not there"),
        pytest.param([fetching(RUNNING)], {}, "it was full", id="it runs, and nobody knows how far it is"),
        pytest.param([fetching(RUNNING)], BYTES, "it was full", id="it has found what was there"),
        pytest.param(
            [fetching(RUNNING)],
            MOVING,
            "downloading the weights: 1.0 GiB of 4.0 GiB (25 %), 64.0 MiB/s; the try before it failed: it was full",
            id="bytes come",
        ),
        pytest.param(
            [fetching(RUNNING)],
            {"contract": 1, "phase": "Verifying"},
            "checking the downloaded files against the Hub's hashes; the try before it failed: it was full",
            id="all bytes are there",
        ),
        pytest.param([failed("VolumeFull", "still full")], {}, "still full; free or add", id="it failed again"),
        pytest.param(
            [a_pod("f", conditions=[UNSCHEDULABLE])], {}, "no node takes the pod", id="something else is in its way"
        ),
    ],
)
def test_a_failure_is_told_until_another_try_has_received_bytes(
    pods: list[dict[str, Any]], runtime: dict[str, Any], want: str
) -> None:
    found = replace(weights(*pods), failed_before=BEFORE)
    assert shown(found, runtimes={"f": runtime} if runtime else {})["Ready"][2].startswith(want)


@pytest.mark.parametrize(
    ("annotation", "want"),
    [
        pytest.param(json.dumps({"reason": "VolumeFull", "message": "it was full"}), BEFORE, id="told"),
        pytest.param(json.dumps({"reason": "SomethingNew", "message": "x"}), None, id="of a newer operator"),
        pytest.param("[]", None, id="edited by hand"),
        pytest.param(None, None, id="the first Job"),
    ],
)
def test_what_a_job_knows_of_the_one_before_it(annotation: str | None, want: Cause | None) -> None:
    assert failed_before({"metadata": {"annotations": {FAILED_BEFORE: annotation} if annotation else None}}) == want
    assert failed_before(None) is None


def test_a_pod_that_waits_for_another_one_shows_that_one_s_bytes() -> None:
    told = shown(weights(fetching(RUNNING)), runtimes=ELSEWHERE)["Ready"][2]
    assert told == "downloading the weights: another pod brings them to the volume, 1.0 GiB of 4.0 GiB (25 %)"


@pytest.mark.parametrize(
    ("reason", "want"),
    [
        pytest.param("VolumeFull", "Stalled", id="a person"),
        pytest.param("AccessDenied", "Stalled", id="a token"),
        pytest.param("HubUnreachable", "Reconciling", id="time"),
    ],
)
def test_who_must_act(reason: str, want: str) -> None:
    found = shown(weights(failed(reason, "x")))
    assert found[want][:2] == ("True", reason)


@pytest.mark.parametrize(
    ("kept", "want"),
    [
        pytest.param(True, "; it stays when the model is deleted", id="ours"),
        pytest.param(False, "", id="a user's own"),
    ],
)
def test_what_is_there(kept: bool, want: str) -> None:
    found = shown(weights(complete=True, kept=kept), pods=[a_ready_pod()], deployments={REVISION: a_deployment()})
    told = f"the weights are on the claim mistral-weights and verified{want}"
    assert found["WeightsReady"] == ("True", "WeightsOnClaim", told)


@pytest.mark.parametrize(
    ("found", "want_words", "want_weights"),
    [
        pytest.param(weights(fetching(RUNNING)), "downloading the weights: 1.0 GiB", "False", id="on their way"),
        pytest.param(weights(complete=True), "the weights are on the claim mistral-weights", "True", id="there"),
        pytest.param(
            weights(failed("HubUnreachable", "it is away")), "it is away", "False", id="failed, and tried again"
        ),
    ],
)
def test_nothing_is_served_and_the_weights_come_all_the_same(
    found: Weights, want_words: str, want_weights: str
) -> None:
    told = shown(found, model=a_model(replicas=0), runtimes={"f": BYTES})
    assert told["Ready"][:2] == ("True", "Suspended")
    assert want_words in told["Ready"][2]
    assert told["WeightsReady"][0] == want_weights


@pytest.mark.parametrize(
    "rest", [pytest.param({"replicas": 0}, id="no replicas"), pytest.param({"suspend": True}, id="suspended")]
)
def test_weights_that_cannot_come_are_told_also_where_nothing_is_served(rest: dict[str, Any]) -> None:
    told = shown(weights(failed("VolumeFull", "it is full")), model=a_model(**rest))
    for kind in ("Ready", "WeightsReady"):
        assert told[kind][:2] == ("False", "VolumeFull")
        assert "it is full" in told[kind][2]
    assert told["Stalled"][:2] == ("True", "VolumeFull")
    assert told["Available"][:2] == ("False", "Suspended")


def test_bytes_and_claim_in_status() -> None:
    world = World(current=REVISION, weights=weights(fetching(RUNNING)), runtimes={"f": BYTES})
    status = summarise(a_model(), world, NOW)
    assert status.download is not None
    assert (status.download.bytes_done, status.download.bytes_total) == (2**30, 2**32)
    assert status.cache is not None
    assert status.cache.model_dump() == {"claim_name": "mistral-weights", "kept": True}


def test_a_claim_that_cannot_be_used() -> None:
    failure = StepFailure(WEIGHTS, Reason.CLAIM_NOT_FOUND, "the claim shared does not exist", stalled=True)
    found = shown(None, failures=[failure])
    for kind in ("Ready", "WeightsReady"):
        assert found[kind] == ("False", "ClaimNotFound", "the claim shared does not exist")
    assert found["Stalled"][0] == "True"


APART = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod affinity rules."
UNBOUND = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."


@pytest.mark.parametrize(
    ("complete", "one_node", "said", "want_words"),
    [
        pytest.param(True, True, APART, "mistral-weights have to be on one node", id="beyond the node of the claim"),
        pytest.param(True, False, APART, "", id="a claim for many has nothing to do with it"),
        pytest.param(True, True, "0/2 nodes are available: 2 Insufficient cpu.", "", id="no room at all"),
        pytest.param(False, True, UNBOUND, "mistral-weights has no volume yet: kubectl describe pvc", id="no volume"),
    ],
)
def test_pods_without_a_node_are_told_of_the_claim(complete: bool, one_node: bool, said: str, want_words: str) -> None:
    unplaced = a_pod("f", conditions=[UNSCHEDULABLE | {"message": said}])
    pods = {"pods": [unplaced]} if complete else {}
    found = shown(weights(*([] if complete else [unplaced]), complete=complete, one_node=one_node), **pods)
    assert found["Ready"][1] == "Unschedulable"
    assert want_words in found["Ready"][2]
    assert ("claim" in found["Ready"][2]) is bool(want_words)


@pytest.mark.parametrize(
    ("ended", "want"),
    [
        pytest.param(None, None, id="not ended"),
        pytest.param({"exitCode": 1}, None, id="no words"),
        pytest.param(a_termination("WeightsIncomplete", "x"), RuntimeReason.WEIGHTS_INCOMPLETE.value, id="ours"),
    ],
)
def test_told_reason(ended: dict[str, Any] | None, want: str | None) -> None:
    assert told_reason(ended) == want
