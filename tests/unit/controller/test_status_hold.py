"""What the cluster tells itself waits a moment, where the next status replaces it soon."""

from typing import Any

import pytest

from genmodel_operator.api.v1alpha1 import Condition, ConditionStatus, GenerativeModelStatus
from genmodel_operator.controller.progress import HOLD_SECONDS, StatusPace
from genmodel_operator.controller.queue import Key

KEY = Key("team-a", "mistral")
EMPTY = GenerativeModelStatus()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_status(reason: str, *, message: str = "", **fields: Any) -> GenerativeModelStatus:
    ready = ConditionStatus.TRUE if reason == "Serving" else ConditionStatus.FALSE
    condition = Condition(
        type="Ready", status=ready, last_transition_time="2026-11-26T18:10:40Z", reason=reason, message=message
    )
    return GenerativeModelStatus(conditions=[condition], **fields)


@pytest.mark.parametrize(
    ("before", "after", "is_busy", "want"),
    [
        pytest.param(EMPTY, a_status("PodsPending"), True, HOLD_SECONDS, id="pods are made while others wait"),
        pytest.param(EMPTY, a_status("Starting"), True, HOLD_SECONDS, id="pods start while others wait"),
        pytest.param(EMPTY, a_status("PodsPending"), False, 0.0, id="nobody waits"),
        pytest.param(EMPTY, a_status("NoFit"), True, 0.0, id="a person must act"),
        pytest.param(EMPTY, a_status("Unschedulable"), True, 0.0, id="no node takes them"),
        pytest.param(EMPTY, a_status("Downloading"), True, 0.0, id="a pod is at work"),
        pytest.param(EMPTY, a_status("Serving"), True, 0.0, id="it serves"),
        pytest.param(a_status("Serving"), a_status("PodsPending"), True, 0.0, id="it served before"),
        pytest.param(
            a_status("PodsPending"), a_status("Starting"), False, HOLD_SECONDS, id="the same, a little further"
        ),
        pytest.param(a_status("Starting"), a_status("Serving"), False, 0.0, id="after that it serves"),
        pytest.param(a_status("PodsPending"), a_status("PodsPending"), False, 0.0, id="nothing to write"),
        pytest.param(
            a_status("PodsPending", observed_generation=1),
            a_status("Starting", observed_generation=2),
            False,
            0.0,
            id="another wish",
        ),
    ],
)
def test_what_the_cluster_tells_itself_waits(
    before: GenerativeModelStatus, after: GenerativeModelStatus, is_busy: bool, want: float
) -> None:
    assert StatusPace(Clock()).hold_seconds(KEY, before, after, is_busy=is_busy) == want


def test_it_waits_once_and_not_from_the_last_look() -> None:
    clock = Clock()
    pace = StatusPace(clock)

    def left() -> float:
        return pace.hold_seconds(KEY, EMPTY, a_status("PodsPending"), is_busy=True)

    assert left() == HOLD_SECONDS
    clock.now += 1.0
    assert left() == HOLD_SECONDS - 1.0
    clock.now += 1.0
    assert left() == 0.0


def test_a_wait_that_came_to_nothing_does_not_shorten_the_next() -> None:
    clock = Clock()
    pace = StatusPace(clock)
    pending, starting = a_status("PodsPending"), a_status("Starting")
    pace.hold_seconds(KEY, pending, starting, is_busy=False)
    pace.hold_seconds(KEY, pending, pending, is_busy=False)
    clock.now += 60.0
    assert pace.hold_seconds(KEY, pending, starting, is_busy=False) == HOLD_SECONDS


@pytest.mark.parametrize("ends", [StatusPace.wrote, StatusPace.forget], ids=["written", "forgotten"])
def test_what_waited_is_over_when_it_is(ends: Any) -> None:
    clock = Clock()
    pace = StatusPace(clock)
    pace.hold_seconds(KEY, EMPTY, a_status("PodsPending"), is_busy=True)
    ends(pace, KEY)
    clock.now += 60.0
    assert pace.hold_seconds(KEY, EMPTY, a_status("PodsPending"), is_busy=True) == HOLD_SECONDS
