import pytest

from genmodel_runtime.liveness import StallDetector
from genmodel_runtime.metrics import EngineSample

STALL_SECONDS = 120


def sample(running: int, step: int, waiting: int = 0) -> EngineSample:
    return EngineSample(running=running, waiting=waiting, signs=(step, 0.5))


def verdicts(*looks: tuple[float, int, int, int]) -> list[bool]:
    """Whether the engine counts as hung after each look: (seconds, running, under way in HTTP, step)."""
    detector = StallDetector(stall_seconds=STALL_SECONDS, now=0)
    return [
        bool(detector.observe(sample(running, step), under_way=under_way, now=now))
        for now, running, under_way, step in looks
    ]


@pytest.mark.parametrize(
    ("looks", "want"),
    [
        pytest.param([(5, 0, 0, 0), (1000, 0, 0, 0)], [False, False], id="idle for long"),
        pytest.param([(5, 1, 1, 7), (124, 1, 1, 7), (125, 1, 1, 7)], [False, False, True], id="running without a step"),
        pytest.param([(5, 1, 1, 7), (119, 1, 1, 8), (230, 1, 1, 9)], [False, False, False], id="slow but going on"),
        pytest.param([(5, 1, 1, 7), (100, 0, 0, 7), (190, 1, 1, 7)], [False, False, False], id="idle in between"),
        pytest.param([(500, 0, 0, 7), (505, 1, 1, 7), (615, 1, 1, 7)], [False] * 3, id="counts from the request"),
        pytest.param(
            [(5, 1, 1, 7), (60, 3, 3, 7), (126, 3, 3, 7)], [False, False, True], id="requests are no progress"
        ),
        pytest.param([(5, 1, 1, 7), (125, 1, 1, 0)], [False, False], id="counters began anew"),
        pytest.param([(5, 0, 0, 7), (9, 0, 1, 7), (125, 0, 4, 7)], [False, False, True], id="hung while it was idle"),
        pytest.param([(5, 1, 0, 7), (125, 1, 0, 7)], [False, True], id="clients have given up"),
    ],
)
def test_progress_decides(looks: list[tuple[float, int, int, int]], want: list[bool]) -> None:
    assert verdicts(*looks) == want


def test_requests_that_only_wait_count() -> None:
    detector = StallDetector(stall_seconds=STALL_SECONDS, now=0)
    assert not detector.observe(sample(0, 7, waiting=3), under_way=0, now=5)
    assert detector.observe(sample(0, 7, waiting=3), under_way=0, now=125)


def test_the_reason_has_the_numbers() -> None:
    detector = StallDetector(stall_seconds=STALL_SECONDS, now=0)
    detector.observe(sample(2, 1, waiting=5), under_way=9, now=10)

    assert detector.observe(sample(2, 1, waiting=5), under_way=9, now=140) == (
        "9 requests were waiting for the engine and it made no step for 130 s"
    )


@pytest.mark.parametrize(
    ("now", "want"),
    [
        pytest.param(64, 0, id="no doubt yet"),
        pytest.param(65, 60, id="half of the time"),
        pytest.param(115, 10, id="nearly all of it"),
        pytest.param(200, 0, id="too late for a proof"),
    ],
)
def test_the_time_for_a_proof(now: float, want: float) -> None:
    detector = StallDetector(stall_seconds=STALL_SECONDS, now=0)
    detector.observe(sample(1, 7), under_way=1, now=5)
    detector.observe(sample(1, 7), under_way=1, now=now)

    assert detector.seconds_for_proof(now=now) == want


def test_an_idle_engine_has_nothing_to_prove() -> None:
    detector = StallDetector(stall_seconds=STALL_SECONDS, now=0)
    detector.observe(sample(0, 7), under_way=0, now=5000)

    assert detector.seconds_for_proof(now=5000) == 0


@pytest.mark.parametrize(
    ("now", "want"),
    [
        pytest.param(119, "", id="short silence"),
        pytest.param(239, "", id="a busy engine answers late"),
        pytest.param(240, "the engine has not answered for 240 s", id="silence for twice the time"),
    ],
)
def test_silence(now: float, want: str) -> None:
    assert StallDetector(stall_seconds=STALL_SECONDS, now=0).observe_silence(now=now) == want


def test_an_answer_ends_a_silence() -> None:
    detector = StallDetector(stall_seconds=STALL_SECONDS, now=0)
    detector.observe(sample(0, 0), under_way=0, now=200)

    assert detector.observe_silence(now=300) == ""
