"""The live view of a model's way up, on a terminal and where lines cannot be redrawn."""

import io
from collections.abc import Mapping
from itertools import chain, repeat
from typing import Any

import pytest
from rich.console import Console

from examples.demo.screen import DemoError, follow

MIB = 1024**2


def seen(reason: str, message: str, *, ready: str = "False", stalled: bool = False, done: int = 0) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "reason": reason, "message": message}]
    conditions += [{"type": "Stalled", "status": "True", "reason": reason}] if stalled else []
    download = {"download": {"bytesDone": done * MIB, "bytesTotal": 87 * MIB}} if done else {}
    return {"status": {"conditions": conditions, **download}}


LOADING = seen("Loading", "the engine loads the weights")
SERVING = seen("Serving", "1 of 1 replicas answer", ready="True")
WAY_UP = [
    {},
    seen("Downloading", "downloading the weights"),
    seen("Downloading", "downloading the weights", done=12),
    LOADING,
    LOADING,
    SERVING,
]


class Script:
    """Gives one status after the other, and notes what was on the screen when each was read."""

    def __init__(self, *statuses: Mapping[str, Any], on_terminal: bool = False) -> None:
        self.output = io.StringIO()
        self.screen = Console(
            file=self.output, force_terminal=on_terminal, width=120, soft_wrap=True, color_system=None
        )
        self.shown_before: list[str] = []
        self._statuses = chain(statuses, repeat(statuses[-1]))

    def read(self, name: str) -> Mapping[str, Any]:
        assert name == "tiny"
        self.shown_before.append(self.output.getvalue())
        return next(self._statuses)

    def follow(self, *, timeout_seconds: float = 60.0, line_seconds: float = 60.0) -> list[str]:
        follow(
            self.read,
            "tiny",
            timeout_seconds=timeout_seconds,
            screen=self.screen,
            poll_seconds=0,
            line_seconds=line_seconds,
        )
        return self.lines()

    def lines(self) -> list[str]:
        """Return what was printed, without the times."""
        return [line.partition(" s  ")[2].rstrip() or line for line in self.output.getvalue().splitlines()]


def test_each_stage_has_one_line() -> None:
    assert Script(*WAY_UP).follow() == [
        "Accepted                          waiting for the operator",
        "Downloading                       downloading the weights",
        "Loading                           the engine loads the weights",
        "Serving                           1 of 1 replicas answer",
        "tiny is Ready after 0 s",
    ]


def test_a_stage_is_on_the_screen_before_the_next_one_is_known() -> None:
    script = Script(*WAY_UP)
    script.follow()
    assert [text.count("\n") for text in script.shown_before] == [0, 1, 2, 2, 3, 3]


def test_what_changes_within_a_stage_is_told_now_and_then() -> None:
    lines = Script(*WAY_UP).follow(line_seconds=0)
    assert lines[1:4] == [
        "Downloading                       downloading the weights",
        "Downloading    12.0 / 87.0 MiB    downloading the weights",
        "Loading                           the engine loads the weights",
    ]
    # The engine loaded twice with nothing new to say.
    assert len(lines) == 6


def test_the_columns_of_a_line() -> None:
    script = Script(seen("Downloading", "downloading", done=3), SERVING)
    script.follow()
    assert script.output.getvalue().splitlines()[0] == "     0.0 s  Downloading    3.0 / 87.0 MiB     downloading"


def test_where_a_person_must_act_the_way_there_and_the_reason_are_told() -> None:
    gated = seen("ModelGated", "accept the licence", stalled=True)
    script = Script({}, gated)
    with pytest.raises(DemoError, match=r"^tiny: ModelGated: accept the licence$"):
        script.follow()
    assert [line.split()[0] for line in script.lines()] == ["Accepted", "ModelGated"]


def test_a_model_that_takes_too_long_is_given_up_with_what_it_waits_for() -> None:
    script = Script({}, LOADING)
    with pytest.raises(DemoError, match=r"tiny is not Ready after 0 s: .*the engine loads the weights"):
        script.follow(timeout_seconds=0.02)
    assert script.lines()[-1].startswith("Loading")


def test_a_terminal_has_a_table_with_one_row_a_stage() -> None:
    script = Script(*WAY_UP, on_terminal=True)
    script.follow()
    last = script.output.getvalue().rpartition("GenerativeModel tiny")[2]
    for stage in ("Accepted", "Downloading", "Loading", "Serving"):
        assert last.count(stage) == 1
    assert "12.0 / 87.0 MiB" in last
    assert last.rstrip().endswith("tiny is Ready after 0 s")


def test_words_of_the_cluster_are_no_markup() -> None:
    assert "[bold]not bold[/]" in Script(seen("Serving", "[bold]not bold[/]", ready="True")).follow()[0]
