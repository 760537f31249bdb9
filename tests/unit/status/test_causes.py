"""The first cause a person can act on, over every state in which a pod can hang."""

from typing import Any

import pytest

from genmodel_operator.api.reasons import TABLE, Reason
from genmodel_operator.causes import describe_download, first_cause, has_weights, is_ready, pod_cause
from genmodel_operator.status import World, summarise
from genmodel_runtime.contract import RuntimeReason
from tests.builders import a_model
from tests.builders_evidence import evidence
from tests.builders_pods import (
    REVISION,
    a_deployment,
    a_pod,
    a_ready_pod,
    a_termination,
    container,
    in_prepare,
    in_server,
    scheduled,
)

UNPLACED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
}
GIB = 1024**3


@pytest.mark.parametrize(
    ("pod", "runtime", "want_reason", "want_text"),
    [
        pytest.param(a_pod(), {}, Reason.PODS_PENDING, "waits for the scheduler", id="new pod"),
        pytest.param(
            a_pod(conditions=[UNPLACED]),
            {},
            Reason.UNSCHEDULABLE,
            "3 Insufficient nvidia.com/gpu; free or add",
            id="no node has a device",
        ),
        pytest.param(
            a_pod(conditions=[scheduled()]), {}, Reason.STARTING, "node-1 prepares", id="placed, nothing started"
        ),
        pytest.param(
            in_prepare(container("prepare", waiting={"reason": "ImagePullBackOff", "message": "not found"})),
            {},
            Reason.IMAGE_PULL_FAILED,
            "example/prepare:1",
            id="our image cannot be pulled",
        ),
        pytest.param(
            in_server(container("server", waiting={"reason": "ErrImagePull", "message": "unauthorized"})),
            {},
            Reason.IMAGE_PULL_FAILED,
            "unauthorized",
            id="engine image cannot be pulled",
        ),
        pytest.param(
            in_server(container("server", waiting={"reason": "CreateContainerConfigError", "message": "no secret x"})),
            {},
            Reason.CONTAINER_CONFIG_FAILED,
            "no secret x",
            id="a referenced Secret is missing",
        ),
        pytest.param(
            in_prepare(container("prepare", running={})),
            {
                "phase": "Downloading",
                "download": {"bytesDone": GIB, "bytesTotal": 4 * GIB, "bytesPerSecond": 2**26, "secondsLeft": 48},
            },
            Reason.DOWNLOADING,
            "1.0 GiB of 4.0 GiB (25 %), 64.0 MiB/s, 48 s left",
            id="download with the runtime's word",
        ),
        pytest.param(
            in_prepare(container("prepare", running={})),
            {},
            Reason.DOWNLOADING,
            "how far it is cannot be read from the pod's port 8001",
            id="download whose runtime cannot be reached",
        ),
        pytest.param(
            in_prepare(container("prepare", running={})),
            {"phase": "Verifying"},
            Reason.VERIFYING,
            "hashes",
            id="verifying",
        ),
        pytest.param(
            in_prepare(container("prepare", running={})),
            {"phase": "Downloading", "failure": {"reason": "HubUnreachable", "message": "connection refused"}},
            RuntimeReason.HUB_UNREACHABLE,
            "connection refused; retried by itself",
            id="the Hub is down while downloading",
        ),
        pytest.param(
            in_prepare(
                container("prepare", waiting={"reason": "CrashLoopBackOff"}, last=a_termination("VolumeFull", "full"))
            ),
            {},
            RuntimeReason.VOLUME_FULL,
            "full; free or add disk space",
            id="prepare loops on a full volume",
        ),
        pytest.param(
            in_server(container("server", running={})), {"phase": "Loading"}, Reason.LOADING, "loads", id="loading"
        ),
        pytest.param(
            in_server(container("server", running={})),
            {"phase": "Compiling", "since": "2026-11-26T18:31:05Z"},
            Reason.COMPILING,
            "the engine compiles the model, since 18:31:05 UTC",
            id="compiling",
        ),
        pytest.param(
            in_server(container("server", running={})),
            {"phase": "WarmingUp", "readiness": {"ready": False, "reason": "the trial answer has status 500"}},
            Reason.WARMING_UP,
            "the engine warms up, not ready: the trial answer has status 500",
            id="warming up, with what the probe is answered",
        ),
        pytest.param(
            in_server(container("server", running={"startedAt": "2026-11-26T18:31:05Z"})),
            {},
            Reason.LOADING,
            "the engine starts; how far it is cannot be read from the pod's port 8001, since 18:31:05 UTC",
            id="an engine whose runtime cannot be reached",
        ),
        pytest.param(
            in_server(container("server", running={})),
            {"phase": "Serving", "since": "2026-11-26T18:31:05Z"},
            Reason.WARMING_UP,
            "answers, and the cluster has not noticed yet",
            id="an engine that has just begun to answer",
        ),
        pytest.param(
            in_server(
                container("server", running={}, restarts=2, last=a_termination("BadEngineArgument", "unknown --x"))
            ),
            {"phase": "Loading"},
            RuntimeReason.BAD_ENGINE_ARGUMENT,
            "unknown --x; correct or remove",
            id="a crash that needs a person stays while it is tried again",
        ),
        pytest.param(
            in_server(container("server", running={}, restarts=1, last=a_termination("EngineDied", "died", code=22))),
            {"phase": "Loading"},
            Reason.LOADING,
            "the engine loads the weights, restart 1; before it: died; restarted by itself",
            id="a crash that mends itself gives way to progress, which tells of it",
        ),
        pytest.param(
            in_server(container("server", waiting={"reason": "CrashLoopBackOff"}, last={"exitCode": 3})),
            {},
            Reason.POD_CRASHED,
            "exit code 3",
            id="a crash without words",
        ),
        pytest.param(
            in_server(container("server", terminated={"reason": "OOMKilled", "exitCode": 137})),
            {},
            Reason.OUT_OF_MEMORY,
            "limit of 6Gi",
            id="killed at its memory limit",
        ),
        pytest.param(
            a_pod(reason="Evicted", message="low on memory"), {}, Reason.POD_EVICTED, "low on memory", id="evicted"
        ),
        pytest.param(a_pod(reason="NodeLost"), {}, Reason.NODE_LOST, "node-1", id="node lost"),
    ],
)
def test_pod_cause(pod: dict[str, Any], runtime: dict[str, Any], want_reason: Reason, want_text: str) -> None:
    cause = pod_cause(pod, runtime)
    assert cause.reason == want_reason
    assert want_text in cause.message


