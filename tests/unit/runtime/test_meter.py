import pytest

from genmodel_runtime.meter import Meter
from genmodel_runtime.state import Download


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_known_before_bytes_come() -> None:
    assert Meter(total_bytes=1000, clock=Clock()).download() == Download(bytes_done=0, bytes_total=1000)


def test_what_was_there_counts_as_done_but_not_for_the_rate() -> None:
    clock = Clock()
    meter = Meter(total_bytes=1000, clock=clock)
    meter.count_present(500)
    clock.now += 10
    meter.count_received(100)

    assert meter.download() == Download(bytes_done=600, bytes_total=1000, bytes_per_second=10, seconds_left=40)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    meter = Meter(total_bytes=10_000, clock=clock)
    for size_bytes in [1000] * 5 + [10] * 40:
        clock.now += 1
        meter.count_received(size_bytes)

    assert meter.download().bytes_per_second == pytest.approx(10)


def test_a_standstill_lowers_the_rate() -> None:
    clock = Clock()
    meter = Meter(total_bytes=10_000, clock=clock)
    clock.now += 1
    meter.count_received(1000)
    clock.now += 9

    assert meter.download().bytes_per_second == pytest.approx(100)
    assert meter.seconds_without_progress() == 9
    meter.note_progress()
    assert meter.seconds_without_progress() == 0


@pytest.mark.parametrize(
    ("total_bytes", "want_left"),
    [pytest.param(10_000, None, id="nobody knows what is left"), pytest.param(1000, 0, id="but where all is there")],
)
def test_a_long_standstill_has_no_rate(total_bytes: int, want_left: float | None) -> None:
    clock = Clock()
    meter = Meter(total_bytes=total_bytes, clock=clock)
    clock.now += 1
    meter.count_received(1000)
    clock.now += 3600
    meter.note_progress()

    assert meter.download() == Download(1000, total_bytes, bytes_per_second=0, seconds_left=want_left)
    meter.count_received(500)
    assert meter.download().bytes_per_second is None
    clock.now += 1
    meter.count_received(500)
    assert meter.download().bytes_per_second == 1000


def test_a_restarted_file_is_taken_back() -> None:
    meter = Meter(total_bytes=100, clock=Clock())
    meter.count_received(60)
    meter.count_present(-60)

    assert meter.download().bytes_done == 0
    assert meter.received_bytes == 60


def test_time_left_is_never_negative() -> None:
    clock = Clock()
    meter = Meter(total_bytes=0, clock=clock)
    clock.now += 1
    meter.count_received(10)
    assert meter.download().seconds_left == 0
    meter.expect(20)

    assert meter.download() == Download(bytes_done=10, bytes_total=20, bytes_per_second=10, seconds_left=1)
