"""In a rush the first status of a model waits a moment, where the next one replaces it soon."""

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


def a_status(reason: str) -> GenerativeModelStatus:
    ready = ConditionStatus.TRUE if reason == "Serving" else ConditionStatus.FALSE
    condition = Condition(
        type="Ready", status=ready, last_transition_time="2026-11-26T18:10:40Z", reason=reason, message=""
    )
    return GenerativeModelStatus(conditions=[condition])


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
        pytest.param(a_status("Serving"), a_status("PodsPending"), True, 0.0, id="not the first status"),
    ],
)
def test_the_first_status_waits_in_a_rush(
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


@pytest.mark.parametrize("ends", [StatusPace.wrote, StatusPace.forget], ids=["written", "forgotten"])
def test_what_waited_is_over_when_it_is(ends: Any) -> None:
    clock = Clock()
    pace = StatusPace(clock)
    pace.hold_seconds(KEY, EMPTY, a_status("PodsPending"), is_busy=True)
    ends(pace, KEY)
    clock.now += 60.0
    assert pace.hold_seconds(KEY, EMPTY, a_status("PodsPending"), is_busy=True) == HOLD_SECONDS
