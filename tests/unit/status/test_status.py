"""The summary over recorded worlds: conditions, kstatus rules, columns."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.api.v1alpha1 import (
    Condition,
    ConditionStatus,
    GenerativeModel,
    GenerativeModelStatus,
    ModelStatus,
    PlannedAccelerator,
    PlanStatus,
)
from genmodel_operator.api.v1alpha1_status import MemoryBreakdown
from genmodel_operator.eventful import eventful_conditions, is_told_by_the_cluster
from genmodel_operator.status import (
    RESOLVE,
    SIZE,
    StepFailure,
    World,
    summarise,
)
from tests.builders import a_model
from tests.builders_pods import (
    COMMIT,
    REVISION,
    a_deployment,
    a_pod,
    a_ready_pod,
    a_termination,
    container,
    in_prepare,
    in_server,
)

NOW, EARLIER = "2026-05-01T10:00:00Z", "2026-05-01T09:00:00Z"
MODEL = ModelStatus(
    repository="mistralai/Mistral-7B-Instruct-v0.3", commit=COMMIT, architecture="MistralForCausalLM", task="Generate"
)
PLAN = PlanStatus(
    accelerator=PlannedAccelerator(resource="nvidia.com/gpu", product="NVIDIA-L4", count=1),
    tensor_parallel=1,
    max_model_len=4096,
    concurrency=3.5,
    memory=MemoryBreakdown(
        total_gib=22, weights_gib=13.5, kv_cache_gib=4, activation_gib=1, overhead_gib=1.5, margin_gib=2
    ),
    explanation="it fits",
)
SETTLED = World(
    current=REVISION,
    serving=REVISION,
    model=MODEL,
    plan=PLAN,
    accelerator="1 x NVIDIA L4",
    url="http://mistral.team-a.svc/v1",
    deployments={REVISION: a_deployment()},
    pods=[a_ready_pod()],
)


def world(**changes: Any) -> World:
    return replace(SETTLED, **changes)


def failure(step: str, reason: Reason, *, stalled: bool) -> StepFailure:
    return StepFailure(step, reason, f"{reason.value} happened", stalled)


def conditions(status: GenerativeModelStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status.value, c.reason) for c in status.conditions}


def kstatus(model: GenerativeModel, status: GenerativeModelStatus) -> str:
    """The rules of kstatus for a custom resource, as published by cli-utils."""
    if status.observed_generation != model.metadata.generation:
        return "InProgress"
    found = {c.type: c.status for c in status.conditions}
    if found.get("Reconciling") is ConditionStatus.TRUE:
        return "InProgress"
    if found.get("Stalled") is ConditionStatus.TRUE:
        return "Failed"
    return "Current" if found.get("Ready") is ConditionStatus.TRUE else "InProgress"


CRASH = container("server", waiting={"reason": "CrashLoopBackOff"}, last=a_termination("BadEngineArgument", "no --x"))
OLD = "aaaaaaaaaa"


@pytest.mark.parametrize(
    ("spec", "seen", "want_ready", "want_available", "want_kstatus"),
    [
        pytest.param({}, world(), "Serving", "Serving", "Current", id="serving"),
        pytest.param(
            {},
            World(failures=[failure(RESOLVE, Reason.MODEL_NOT_FOUND, stalled=True)]),
            "ModelNotFound",
            "ModelNotFound",
            "Failed",
            id="model does not exist",
        ),
        pytest.param(
            {},
            World(failures=[failure(RESOLVE, Reason.HUB_UNREACHABLE, stalled=False)]),
            "HubUnreachable",
            "HubUnreachable",
            "InProgress",
            id="the Hub is down at the start",
        ),
        pytest.param(
            {},
            World(failures=[failure(SIZE, Reason.NO_FIT, stalled=True)]),
            "NoFit",
            "NoFit",
            "Failed",
            id="nothing fits",
        ),
        pytest.param(
            {},
            world(pods=[in_prepare(container("prepare", running={}))]),
            "Downloading",
            "Downloading",
            "InProgress",
            id="downloading",
        ),
        pytest.param(
            {}, world(pods=[in_server(CRASH)]), "BadEngineArgument", "BadEngineArgument", "Failed", id="crash loop"
        ),
        pytest.param({}, world(pods=[]), "PodsPending", "PodsPending", "InProgress", id="no pods yet"),
        pytest.param({"replicas": 0}, world(pods=[]), "Suspended", "Suspended", "Current", id="scaled to zero"),
        pytest.param({"suspend": True}, world(pods=[]), "Suspended", "Suspended", "Current", id="suspended"),
        pytest.param(
            {"replicas": 2},
            world(pods=[a_ready_pod("a"), in_server(container("server", running={}), "b")]),
            "Scaling",
            "Serving",
            "InProgress",
            id="one of two replicas answers",
        ),
        pytest.param(
            {},
            world(
                serving=OLD,
                pods=[a_ready_pod("o", revision=OLD), in_server(container("server", running={}))],
                deployments={OLD: a_deployment(), REVISION: a_deployment()},
            ),
            "RollingOut",
            "Serving",
            "InProgress",
            id="a new revision comes up while the old one serves",
        ),
        pytest.param(
            {},
            world(serving=OLD, pods=[a_ready_pod("o", revision=OLD), in_server(CRASH)]),
            "BadEngineArgument",
            "Serving",
            "Failed",
            id="a failing new revision leaves the old one serving and says so",
        ),
        pytest.param(
            {},
            world(
                current=None,
                serving=OLD,
                pods=[a_ready_pod("o", revision=OLD)],
                failures=[failure(RESOLVE, Reason.REVISION_NOT_FOUND, stalled=True)],
            ),
            "RevisionNotFound",
            "Serving",
            "Failed",
            id="an edit that cannot be resolved keeps the old revision serving",
        ),
        pytest.param({}, world(pods=[a_pod()]), "PodsPending", "PodsPending", "InProgress", id="waits for a node"),
    ],
)
def test_summary(spec: dict[str, Any], seen: World, want_ready: str, want_available: str, want_kstatus: str) -> None:
    model = a_model(**spec)
    status = summarise(model, seen, NOW)
    found = conditions(status)
    assert found["Ready"][1] == want_ready
    assert found["Available"][1] == want_available
    assert kstatus(model, status) == want_kstatus
    assert ("Stalled" in found, "Reconciling" in found) in {(False, False), (True, False), (False, True)}
    assert (found["Ready"][0] == "True") == (want_kstatus == "Current")


def test_columns_and_endpoint() -> None:
    status = summarise(a_model(), SETTLED, NOW)
    assert status.display is not None
    assert (status.display.commit, status.display.accelerator, status.display.replicas) == (
        "e0bc86c",
        "1 x NVIDIA L4",
        "1/1",
    )
    assert status.endpoint is not None
    assert (status.endpoint.url, status.endpoint.served_model_name) == ("http://mistral.team-a.svc/v1", "mistral")
    assert status.selector == (
        f"genmodel.dev/model=mistral,genmodel.dev/revision={REVISION},app.kubernetes.io/component=server"
    )


def test_transition_time_moves_only_with_the_status() -> None:
    before = summarise(a_model(), SETTLED, EARLIER)
    same = summarise(a_model(status=before.model_dump(by_alias=True)), SETTLED, NOW)
    assert same == before
    broken = summarise(a_model(status=before.model_dump(by_alias=True)), world(pods=[in_server(CRASH)]), NOW)
    times = {c.type: c.last_transition_time for c in broken.conditions}
    assert (times["Ready"], times["ModelResolved"]) == (NOW, EARLIER)


def test_a_lost_status_is_rebuilt_from_what_is_there() -> None:
    assert summarise(a_model(), SETTLED, NOW) == summarise(a_model(), SETTLED, NOW)


MEASURED = {"measured": {"weightsGiB": 13.4, "kvCacheGiB": 4.1, "kvTokens": 33000}, "engine": {"version": "0.32.0"}}


def test_what_a_pod_measured_is_kept_while_its_revision_serves() -> None:
    first = summarise(a_model(), world(runtimes={"mistral-a": MEASURED}), EARLIER)
    assert first.measured is not None
    assert (first.measured.weights_gib, first.measured.engine_version) == (13.4, "0.32.0")
    later = summarise(a_model(status=first.model_dump(by_alias=True)), SETTLED, NOW)
    assert later.measured == first.measured
    moved = summarise(a_model(status=first.model_dump(by_alias=True)), world(current=OLD, serving=OLD), NOW)
    assert moved.measured is None


def test_the_last_revision_that_answered_is_remembered() -> None:
    def answered(seen: World, before: GenerativeModelStatus | None = None) -> str | None:
        model = a_model(status=before.model_dump(by_alias=True)) if before else a_model()
        found = summarise(model, seen, NOW).revision
        assert found is not None
        return found.answered

    first = summarise(a_model(), SETTLED, EARLIER)
    assert answered(world(pods=[])) is None
    assert answered(SETTLED) == REVISION
    assert answered(world(pods=[]), first) == REVISION
    assert answered(world(current=OLD), first) == REVISION, "the new one is not ready yet"
    assert answered(world(current=OLD, pods=[a_ready_pod(), a_ready_pod("new", revision=OLD)]), first) == OLD


def test_download_shows_the_pod_that_has_least() -> None:
    pods = [in_prepare(container("prepare", running={}), name) for name in ("a", "b")]
    runtimes = {
        "a": {"download": {"bytesDone": 700, "bytesTotal": 1000}},
        "b": {"download": {"bytesDone": 300, "bytesTotal": 1000, "secondsLeft": 9}},
    }
    status = summarise(a_model(replicas=2), world(pods=pods, runtimes=runtimes), NOW)
    assert status.download is not None
    assert (status.download.bytes_done, status.download.seconds_left) == (300, 9)
    assert summarise(a_model(), SETTLED, NOW).download is None


def test_weights_ready_follows_the_prepare_containers() -> None:
    coming = summarise(a_model(), world(pods=[in_prepare(container("prepare", running={}))]), NOW)
    assert conditions(coming)["WeightsReady"] == ("False", "Downloading")
    assert conditions(summarise(a_model(), SETTLED, NOW))["WeightsReady"] == ("True", "WeightsReady")


def condition(kind: str, status: str, reason: str) -> Condition:
    return Condition(type=kind, status=ConditionStatus(status), last_transition_time=NOW, reason=reason, message=reason)


@pytest.mark.parametrize(
    ("before", "after", "want"),
    [
        pytest.param([], [("Ready", "False", "Loading")], ["Ready"], id="a new condition"),
        pytest.param([("Ready", "False", "Loading")], [("Ready", "False", "Loading")], [], id="nothing changed"),
        pytest.param(
            [("Ready", "False", "Loading")], [("Ready", "False", "WarmingUp")], ["Ready"], id="another reason"
        ),
        pytest.param(
            [("Ready", "False", "Loading"), ("Stalled", "True", "X")],
            [("Ready", "True", "Serving")],
            ["Ready"],
            id="status turned, another one left",
        ),
        pytest.param([], [("Stalled", "True", "NoFit"), ("Available", "False", "NoFit")], [], id="repeats of Ready"),
        pytest.param([], [("Ready", "False", "PodsPending")], [], id="the cluster tells it itself"),
        pytest.param(
            [],
            [("ModelResolved", "True", "Resolved"), ("Planned", "True", "Planned")],
            ["Planned"],
            id="resolved and planned at once are one",
        ),
        pytest.param(
            [("ModelResolved", "True", "Resolved")],
            [("ModelResolved", "True", "Resolved"), ("Planned", "True", "Planned")],
            ["Planned"],
            id="planned later",
        ),
        pytest.param(
            [],
            [("ModelResolved", "True", "Resolved"), ("Planned", "False", "NoFit")],
            ["ModelResolved", "Planned"],
            id="resolved, and no plan",
        ),
    ],
)
def test_eventful_conditions(before: list[Any], after: list[Any], want: list[str]) -> None:
    changed = eventful_conditions([condition(*found) for found in before], [condition(*found) for found in after])
    assert [found.type for found in changed] == want


def test_the_event_of_a_plan_tells_what_was_resolved_with_it() -> None:
    after = [condition("ModelResolved", "True", "Resolved"), condition("Planned", "True", "Planned")]
    (told,) = eventful_conditions([], after)
    assert (told.reason, told.message) == ("Planned", "Resolved; Planned")


@pytest.mark.parametrize(
    ("kind", "reason", "want"),
    [
        pytest.param("Ready", "PodsPending", True, id="made"),
        pytest.param("Ready", "Starting", True, id="placed"),
        pytest.param("Ready", "Unschedulable", False, id="not placed"),
        pytest.param("Ready", "Downloading", False, id="at work"),
        pytest.param("Available", "PodsPending", False, id="another condition"),
    ],
)
def test_is_told_by_the_cluster(kind: str, reason: str, want: bool) -> None:
    assert is_told_by_the_cluster([condition(kind, "False", reason)]) is want


@pytest.mark.parametrize(
    ("replicas", "want_ready", "want_available"),
    [
        pytest.param(1, "1 of 1 replicas answer", "1 of 1 replicas answer", id="scaled down to one"),
        pytest.param(3, "3 of 3 replicas answer", "3 of 3 replicas answer", id="all of three"),
        pytest.param(0, "no replicas are wanted", "3 of 3 replicas answer", id="none is wanted any more"),
    ],
)
def test_replicas_on_their_way_out_are_not_told_as_too_many(
    replicas: int, want_ready: str, want_available: str
) -> None:
    pods = [a_ready_pod(f"pod-{number}") for number in range(3)]
    status = summarise(a_model(replicas=replicas), world(pods=pods), NOW)
    told = {condition.type: condition.message for condition in status.conditions}
    assert told["Ready"].startswith(want_ready)
    assert told["Available"].startswith(want_available)


@pytest.mark.parametrize(
    ("counted", "want"),
    [
        pytest.param(1, 3, id="a Deployment that has not counted them yet"),
        pytest.param(3, 3, id="one that has"),
        pytest.param(4, 4, id="one pod more that does not answer yet"),
    ],
)
def test_an_autoscaler_never_sees_fewer_replicas_than_answer(counted: int, want: int) -> None:
    pods = [a_ready_pod(f"pod-{number}") for number in range(3)]
    deployments = {REVISION: a_deployment(replicas=counted)}
    status = summarise(a_model(replicas=4), world(pods=pods, deployments=deployments), NOW)
    assert (status.replicas, status.ready_replicas) == (want, 3)