EARLY, LATE = "2026-11-26T18:39:50Z", "2026-11-26T18:39:40Z"
"""Ten and twenty seconds before the time of the evidence."""


@pytest.mark.parametrize(
    ("since", "want_server", "want_prepare"),
    [
        pytest.param(EARLY, "the engine starts, since 18:39:50 UTC", "downloading the weights: the container starts"),
        pytest.param(
            LATE,
            "the engine starts; how far it is cannot be read from the pod's port 8001, since 18:39:40 UTC",
            "downloading the weights: how far it is cannot be read from the pod's port 8001",
        ),
    ],
    ids=["it has just begun", "it has run for long"],
)
def test_that_a_runtime_does_not_answer_is_told_when_it_had_time_to(
    since: str, want_server: str, want_prepare: str
) -> None:
    running = {"startedAt": since}
    assert pod_cause(in_server(container("server", running=running)), {}, evidence()).message == want_server
    assert pod_cause(in_prepare(container("prepare", running=running)), {}, evidence()).message == want_prepare


def test_the_hint_of_the_runtime_is_told_with_its_numbers() -> None:
    last = a_termination("CacheTooSmall", "a context of 32768 tokens needs 4.0 GiB", hint="at most 8192 tokens fit")
    server = container("server", waiting={"reason": "CrashLoopBackOff"}, last=last)
    assert pod_cause(in_server(server), {}).message == (
        "a context of 32768 tokens needs 4.0 GiB; at most 8192 tokens fit; lower spec.context.maxModelLen"
    )


@pytest.mark.parametrize("reason", list(RuntimeReason), ids=lambda reason: reason.value)
def test_every_reason_of_the_runtime_reaches_the_user_with_its_remedy(reason: RuntimeReason) -> None:
    server = container(
        "server", waiting={"reason": "CrashLoopBackOff"}, last=a_termination(reason.value, "what happened")
    )
    cause = pod_cause(in_server(server), {})
    assert cause.reason == reason
    assert cause.message == f"what happened; {TABLE[reason.value].remedy}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("Killed", id="plain text"),
        pytest.param('{"reason": "SomethingNew", "message": "x"}', id="reason of a newer runtime"),
        pytest.param('{"reason": "EngineDied"}', id="no message"),
        pytest.param("[1]", id="not an object"),
    ],
)
def test_foreign_termination_logs_are_a_plain_crash(text: str) -> None:
    server = container("server", waiting={"reason": "CrashLoopBackOff"}, last={"exitCode": 1, "message": text})
    assert pod_cause(in_server(server), {}).reason is Reason.POD_CRASHED


def test_what_a_person_must_act_on_comes_first() -> None:
    loading = in_server(container("server", running={}), "a")
    broken = in_server(
        container("server", waiting={"reason": "CrashLoopBackOff"}, last=a_termination("BadEngineArgument", "x")), "b"
    )
    unplaced = a_pod("c", conditions=[UNPLACED])
    assert first_cause(None, [loading, unplaced, broken], {}).reason is RuntimeReason.BAD_ENGINE_ARGUMENT
    assert first_cause(None, [loading, unplaced], {}).reason is Reason.UNSCHEDULABLE
    assert first_cause(None, [loading, a_ready_pod("d")], {}).reason is Reason.LOADING


