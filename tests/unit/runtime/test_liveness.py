import pytest

from genmodel_runtime.liveness import StallDetector
from genmodel_runtime.metrics import EngineSample

STALL_SECONDS = 120


def verdicts(*looks: tuple[float, int, int]) -> list[bool]:
    """Whether the engine counts as hung after each look: (seconds, running, iterations)."""
    detector = StallDetector(stall_seconds=STALL_SECONDS, now=0)
    return [
        bool(detector.observe(EngineSample(running=running, waiting=0, iterations=iterations), now=now))
        for now, running, iterations in looks
    ]


@pytest.mark.parametrize(
    ("looks", "want"),
    [
        pytest.param([(5, 0, 0), (1000, 0, 0)], [False, False], id="idle for long"),
        pytest.param([(5, 1, 7), (124, 1, 7), (125, 1, 7)], [False, False, True], id="running without a step"),
        pytest.param([(5, 1, 7), (119, 1, 8), (230, 1, 9)], [False, False, False], id="slow but going on"),
        pytest.param([(5, 1, 7), (100, 0, 7), (190, 1, 7)], [False, False, False], id="idle in between"),
        pytest.param([(500, 0, 7), (505, 1, 7), (615, 1, 7)], [False, False, False], id="counts from the request"),
        pytest.param([(5, 1, 7), (60, 3, 7), (126, 3, 7)], [False, False, True], id="more requests are no progress"),
        pytest.param([(5, 1, 7), (125, 1, 0)], [False, False], id="counters began anew"),
    ],
)
def test_progress_decides(looks: list[tuple[float, int, int]], want: list[bool]) -> None:
    assert verdicts(*looks) == want


def test_the_reason_has_the_numbers() -> None:
    detector = StallDetector(stall_seconds=STALL_SECONDS, now=0)
    detector.observe(EngineSample(running=2, waiting=5, iterations=1), now=10)

    assert detector.observe(EngineSample(running=2, waiting=5, iterations=1), now=140) == (
        "2 requests were running and the engine made no step for 130 s"
    )


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
    detector.observe(EngineSample(running=0, waiting=0, iterations=0), now=200)

    assert detector.observe_silence(now=300) == ""
