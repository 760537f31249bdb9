"""When a frozen plan may be made anew, and when a new one counts as another."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.controller import children
from genmodel_operator.controller.context import Context
from genmodel_operator.controller.replan import is_placed_alike, is_stuck
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources.revision import Revision, freeze
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import Taint
from tests.builders import a_gpu_plan, a_model, some_facts
from tests.builders_pods import COMMIT, a_pod, a_ready_pod, scheduled

BORN = "2026-11-24T10:00:00Z"


def a_revision(**changes: Any) -> Revision:
    found = freeze(a_model(), some_facts(), ServedTask.GENERATE, a_gpu_plan(), Settings(), number=1)
    return replace(found, **changes)


REVISION = a_revision()


def lost(name: str = "mistral-a", *, born: str = BORN, **metadata: Any) -> dict[str, Any]:
    """A pod that the scheduler found no node for."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": born}
    pod = a_pod(name, revision=REVISION.id, conditions=[condition])
    pod["metadata"] |= {"creationTimestamp": born, **metadata}
    return pod


def placed(name: str = "mistral-b") -> dict[str, Any]:
    pod = a_pod(name, revision=REVISION.id, conditions=[scheduled()])
    pod["metadata"]["creationTimestamp"] = BORN
    return pod


def a_context(
    *pods: dict[str, Any], model: GenerativeModel | None = None, born: str = BORN, reason: str = "ReplicaSetUpdated"
) -> Context:
    deployment = {
        "metadata": {
            "name": "d",
            "creationTimestamp": born,
            "labels": labels.revision_labels("mistral", REVISION.id, COMMIT),
        },
        "status": {"conditions": [{"type": "Progressing", "status": "True", "reason": reason}]},
    }
    return Context(
        tools=None,  # type: ignore[arg-type]
        model=model or a_model(),
        resync=True,
        pods=list(pods),
        deployments={REVISION.id: deployment},
    )


def status(serving: str) -> dict[str, Any]:
    return {"revision": {"current": serving, "serving": serving}, "measured": {"weightsGiB": 1.0}}


@pytest.mark.parametrize(
    "ctx",
    [
        pytest.param(a_context(lost()), id="its pod finds no node"),
        pytest.param(a_context(lost(), lost("b")), id="none of its pods does"),
        pytest.param(a_context(lost(), model=a_model(status=status("another"))), id="another revision was measured"),
        pytest.param(
            a_context(lost(), lost("old", born="2026-11-24T09:59:59Z")), id="beside a pod of a Deployment before"
        ),
    ],
)
def test_a_revision_that_never_served_and_finds_no_node_is_stuck(ctx: Context) -> None:
    assert is_stuck(ctx, REVISION)


@pytest.mark.parametrize(
    "ctx",
    [
        pytest.param(a_context(), id="there are no pods yet"),
        pytest.param(a_context(lost(), placed()), id="one pod has a node"),
        pytest.param(a_context(lost(), a_ready_pod("r", revision=REVISION.id)), id="one pod answers"),
        pytest.param(a_context(lost(), model=a_model(status=status(REVISION.id))), id="it was measured"),
        pytest.param(a_context(lost(), reason="NewReplicaSetAvailable"), id="its Deployment was complete once"),
        pytest.param(a_context(lost(deletionTimestamp=BORN)), id="its pod is going"),
        pytest.param(a_context(lost(born="2026-11-24T09:59:59Z")), id="the pod is of a Deployment before"),
        pytest.param(a_context(a_pod(revision=REVISION.id)), id="the scheduler has not looked yet"),
        pytest.param(a_context(a_pod(revision="another")), id="another revision's pod"),
    ],
)
def test_a_revision_that_may_have_served_or_may_come_up_is_not(ctx: Context) -> None:
    assert not is_stuck(ctx, REVISION)


def test_a_revision_that_answered_once_never_is() -> None:
    once = {"revision": {"current": REVISION.id, "serving": REVISION.id, "answered": REVISION.id}}
    assert not is_stuck(a_context(lost(), model=a_model(status=once)), REVISION)


def test_a_revision_without_a_deployment_has_no_pods() -> None:
    ctx = a_context(lost())
    ctx.deployments.clear()

    assert children.own_pods(ctx, REVISION.id) == []
    assert not is_stuck(ctx, REVISION)


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param({}, True, id="the same"),
        pytest.param({"explanation": "in other words", "replicas_fit": 9}, True, id="other words"),
        pytest.param({"max_model_len": 8192, "kv_cache_bytes": 1}, True, id="another length on the same nodes"),
        pytest.param({"product": "NVIDIA-L40S"}, False, id="another product"),
        pytest.param({"count": 2, "tensor_parallel": 2}, False, id="more devices"),
        pytest.param({"resource": "cpu", "count": 0}, False, id="CPU"),
        pytest.param({"node_selector": ()}, False, id="other nodes"),
        pytest.param({"tolerations": (Taint("team", "a", "NoSchedule"),)}, False, id="another taint"),
        pytest.param({"host_memory_gib": 8.0}, False, id="less memory of the node"),
    ],
)
def test_only_what_the_scheduler_sees_makes_another_plan(changes: dict[str, Any], want: bool) -> None:
    assert is_placed_alike(a_gpu_plan(), a_gpu_plan(**changes)) is want
