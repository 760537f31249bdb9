import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.live import Appended, Frame, Redrawn, watch
from genmodel_operator.cli.verdict import Download, State, Verdict

LOADING = Verdict(State.WORKING, "Downloading", "downloading")
SERVING = Verdict(State.READY, "Serving", "answers")
STUCK = Verdict(State.STALLED, "ModelGated", "accept it")


def frame(*lines: str, downloads: dict[str, Download] | None = None, **verdicts: Verdict) -> Frame:
    return Frame(lines, verdicts, downloads or {})


class Kept:
    """A display that keeps what it was shown."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def show(self, frame: Frame, _elapsed_seconds: float) -> None:
        self.frames.append(frame)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


async def watched(
    frames: Sequence[Frame], *, timeout_seconds: float | None = None, fail_fast: bool = False
) -> tuple[str | None, int]:
    """How a watch of these frames, of which the last one stays, ended and how many it showed."""
    display, left = Kept(), list(frames)

    async def look() -> Frame:
        return left.pop(0) if len(left) > 1 else left[0]

    problem = await watch(
        look, display, timeout_seconds=timeout_seconds, fail_fast=fail_fast, clock=Clock(), poll_seconds=0
    )
    return problem, len(display.frames)


@pytest.mark.parametrize(
    ("frames", "limits", "want"),
    [
        pytest.param([frame(m=SERVING)], {}, (None, 1), id="ready at once"),
        pytest.param([frame(m=LOADING), frame(m=STUCK), frame(m=SERVING)], {}, (None, 3), id="ready in the end"),
        pytest.param(
            [frame(m=LOADING, n=SERVING), frame(m=SERVING, n=SERVING)], {}, (None, 2), id="all of several are ready"
        ),
        pytest.param(
            [frame(m=LOADING, n=SERVING)],
            {"timeout_seconds": 3},
            ("not Ready after 3 s: m", 3),
            id="one is not in time",
        ),
        pytest.param([frame()], {"timeout_seconds": 1}, ("not Ready after 1 s: there is no model", 1), id="none"),
        pytest.param(
            [frame(m=LOADING), frame(m=STUCK)],
            {"fail_fast": True},
            ("m: ModelGated: a person must act", 2),
            id="stuck, and nobody waits",
        ),
    ],
)
async def test_how_a_watch_ends(frames: list[Frame], limits: dict[str, float], want: tuple[str | None, int]) -> None:
    assert await watched(frames, **limits) == want  # type: ignore[arg-type]


UNANSWERED = CommandError("the cluster cannot be asked", exit_code=1)
GONE = CommandError("there is no such model")


def looking(*answers: Frame | CommandError) -> Callable[[], Awaitable[Frame]]:
    """What is seen, one after the other."""
    left = list(answers)

    async def look() -> Frame:
        answer = left.pop(0)
        if isinstance(answer, CommandError):
            raise answer
        return answer

    return look


async def test_a_cluster_that_stops_to_answer_is_waited_for() -> None:
    display = Kept()
    look = looking(frame("line", m=LOADING), UNANSWERED, frame(m=SERVING))
    assert await watch(look, display, clock=Clock(), poll_seconds=0) is None
    assert [one.problem for one in display.frames] == [None, "the cluster cannot be asked", None]
    assert display.frames[1].lines == ("line",), "what was seen last stays"


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([UNANSWERED], id="it never answered"),
        pytest.param([frame(m=LOADING), GONE], id="the model is gone"),
    ],
)
async def test_what_no_time_mends_ends_a_watch(answers: list[Frame | CommandError]) -> None:
    with pytest.raises(CommandError):
        await watch(looking(*answers), Kept(), clock=Clock(), poll_seconds=0)


def test_a_problem_is_a_line() -> None:
    troubled = replace(frame(m=LOADING), problem="no answer")
    assert appended(frame(m=LOADING), troubled, troubled, frame(m=LOADING), troubled)[1:] == [
        "     1.0 s  no answer",
        "     4.0 s  no answer",
    ]


def appended(*frames: Frame) -> list[str]:
    stream = io.StringIO()
    display = Appended(stream)
    for number, one in enumerate(frames):
        display.show(one, float(number))
    return stream.getvalue().splitlines()


def test_where_output_is_no_terminal_only_changes_make_a_line() -> None:
    assert appended(frame(m=LOADING), frame(m=LOADING), frame(m=SERVING)) == [
        "     0.0 s  Downloading     downloading",
        "     2.0 s  Serving         answers",
    ]


def test_a_download_makes_a_line_for_each_tenth() -> None:
    frames = [frame(m=LOADING, downloads={"m": Download(done, 1000)}) for done in range(0, 1001, 10)]
    assert len(appended(*frames)) == 11


def test_several_models_are_named() -> None:
    assert appended(frame(a=LOADING, b=SERVING)) == [
        "     0.0 s  a  Downloading     downloading",
        "     0.0 s  b  Serving         answers",
    ]


def test_a_terminal_is_drawn_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setenv("LINES", "5")
    stream = io.StringIO()
    display = Redrawn(stream)
    display.show(frame("one", "a line of 21 columns!"), 0)
    display.show(frame("two"), 1)
    display.show(replace(frame("three"), problem="a long problem"), 2)
    assert stream.getvalue() == (
        "one\033[K\na line of 21 columns!\033[K\n\033[J"
        "\033[4A\rtwo\033[K\n\033[J"
        "\033[1A\rthree\033[K\n  a long…\033[K\n\033[J"
    )
