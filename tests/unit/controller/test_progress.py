"""When a status is written: at once for news, each 10 s or 5 % for what only moves on."""

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.api.v1alpha1 import Condition, ConditionStatus, DownloadStatus, GenerativeModelStatus
from genmodel_operator.controller.progress import StatusPace
from genmodel_operator.controller.queue import Key

KEY = Key("team-a", "mistral")


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def a_status(
    reason: Reason, message: str = "", *, bytes_done: int | None = None, ready: int = 0
) -> GenerativeModelStatus:
    ready_condition = Condition(
        type="Ready",
        status=ConditionStatus.FALSE,
        last_transition_time="2026-11-26T10:00:00Z",
        reason=reason.value,
        message=message,
    )
    download = None if bytes_done is None else DownloadStatus(bytes_done=bytes_done, bytes_total=1000)
    return GenerativeModelStatus(conditions=[ready_condition], download=download, ready_replicas=ready)


R = Reason


@pytest.mark.parametrize(
    ("before", "after", "want"),
    [
        pytest.param(a_status(R.LOADING), a_status(R.LOADING), False, id="nothing new"),
        pytest.param(a_status(R.LOADING), a_status(R.COMPILING), True, id="another reason"),
        pytest.param(a_status(R.LOADING, "x"), a_status(R.LOADING, "y"), True, id="other words about loading"),
        pytest.param(a_status(R.UNSCHEDULABLE, "of 3"), a_status(R.UNSCHEDULABLE, "of 4"), False, id="counts of nodes"),
        pytest.param(a_status(R.UNSCHEDULABLE), a_status(R.WAITING_FOR_NODE), True, id="a node is coming"),
        pytest.param(a_status(R.SCALING, "1"), a_status(R.SCALING, "2", ready=1), True, id="another pod answers"),
        pytest.param(a_status(R.ROLLING_OUT, "8 %"), a_status(R.ROLLING_OUT, "9 %"), False, id="a successor loads"),
        pytest.param(
            a_status(R.DOWNLOADING, bytes_done=100), a_status(R.DOWNLOADING, bytes_done=149), False, id="below 5 %"
        ),
        pytest.param(a_status(R.DOWNLOADING, bytes_done=100), a_status(R.DOWNLOADING, bytes_done=150), True, id="5 %"),
        pytest.param(a_status(R.DOWNLOADING), a_status(R.DOWNLOADING, bytes_done=1), True, id="the first bytes"),
    ],
)  # fmt: skip
def test_what_is_written_a_moment_after_the_last_write(
    before: GenerativeModelStatus, after: GenerativeModelStatus, want: bool
) -> None:
    clock = Clock()
    pace = StatusPace(clock)
    pace.wrote(KEY)
    clock.seconds += 2
    assert pace.is_due(KEY, before, after) is want


def test_what_was_held_back_is_written_after_ten_seconds() -> None:
    clock = Clock()
    pace = StatusPace(clock)
    before, after = a_status(R.UNSCHEDULABLE, "of 3"), a_status(R.UNSCHEDULABLE, "of 4")
    assert pace.is_due(KEY, before, after), "a process that has just started does not know of the last write"
    pace.wrote(KEY)
    clock.seconds += 9.9
    assert not pace.is_due(KEY, before, after)
    clock.seconds += 0.1
    assert pace.is_due(KEY, before, after)
    pace.wrote(KEY)
    pace.forget(KEY)
    assert pace.is_due(KEY, before, after)
