"""What a node does to a pod: lost, devices unhealthy, evicted, refused, not set up, killed by a probe."""

from typing import Any

import pytest

from genmodel_operator.api.reasons import AnyReason, Reason
from genmodel_operator.causes import Evidence, first_cause, pod_cause
from genmodel_operator.causes.evidence import NOTHING
from tests.builders_evidence import a_node, an_event, evidence
from tests.builders_pods import a_pod, a_ready_pod, container, in_prepare, in_server, scheduled

RUNNING = container("server", running={})


def on_devices(pod: dict[str, Any], count: str = "1") -> dict[str, Any]:
    pod["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": count, "memory": "6Gi"}}
    return pod


def failed(reason: str, message: str) -> dict[str, Any]:
    return on_devices(a_pod(phase="Failed", reason=reason, message=message))


def with_unhealthy_device() -> dict[str, Any]:
    resources = [{"resourceID": "GPU-1", "health": "Healthy"}, {"resourceID": "GPU-2", "health": "Unhealthy"}]
    allocated = {"name": "nvidia.com/gpu", "resources": resources}
    return in_server({**RUNNING, "allocatedResourcesStatus": [allocated]})


def with_authorities(name: str) -> dict[str, Any]:
    pod = a_pod(conditions=[scheduled()])
    pod["spec"]["volumes"] = [{"name": "cache", "emptyDir": {}}, {"name": "ca", "configMap": {"name": name}}]
    return pod


NO_DEVICES = (
    "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0"
)
LOST = a_node(ready="Unknown", message="Kubelet stopped posting node status.")
KILLED = container(
    "server", waiting={"reason": "CrashLoopBackOff"}, last={"exitCode": 137, "reason": "Error"}, restarts=1
)
SERVING = {"phase": "Serving", "since": "2026-11-26T18:39:00Z"}


