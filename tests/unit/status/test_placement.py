"""A pod without a node: what is short on how many nodes, which labels it wants, and whether a node is coming."""

from typing import Any

import pytest

from genmodel_operator.api.reasons import AnyReason, Reason
from genmodel_operator.causes import pod_cause
from tests.builders_evidence import an_event, evidence
from tests.builders_pods import a_pod

PREEMPTION = (
    ". no new claims to deallocate, preemption: 0/3 nodes are available: 1 No preemption victims found for "
    "incoming pod, 2 Preemption is not helpful for scheduling."
)
SHORT = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."


def unplaced(message: str, *, reason: str = "Unschedulable", gpus: str = "2", **spec: Any) -> dict[str, Any]:
    pod = a_pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}])
    pod["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": gpus}}
    pod["spec"] |= spec
    return pod


def wanting(*expressions: dict[str, Any]) -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


@pytest.mark.parametrize(
    ("pod", "want_words"),
    [
        pytest.param(
            unplaced(SHORT),
            "no node takes the pod: of 3 nodes: 3 Insufficient nvidia.com/gpu (the pod wants 2)",
            id="devices",
        ),
        pytest.param(
            unplaced(
                "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint(s), "
                "2 node(s) didn't match Pod's node affinity/selector" + PREEMPTION,
                affinity=wanting(
                    {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-L4"]},
                    {"key": "nvidia.com/mig.config", "operator": "DoesNotExist"},
                ),
            ),
            "of 3 nodes: 1 Insufficient nvidia.com/gpu (the pod wants 2), 1 node(s) had untolerated taint(s), "
            "2 node(s) didn't match Pod's node affinity/selector "
            "(nvidia.com/gpu.product=NVIDIA-L4, nvidia.com/mig.config DoesNotExist); free",
            id="several, and what preemption would have done is left out",
        ),
        pytest.param(
            unplaced(
                "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
                nodeSelector={"zone": "a"},
            ),
            "of 1 node: 1 node(s) didn't match Pod's node affinity/selector (zone=a)",
            id="node selector of a pod template",
        ),
        pytest.param(unplaced("no nodes available to schedule pods"), "pod: no nodes available to", id="no nodes"),
        pytest.param(
            unplaced("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
            "of 2 nodes: pod has unbound immediate PersistentVolumeClaims;",
            id="a claim without a volume",
        ),
        pytest.param(unplaced(""), "no node takes the pod: Unschedulable;", id="no message"),
    ],
)  # fmt: skip
def test_what_is_short(pod: dict[str, Any], want_words: str) -> None:
    cause = pod_cause(pod, {})
    assert cause.reason is Reason.UNSCHEDULABLE
    assert want_words in cause.message


def test_a_scheduling_gate_is_no_lack_of_room() -> None:
    pod = unplaced("Scheduling is blocked due to non-empty scheduling gates", reason="SchedulingGated")
    cause = pod_cause(pod, {})
    assert cause.reason is Reason.PODS_PENDING
    assert "a scheduling gate holds the pod back" in cause.message


TRIGGERED = "pod triggered scale-up: [{gpu-pool 1->2 (max: 3)}]"
REFUSED = "pod didn't trigger scale-up: 1 max node group size reached"


@pytest.mark.parametrize(
    ("events", "want_reason", "want_words"),
    [
        pytest.param(
            [an_event("TriggeredScaleUp", TRIGGERED, by="cluster-autoscaler")],
            Reason.WAITING_FOR_NODE,
            f"a node is being added for the pod (cluster-autoscaler says: {TRIGGERED}); now of 3 nodes: 3 Insuff",
            id="a pool grows",
        ),
        pytest.param(
            [an_event("NotTriggerScaleUp", REFUSED, by="cluster-autoscaler")],
            Reason.UNSCHEDULABLE,
            f"(the pod wants 2); no node is added: cluster-autoscaler says: {REFUSED}; free or add",
            id="no pool can grow",
        ),
        pytest.param(
            [an_event("Nominated", "Pod should schedule on: nodeclaim/gpu-x7", by="karpenter")],
            Reason.WAITING_FOR_NODE,
            "nodeclaim/gpu-x7",
            id="Karpenter makes a node",
        ),
        pytest.param(
            [an_event("FailedScheduling", 'incompatible with nodepool "gpu"', by="karpenter")],
            Reason.UNSCHEDULABLE,
            'no node is added: karpenter says: incompatible with nodepool "gpu"',
            id="Karpenter cannot",
        ),
        pytest.param(
            [an_event("FailedScheduling", SHORT, by="default-scheduler")],
            Reason.UNSCHEDULABLE,
            "3 Insufficient nvidia.com/gpu (the pod wants 2); free or add",
            id="the scheduler is no autoscaler",
        ),
        pytest.param(
            [
                an_event("TriggeredScaleUp", TRIGGERED, at="2026-11-26T18:30:00Z"),
                an_event("NotTriggerScaleUp", REFUSED, at="2026-11-26T18:39:00Z"),
            ],
            Reason.UNSCHEDULABLE,
            REFUSED,
            id="the newest counts",
        ),
        pytest.param(
            [an_event("TriggeredScaleUp", TRIGGERED, at="2026-11-26T18:20:00Z")],
            Reason.UNSCHEDULABLE,
            "a node was asked for more than 15 minutes ago and did not help",
            id="a node that never came",
        ),
    ],
)
def test_whether_a_pool_may_still_grow(events: list[dict[str, Any]], want_reason: AnyReason, want_words: str) -> None:
    cause = pod_cause(unplaced(SHORT), {}, evidence(*events))
    assert cause.reason is want_reason
    assert want_words in cause.message
    assert not cause.needs_person
    assert not cause.is_progress
