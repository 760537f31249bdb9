"""What status says while one revision takes the place of another, and of what is only true for a while."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.api.v1alpha1 import Condition, ConditionType, UpstreamStatus
from genmodel_operator.eventful import eventful_conditions
from genmodel_operator.status import APPLY, RESOLVE, Notice, StepFailure, World, summarise
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

NOW = "2026-05-01T10:00:00Z"
OLD = "aaaaaaaaaa"
UNPLACED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
}
CRASHED = in_server(
    container("server", waiting={"reason": "CrashLoopBackOff"}, last=a_termination("BadEngineArgument", "no --x"))
)
ROLLING = World(
    current=REVISION,
    serving=OLD,
    url="http://mistral.team-a.svc/v1",
    deployments={REVISION: a_deployment(), OLD: a_deployment()},
    pods=[a_ready_pod("old", revision=OLD)],
)


def rolling(*pods: dict[str, Any], **changes: Any) -> World:
    return replace(ROLLING, pods=[*ROLLING.pods, *pods], **changes)


def found(world: World, kind: str = "Ready") -> Condition | None:
    status = summarise(a_model(), world, NOW)
    return next((condition for condition in status.conditions if condition.type == kind), None)


@pytest.mark.parametrize(
    ("world", "want_reason", "want_words"),
    [
        pytest.param(
            rolling(in_prepare(container("prepare", running={}))),
            "RollingOut",
            f"revision {REVISION} comes up while {OLD} serves: downloading",
            id="coming up beside the old one",
        ),
        pytest.param(rolling(CRASHED), "BadEngineArgument", f"; revision {OLD} serves on", id="crashing"),
        pytest.param(
            rolling(
                in_server(container("server", waiting={"reason": "ImagePullBackOff", "message": "no such image"})),
            ),
            "ImagePullFailed",
            f"; revision {OLD} serves on",
            id="no image",
        ),
        pytest.param(
            rolling(a_pod(conditions=[UNPLACED])),
            "Unschedulable",
            f"; revision {OLD} serves on",
            id="no room, and stopping the old one would not help",
        ),
        pytest.param(
            rolling(a_pod(conditions=[UNPLACED]), drain_at="2026-05-01T10:02:00Z"),
            "MakingRoom",
            f"finds no room beside {OLD}, which is stopped at 2026-05-01T10:02:00Z to make room, and nothing answers "
            f"from then until {REVISION} does: no node takes the pod: of 1 node: 1 Insufficient nvidia.com/gpu",
            id="no room, and the old one makes it",
        ),
        pytest.param(
            rolling(current=None, failures=[StepFailure(RESOLVE, Reason.MODEL_NOT_FOUND, "gone", stalled=True)]),
            "ModelNotFound",
            f"gone; revision {OLD} serves on",
            id="a wish that the Hub refuses",
        ),
        pytest.param(
            rolling(current=None, failures=[StepFailure(APPLY, Reason.POD_TEMPLATE_REFUSED, "bad", stalled=True)]),
            "PodTemplateRefused",
            f"bad; revision {OLD} serves on",
            id="a wish that the API server refuses",
        ),
    ],
)
def test_the_old_one_is_named_while_it_answers(world: World, want_reason: str, want_words: str) -> None:
    ready = found(world)
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", want_reason)
    assert want_words in ready.message


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(replace(ROLLING, pods=[CRASHED]), id="the old one does not answer"),
        pytest.param(replace(ROLLING, serving=REVISION, pods=[CRASHED]), id="there is no old one"),
        pytest.param(replace(ROLLING, serving=None, pods=[CRASHED]), id="there is no Service"),
    ],
)
def test_nobody_serves_on_where_nobody_answers(world: World) -> None:
    ready = found(world)
    assert ready is not None
    assert "serves on" not in ready.message


def test_the_commit_is_that_of_the_revision_that_the_service_selects() -> None:
    status = summarise(a_model(), replace(ROLLING, serving_commit=COMMIT), NOW)
    assert status.revision is not None
    assert (status.revision.serving, status.revision.commit) == (OLD, COMMIT)


DRIFTED = Notice(ConditionType.DRIFTED, Reason.BRANCH_MOVED, "it moved")
UPDATE = Notice(ConditionType.UPDATE_AVAILABLE, Reason.NEWER_ENGINE, "vllm:9")
SERVING = replace(ROLLING, serving=REVISION, pods=[a_ready_pod()])


@pytest.mark.parametrize("notice", [DRIFTED, UPDATE], ids=lambda notice: notice.type.value)
def test_a_notice_is_a_condition_beside_ready_and_is_told_once(notice: Notice) -> None:
    before = summarise(a_model(), SERVING, NOW)
    after = summarise(a_model(), replace(SERVING, notices=[notice]), NOW)
    ready = next(condition for condition in after.conditions if condition.type == "Ready")
    assert ready.status == "True"
    said = found(replace(SERVING, notices=[notice]), notice.type)
    assert said is not None
    assert (said.status, said.reason, said.message) == ("True", notice.reason, notice.message)
    told = eventful_conditions(before.conditions, after.conditions)
    assert [condition.type for condition in told] == [notice.type]
    assert eventful_conditions(after.conditions, after.conditions) == []
    assert found(SERVING, notice.type) is None, "only while it is true"


def test_where_the_branch_points_stays_in_status() -> None:
    upstream = UpstreamStatus(repository="org/name", revision="main", commit="b" * 40)
    assert summarise(a_model(), replace(SERVING, upstream=upstream), NOW).upstream == upstream