@pytest.mark.parametrize(
    ("message", "want_reason", "want_words"),
    [
        pytest.param(
            'pods "m-1" is forbidden: exceeded quota: gpus, requested: limits.memory=12Gi,requests.nvidia.com/gpu=1, '
            "used: limits.memory=30Gi,requests.nvidia.com/gpu=2, limited: limits.memory=32Gi,requests.nvidia.com/gpu=2",
            Reason.QUOTA_EXCEEDED,
            "the quota gpus leaves no room (limits.memory: 12Gi wanted, 30Gi of 32Gi used; "
            "requests.nvidia.com/gpu: 1 wanted, 2 of 2 used); raise the quota gpus",
            id="quota",
        ),
        pytest.param(
            'pods "m-1" is forbidden: failed quota: gpus: must specify limits.cpu for: server',
            Reason.POD_CREATION_REFUSED,
            "must specify limits.cpu for: server; raise the quota or change",
            id="quota that wants another field",
        ),
        pytest.param(
            'pods "m-1" is forbidden: violates PodSecurity "restricted:latest": seccompProfile',
            Reason.POD_CREATION_REFUSED,
            'violates PodSecurity "restricted:latest"',
            id="pod security",
        ),
    ],
)
def test_refused_pod_creation_is_lifted_from_the_deployment(message: str, want_reason: Reason, want_words: str) -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": message}
    cause = first_cause(a_deployment(refused), [], {})
    assert (cause.reason, cause.needs_person) == (want_reason, True)
    assert want_words in cause.message


def test_without_any_pod_the_pods_are_being_created() -> None:
    assert first_cause(a_deployment(), [], {}).reason is Reason.PODS_PENDING


def test_a_pod_on_its_way_out_counts_neither_as_ready_nor_as_a_cause() -> None:
    leaving = a_ready_pod()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not is_ready(leaving)
    assert first_cause(None, [leaving], {}).reason is Reason.PODS_PENDING


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        pytest.param(a_ready_pod(), True, id="ready"),
        pytest.param(in_server(container("server", running={})), True, id="prepare done"),
        pytest.param(in_prepare(container("prepare", running={})), False, id="prepare runs"),
        pytest.param(in_prepare(container("prepare", terminated={"exitCode": 12})), False, id="prepare failed"),
        pytest.param(a_pod(), False, id="nothing known"),
    ],
)
def test_has_weights(pod: dict[str, Any], want: bool) -> None:
    assert has_weights(pod) is want


@pytest.mark.parametrize(
    "runtime",
    [
        pytest.param({"phase": "Downloading", "download": [1]}, id="no object"),
        pytest.param({"phase": "Downloading", "download": {"bytesTotal": "much", "bytesDone": None}}, id="no numbers"),
        pytest.param({"phase": "Downloading", "download": {"bytesTotal": float("inf")}}, id="no end"),
        pytest.param({"phase": ["Loading"], "since": "yesterday"}, id="no phase and no time"),
        pytest.param({"phase": "Loading", "since": "2026-11-26T10:00:00"}, id="a time of nowhere"),
        pytest.param({"phase": "WarmingUp", "readiness": "no", "failure": "x"}, id="words instead of objects"),
    ],
)
@pytest.mark.parametrize("name", ["prepare", "server"])
def test_what_a_broken_runtime_tells_is_passed_over(name: str, runtime: dict[str, Any]) -> None:
    pod = (in_prepare if name == "prepare" else in_server)(container(name, running={}))
    seen = World(current=REVISION, pods=[pod], runtimes={"mistral-a": runtime}, evidence=evidence())
    assert summarise(a_model(), seen, "2026-11-26T10:00:00Z").download is None
    assert pod_cause(pod, runtime, evidence()).is_progress


@pytest.mark.parametrize(
    ("download", "want"),
    [
        pytest.param(None, "asking the Hub for the list of files", id="nothing known"),
        pytest.param({"bytesTotal": 0}, "asking the Hub for the list of files", id="no total"),
        pytest.param({"bytesDone": 0, "bytesTotal": 1024**2}, "0.0 MiB of 1.0 MiB (0 %)", id="just begun"),
        pytest.param(
            {"bytesDone": 3 * GIB, "bytesTotal": 4 * GIB, "secondsLeft": 12.4},
            "3.0 GiB of 4.0 GiB (75 %), 12 s left",
            id="with time left",
        ),
    ],
)
def test_describe_download(download: dict[str, Any] | None, want: str) -> None:
    assert describe_download(download) == want
