"""How often a child is written back, with a clock of the test's own."""

from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.controller.contest import (
    CALM_SECONDS,
    FIRST_DELAY_SECONDS,
    FREE_REPAIRS,
    LONGEST_DELAY_SECONDS,
    OVERRULED_SECONDS,
    Contests,
    fields_text,
    writers_text,
)
from genmodel_operator.kube.apply import Difference
from genmodel_operator.kube.kinds import DEPLOYMENT, SERVICE


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def child(replicas: int = 1, *, digest: str = "d1", name: str = "m") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "team-a", "annotations": {labels.DESIRED_HASH: digest}}
    return {"metadata": metadata, "spec": {"replicas": replicas}}


OURS, THEIRS = child(1), child(5)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def contests(clock: Clock) -> Contests:
    return Contests(clock=clock)


def written(contests: Contests, times: int, *, digest: str = "d1") -> None:
    for _ in range(times):
        contests.wrote(DEPLOYMENT, child(digest=digest), child(digest=digest))


def held(contests: Contests, wanted: dict[str, Any] = OURS) -> float:
    return contests.hold_seconds(DEPLOYMENT, wanted)


def test_the_first_write_and_some_repairs_are_made_at_once(contests: Contests) -> None:
    for _ in range(1 + FREE_REPAIRS):
        assert held(contests) == 0
        written(contests, 1)
    assert held(contests) == FIRST_DELAY_SECONDS


def test_then_each_waits_twice_as_long_up_to_a_limit(contests: Contests, clock: Clock) -> None:
    written(contests, 1 + FREE_REPAIRS)
    delays = []
    for _ in range(8):
        delays.append(held(contests))
        clock.seconds += delays[-1]
        assert held(contests) == 0
        written(contests, 1)
    assert delays == [10, 20, 40, 80, 160, 300, 300, 300]
    assert LONGEST_DELAY_SECONDS < CALM_SECONDS, "a contest that goes on is never forgotten"


def test_writes_per_minute_are_bounded_however_fast_the_other_one_is(contests: Contests, clock: Clock) -> None:
    count = 0
    for _ in range(600):
        if held(contests) == 0:
            written(contests, 1)
            count += 1
        clock.seconds += 0.1
    assert count <= 1 + FREE_REPAIRS + 3


def test_what_was_calm_for_long_is_put_back_at_once_again(contests: Contests, clock: Clock) -> None:
    written(contests, 2 + FREE_REPAIRS)
    clock.seconds += CALM_SECONDS
    assert held(contests) == 0
    written(contests, 1)
    assert held(contests) == 0


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(child(digest="d2"), id="something new is meant"),
        pytest.param(child(name="other"), id="another object"),
    ],
)
def test_other_writes_do_not_wait(contests: Contests, wanted: dict[str, Any]) -> None:
    written(contests, 2 + FREE_REPAIRS)
    assert held(contests) > 0
    assert held(contests, wanted) == 0


def test_another_kind_of_the_same_name_does_not_wait(contests: Contests) -> None:
    written(contests, 2 + FREE_REPAIRS)
    assert contests.hold_seconds(SERVICE, OURS) == 0


def test_what_we_delete_ourselves_is_no_contest(contests: Contests) -> None:
    written(contests, 2 + FREE_REPAIRS)
    contests.forget(DEPLOYMENT, OURS)
    assert held(contests) == 0


def test_what_admission_changes_is_not_written_again_until_it_looks_otherwise(contests: Contests, clock: Clock) -> None:
    assert contests.wrote(DEPLOYMENT, OURS, THEIRS) == (Difference("spec.replicas", 5),)
    assert contests.is_overruled(DEPLOYMENT, OURS, THEIRS)
    assert not contests.is_overruled(DEPLOYMENT, OURS, child(7))
    assert not contests.is_overruled(DEPLOYMENT, child(digest="d2"), THEIRS)
    clock.seconds += OVERRULED_SECONDS
    assert not contests.is_overruled(DEPLOYMENT, OURS, THEIRS), "it is tried again"


def test_what_came_back_as_written_is_not_overruled(contests: Contests) -> None:
    assert contests.wrote(DEPLOYMENT, OURS, OURS) == ()
    assert not contests.is_overruled(DEPLOYMENT, OURS, THEIRS)


def test_the_memory_is_bounded(contests: Contests) -> None:
    for number in range(5000):
        contests.wrote(DEPLOYMENT, child(name=f"m{number}"), child())
    assert len(contests._records) == 4096


@pytest.mark.parametrize(
    ("paths", "want"),
    [
        pytest.param([], "everything", id="the whole object"),
        pytest.param(["a"], "a", id="one"),
        pytest.param(["a", "b", "c"], "a, b and c", id="three"),
        pytest.param(list("abcdefg"), "a, b, c, d and 3 more", id="many"),
    ],
)
def test_fields_in_words(paths: list[str], want: str) -> None:
    assert fields_text([Difference(path, None) for path in paths]) == want


@pytest.mark.parametrize(
    ("managed", "want"),
    [
        pytest.param(None, "somebody else", id="nobody says"),
        pytest.param([{"manager": labels.FIELD_MANAGER}], "somebody else", id="only we"),
        pytest.param([{"manager": "kubectl-edit"}, {"manager": "kubectl-edit"}], "kubectl-edit", id="once"),
        pytest.param(
            [
                {"manager": "kube-controller-manager", "subresource": "status"},
                {"manager": "hpa", "subresource": "scale"},
            ],
            "hpa",
            id="through scale, not status",
        ),
    ],
)
def test_who_else_writes(managed: Any, want: str) -> None:
    assert writers_text({"metadata": {"managedFields": managed}}) == want