@pytest.mark.parametrize(
    ("pod", "runtime", "seen", "want_reason", "want_words"),
    [
        pytest.param(
            in_server(RUNNING),
            {},
            evidence(nodes={"node-1": LOST}),
            Reason.NODE_LOST,
            "the node node-1 is lost: it is not ready since 18:31:05 UTC: Kubelet stopped posting node status; the pod",
            id="node not ready",
        ),
        pytest.param(
            in_server(RUNNING),
            {},
            evidence(nodes={"node-1": None}),
            Reason.NODE_LOST,
            "it was removed from the cluster",
            id="node removed",
        ),
        pytest.param(
            in_server(RUNNING), {}, evidence(nodes={"node-1": a_node()}), Reason.LOADING, "starts", id="node is fine"
        ),
        pytest.param(
            on_devices(in_server(KILLED)),
            {},
            evidence(nodes={"node-1": a_node(allocatable="0")}),
            Reason.DEVICE_UNHEALTHY,
            "nvidia.com/gpu on the node node-1 is not healthy: 0 of its 8 can be used, and the pod wants 1; repair",
            id="allocatable below what the pod needs",
        ),
        pytest.param(
            with_unhealthy_device(),
            {},
            NOTHING,
            Reason.DEVICE_UNHEALTHY,
            "the device plugin reports GPU-2 as Unhealthy",
            id="a device of the pod",
        ),
        pytest.param(
            failed("UnexpectedAdmissionError", NO_DEVICES),
            {},
            NOTHING,
            Reason.DEVICE_UNHEALTHY,
            "Requested: 1, Available: 0",
            id="devices gone between scheduler and kubelet",
        ),
        pytest.param(
            failed("OutOfnvidia.com/gpu", "Node didn't have enough resource: nvidia.com/gpu"),
            {},
            NOTHING,
            Reason.DEVICE_UNHEALTHY,
            "didn't have enough resource",
            id="fewer devices than the scheduler counted",
        ),
        pytest.param(
            failed("OutOfcpu", "Node didn't have enough resource: cpu"),
            {},
            NOTHING,
            Reason.POD_EVICTED,
            "OutOfcpu: Node didn't have enough",
            id="refused for something else",
        ),
        pytest.param(
            failed("Evicted", "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi"),
            {},
            NOTHING,
            Reason.POD_EVICTED,
            "the pod lost its place on the node node-1: Evicted: The node was low on resource: ephemeral-storage",
            id="evicted by the kubelet",
        ),
        pytest.param(
            failed("Evicted", 'Usage of EmptyDir volume "cache" exceeds the limit "10Gi". '),
            {},
            NOTHING,
            Reason.DISK_LIMIT_EXCEEDED,
            'than it may: Usage of EmptyDir volume "cache" exceeds the limit "10Gi"; it is placed again by itself; '
            "where that happens again, raise spec.podTemplate.spec.volumes[cache].emptyDir.sizeLimit",
            id="evicted for a volume that it may enlarge",
        ),
        pytest.param(
            failed("Evicted", 'Usage of EmptyDir volume "weights" exceeds the limit "2Gi". '),
            {},
            NOTHING,
            Reason.DISK_LIMIT_EXCEEDED,
            "put the weights on a claim with spec.cache.persistentVolumeClaim",
            id="evicted for the volume of the weights",
        ),
        pytest.param(
            failed("Evicted", 'Container server exceeded its local ephemeral storage limit "14Gi". '),
            {},
            NOTHING,
            Reason.DISK_LIMIT_EXCEEDED,
            "raise limits.ephemeral-storage of the containers in spec.podTemplate",
            id="evicted for what a container wrote",
        ),
        pytest.param(
            failed("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 14Gi. "),
            {},
            NOTHING,
            Reason.DISK_LIMIT_EXCEEDED,
            "raise limits.ephemeral-storage",
            id="evicted for what all of them wrote",
        ),
        pytest.param(
            a_pod(conditions=[scheduled()]),
            {},
            evidence(an_event("FailedMount", 'MountVolume.SetUp failed for volume "ca" : configmap "roots" not found')),
            Reason.AUTHORITIES_MISSING,
            "hub.caConfigMap names the ConfigMap roots, which is not in the namespace team-a or has no key ca.crt; "
            "create it: kubectl -n team-a create configmap roots --from-file=ca.crt=FILE",
            id="certificate authorities that are not in the namespace",
        ),
        pytest.param(
            with_authorities("roots"),
            {},
            evidence(
                an_event(
                    "FailedMount",
                    'MountVolume.SetUp failed for volume "ca" : configmap references non-existent config key: ca.crt',
                )
            ),
            Reason.AUTHORITIES_MISSING,
            "the ConfigMap roots, which",
            id="certificate authorities under another key",
        ),
        pytest.param(
            with_authorities("roots"),
            {},
            evidence(an_event("FailedMount", 'MountVolume.SetUp failed for volume "ca" : timed out: configmap cache')),
            Reason.POD_SETUP_FAILED,
            "timed out: configmap cache",
            id="certificate authorities that the node has not read yet",
        ),
        pytest.param(
            a_pod(conditions=[scheduled()]),
            {},
            evidence(an_event("FailedMount", 'MountVolume.SetUp failed: secret "keys" not found')),
            Reason.POD_SETUP_FAILED,
            'node-1 cannot set the pod up: MountVolume.SetUp failed: secret "keys" not found; create or repair',
            id="a volume cannot be mounted",
        ),
        pytest.param(
            a_pod(conditions=[scheduled()]),
            {},
            evidence(an_event("Pulling", 'Pulling image "vllm/vllm-openai:v0.32.0"')),
            Reason.STARTING,
            'node-1 pulls image "vllm/vllm-openai:v0.32.0"',
            id="an image is being pulled",
        ),
        pytest.param(
            a_pod(conditions=[scheduled()]),
            {},
            evidence(
                an_event("Pulling", 'Pulling image "x"', at="2026-11-26T18:39:00Z"),
                an_event("Pulled", 'Successfully pulled image "x"', at="2026-11-26T18:39:30Z"),
            ),
            Reason.STARTING,
            "node-1 prepares the pod",
            id="the image is there",
        ),
        pytest.param(
            in_server(KILLED),
            {},
            evidence(
                an_event("Unhealthy", "Startup probe failed: connection refused"),
                an_event("Killing", "Container server failed startup probe, will be restarted"),
            ),
            Reason.PROBE_FAILING,
            "the kubelet killed it: Container server failed startup probe, will be restarted; the last probe: Startup "
            "probe failed: connection refused",
            id="killed by its startup probe",
        ),
        pytest.param(in_server(KILLED), {}, evidence(), Reason.POD_CRASHED, "exit code 137", id="killed by whom ever"),
        pytest.param(
            in_server(RUNNING),
            SERVING,
            evidence(an_event("Unhealthy", "Readiness probe failed: timeout")),
            Reason.PROBE_FAILING,
            "the engine answers, and the pod is not ready: Readiness probe failed: timeout",
            id="answers, but not to the kubelet",
        ),
        pytest.param(
            in_server(RUNNING),
            {"phase": "Serving", "since": "2026-11-26T18:39:50Z"},
            evidence(),
            Reason.WARMING_UP,
            "has not noticed yet",
            id="answers since a moment ago",
        ),
    ],
)  # fmt: skip
def test_pod_cause(
    pod: dict[str, Any], runtime: dict[str, Any], seen: Evidence, want_reason: AnyReason, want_words: str
) -> None:
    cause = pod_cause(pod, runtime, seen)
    assert (cause.reason, want_words in cause.message) == (want_reason, True), cause.message


def preempted() -> dict[str, Any]:
    pod = a_ready_pod()
    pod["metadata"]["deletionTimestamp"] = "2026-11-26T18:39:00Z"
    pod["status"]["conditions"] += [
        {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": "preempting to accommodate a higher priority pod",
        }
    ]
    return pod


EVICTED = failed("Evicted", "low on memory")


@pytest.mark.parametrize(
    ("pods", "want_reason"),
    [
        pytest.param([EVICTED], Reason.POD_EVICTED, id="no successor yet"),
        pytest.param([EVICTED, a_pod("b")], Reason.POD_EVICTED, id="its successor waits for the scheduler"),
        pytest.param([EVICTED, in_prepare(container("prepare", running={}), "b")], Reason.DOWNLOADING, id="it loads"),
        pytest.param([preempted(), a_pod("b")], Reason.POD_EVICTED, id="preempted"),
        pytest.param([preempted(), in_server(RUNNING, "b")], Reason.LOADING, id="preempted, its successor starts"),
    ],
)
def test_a_pod_that_is_gone_is_told_of_until_its_successor_runs(
    pods: list[dict[str, Any]], want_reason: AnyReason
) -> None:
    assert first_cause(None, pods, {}).reason is want_reason
