import threading

import pytest

from genmodel_runtime.contract import ExitCode, Phase, RuntimeReason
from genmodel_runtime.meter import Meter
from genmodel_runtime.patience import Interrupted, Patience, pause_seconds
from genmodel_runtime.refusals import FetchFailed, TryAgain
from genmodel_runtime.state import RuntimeState
from genmodel_runtime.termination import Failure


@pytest.mark.parametrize(
    ("failures", "asked", "want_least", "want_most"),
    [
        pytest.param(1, None, 0.5, 1, id="first"),
        pytest.param(3, None, 2, 4, id="third"),
        pytest.param(50, None, 30, 60, id="never longer than the longest"),
        pytest.param(10**6, None, 30, 60, id="a million"),
        pytest.param(1, 55, 55, 56, id="what the Hub asked for and a little more"),
        pytest.param(1, 0, 0, 1, id="at once, with a little chance"),
    ],
)
def test_pauses(failures: int, asked: float | None, want_least: float, want_most: float) -> None:
    found = [pause_seconds(failures, first=1, longest=60, asked=asked) for _ in range(200)]

    assert want_least <= min(found)
    assert max(found) <= want_most
    assert len(set(found)) > 100


class Rig:
    """A patience whose clock the test moves, and which waits for nothing."""

    def __init__(self, *, patience_seconds: float = 100) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.state = RuntimeState(Phase.DOWNLOADING)
        self.meter = Meter(total_bytes=0, clock=lambda: self.now)
        self.stop = RecordingEvent(self)
        self.patience = Patience(
            meter=self.meter,
            state=self.state,
            stop=self.stop,
            patience_seconds=patience_seconds,
            first_pause_seconds=1,
            longest_pause_seconds=60,
            clock=lambda: self.now,
        )


class RecordingEvent(threading.Event):
    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self._rig = rig

    def wait(self, timeout: float | None = None) -> bool:
        self._rig.now += timeout or 0.0
        if timeout:
            self._rig.waits.append(timeout)
        return self.is_set()


def failing(rig: Rig, *errors: Exception, received_bytes: int = 0) -> object:
    left = list(errors)

    def action() -> str:
        if received_bytes:
            rig.meter.count_received(received_bytes)
        if left:
            raise left.pop(0)
        return "done"

    return rig.patience.run(action)


UNREACHABLE = TryAgain(RuntimeReason.HUB_UNREACHABLE, "no route")


def test_it_goes_on_until_it_works() -> None:
    rig = Rig()

    assert failing(rig, UNREACHABLE, UNREACHABLE, UNREACHABLE) == "done"
    assert len(rig.waits) == 3
    assert 0.5 <= rig.waits[0] <= 1 <= rig.waits[1] <= 2 <= rig.waits[2] <= 4
    assert rig.state.snapshot().failure is None


def test_progress_makes_the_pauses_short_again() -> None:
    rig = Rig()

    failing(rig, *[UNREACHABLE] * 6, received_bytes=1)

    assert max(rig.waits) <= 1


def test_it_gives_up_after_a_long_time_without_progress() -> None:
    rig = Rig(patience_seconds=10)

    with pytest.raises(FetchFailed) as caught:
        failing(rig, *[UNREACHABLE] * 50)

    assert caught.value.failure == Failure(RuntimeReason.HUB_UNREACHABLE, "no route", ExitCode.TEMPORARY)
    assert rig.now <= 10


def test_the_state_says_why_it_waits() -> None:
    rig = Rig()
    seen: list[Failure | None] = []

    def action() -> None:
        seen.append(rig.state.snapshot().failure)
        if len(seen) == 1:
            raise UNREACHABLE

    rig.patience.run(action)

    assert seen[0] is None
    assert seen[1] is not None
    assert (seen[1].reason, seen[1].message) == (RuntimeReason.HUB_UNREACHABLE, "no route")


def test_a_rate_limit_holds_for_every_thread() -> None:
    rig = Rig()
    limited = TryAgain(RuntimeReason.HUB_RATE_LIMITED, "slow down", after_seconds=50)
    stop_after = threading.Event()

    def refused() -> None:
        if not stop_after.is_set():
            stop_after.set()
            raise limited

    rig.patience.run(refused)
    assert rig.now >= 50
    rig.now = 10

    rig.patience.run(lambda: None)
    assert rig.now >= 50


def test_a_failure_elsewhere_breaks_the_wait() -> None:
    rig = Rig()
    rig.stop.set()

    with pytest.raises(Interrupted):
        failing(rig, UNREACHABLE)


def test_other_errors_are_not_endured() -> None:
    with pytest.raises(KeyError):
        failing(Rig(), KeyError("bug"))
