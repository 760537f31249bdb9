"""When branches are looked at, and what follows from where they point."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.api.v1alpha1 import UpdatePolicy
from genmodel_operator.controller.branches import Branches, Wish, check, follow, is_commit
from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.controller.queue import Key
from genmodel_operator.hub.client import HubError
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.kube.errors import NotFound
from genmodel_operator.resources.revision import Revision, freeze
from genmodel_operator.settings import HubSettings, Settings
from tests.builders import A_COMMIT, a_gpu_plan, a_model, some_facts
from tests.fakes.hub_testing import Clock

KEY = Key("team-a", "mistral")
WISH = Wish("http://hub", "org/name", "main")
PINNED, FOLLOW = UpdatePolicy.PINNED, UpdatePolicy.FOLLOW
SETTINGS = HubSettings(pinned_check_seconds=1000, follow_check_seconds=100)
MOVED = "b" * 40


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def branches(clock: Clock, counted: list[str] | None = None) -> Branches:
    return Branches(SETTINGS, count=(counted if counted is not None else []).append, clock=clock, random_between=middle)


@pytest.fixture
def clock() -> Clock:
    return Clock()


# -- the schedule


@pytest.mark.parametrize(
    ("policy", "want_seconds"),
    [pytest.param(PINNED, 500, id="pinned"), pytest.param(FOLLOW, 50, id="followed")],
)
def test_what_is_not_known_after_a_restart_is_spread_over_the_interval(
    clock: Clock, policy: UpdatePolicy, want_seconds: float
) -> None:
    assert branches(clock).seconds_left(KEY, WISH, policy) == want_seconds


def test_two_hundred_models_do_not_ask_at_once() -> None:
    found = Branches(HubSettings(), count=list[str]().append, clock=Clock())
    left = sorted(found.seconds_left(Key("n", str(index)), WISH, PINNED) for index in range(200))
    assert left[0] >= 0
    assert left[-1] <= HubSettings().pinned_check_seconds
    assert max(sum(start <= one < start + 60 for one in left) for start in left) < 10, "within one minute"


def test_it_is_asked_again_after_the_interval_whatever_came_of_it(clock: Clock) -> None:
    counted: list[str] = []
    found = branches(clock, counted)
    clock.now += 500 - found.seconds_left(KEY, WISH, PINNED) + 500
    assert found.seconds_left(KEY, WISH, PINNED) <= 0
    found.answered(KEY, A_COMMIT, A_COMMIT)
    assert found.seconds_left(KEY, WISH, PINNED) == pytest.approx(1000)
    found.failed(KEY)
    assert found.seconds_left(KEY, WISH, PINNED) == pytest.approx(1000)
    found.answered(KEY, MOVED, A_COMMIT)
    assert counted == ["unchanged", "failed", "moved"]


def test_a_failure_leaves_what_was_known(clock: Clock) -> None:
    found = branches(clock)
    found.seconds_left(KEY, WISH, PINNED)
    found.answered(KEY, MOVED, A_COMMIT)
    found.failed(KEY)
    assert found.commit(KEY, WISH) == MOVED


def test_who_begins_to_follow_does_not_wait(clock: Clock) -> None:
    found = branches(clock)
    found.seconds_left(KEY, WISH, PINNED)
    assert found.seconds_left(KEY, WISH, FOLLOW) == 0
    found.answered(KEY, A_COMMIT, A_COMMIT)
    assert found.seconds_left(KEY, WISH, FOLLOW) == pytest.approx(100)
    assert found.seconds_left(KEY, WISH, PINNED) == pytest.approx(1000)


def test_another_wish_was_resolved_just_now_and_knows_nothing_of_the_old_one(clock: Clock) -> None:
    found = branches(clock)
    found.seconds_left(KEY, WISH, PINNED)
    found.answered(KEY, MOVED, A_COMMIT)
    other = replace(WISH, revision="v1")
    assert found.seconds_left(KEY, other, PINNED) == pytest.approx(1000)
    assert found.commit(KEY, WISH) is None
    assert found.commit(KEY, other) is None


def test_a_refusal_is_forgotten_with_the_next_answer(clock: Clock) -> None:
    found = branches(clock)
    found.seconds_left(KEY, WISH, FOLLOW)
    found.refuse(KEY, MOVED, "too large")
    assert found.refusal(KEY, MOVED) == "too large"
    assert found.refusal(KEY, A_COMMIT) is None
    found.answered(KEY, MOVED, A_COMMIT)
    assert found.refusal(KEY, MOVED) is None


def test_a_model_that_is_gone_is_forgotten(clock: Clock) -> None:
    found = branches(clock)
    found.seconds_left(KEY, WISH, PINNED)
    found.answered(KEY, MOVED, A_COMMIT)
    found.forget(KEY)
    found.forget(KEY)
    assert found.commit(KEY, WISH) is None


@pytest.mark.parametrize(
    ("revision", "want"),
    [
        pytest.param("main", False, id="a branch"),
        pytest.param("v0.3", False, id="a tag"),
        pytest.param(A_COMMIT, True, id="a commit"),
        pytest.param(A_COMMIT[:10], False, id="a short commit"),
        pytest.param("g" * 40, False, id="forty letters"),
    ],
)
def test_only_a_whole_commit_never_moves(revision: str, want: bool) -> None:
    assert is_commit(revision) == want


# -- the steps


class Hub:
    """Answers where the branch points and what a commit holds, or raises."""

    def __init__(self, points_to: str | Exception, facts: Any = None) -> None:
        self.points_to = points_to
        self.facts = facts
        self.asked: list[str] = []

    async def commit_of(self, repository: str, revision: str, **_: Any) -> str:
        self.asked.append(f"{repository}@{revision}")
        if isinstance(self.points_to, Exception):
            raise self.points_to
        return self.points_to

    async def resolve(self, _repository: str, revision: str, **_: Any) -> Any:
        if isinstance(self.facts, Exception):
            raise self.facts
        return replace(self.facts, commit=revision)


class Client:
    """Knows no Secret."""

    async def get(self, *_: Any) -> Any:
        raise NotFound("none")


UNREACHABLE = HubError(Reason.HUB_UNREACHABLE, endpoint="http://hub", detail="down")


def frozen(commit: str = A_COMMIT, number: int = 1, **spec: Any) -> Revision:
    model = a_model(**spec)
    return freeze(model, some_facts(commit=commit), ServedTask.GENERATE, a_gpu_plan(), Settings(), number=number)


def a_context(hub: Hub, known: Branches, *revisions: Revision, status: Any = None, **spec: Any) -> Context:
    tools = Tools(
        client=Client(),  # type: ignore[arg-type]
        hub=hub,  # type: ignore[arg-type]
        cache=None,  # type: ignore[arg-type]
        inventory=None,  # type: ignore[arg-type]
        runtimes=None,  # type: ignore[arg-type]
        settings=Settings(hub=SETTINGS),
        now=str,
        branches=known,
    )
    ctx = Context(tools=tools, model=a_model(status=status, **spec), resync=False, revisions=list(revisions))
    ctx.commit, ctx.current = A_COMMIT, next((r for r in revisions if r.model.commit == A_COMMIT), None)
    return ctx


def due(clock: Clock) -> Branches:
    """A schedule on which the next check is due."""
    return Branches(SETTINGS, count=list[str]().append, clock=clock, random_between=lambda low, _high: low)


async def test_a_branch_that_moved_is_said_with_both_commits_and_the_ways_out(clock: Clock) -> None:
    hub = Hub(MOVED)
    ctx = a_context(hub, due(clock), frozen())
    await check(ctx)
    assert hub.asked == ["mistralai/Mistral-7B-Instruct-v0.3@main"]
    (notice,) = ctx.notices
    assert (notice.type, notice.reason) == ("Drifted", Reason.BRANCH_MOVED)
    for word in (A_COMMIT, MOVED, "spec.revision", "updatePolicy Follow"):
        assert word in notice.message
    assert ctx.upstream is not None
    assert ctx.upstream.commit == MOVED
    assert ctx.after_seconds == pytest.approx(900)


async def test_a_branch_that_stays_says_nothing(clock: Clock) -> None:
    ctx = a_context(Hub(A_COMMIT), due(clock), frozen())
    await check(ctx)
    assert (ctx.notices, ctx.upstream) == ([], None)


@pytest.mark.parametrize(
    "problem",
    [pytest.param(UNREACHABLE, id="the Hub is down"), pytest.param(TimeoutError(), id="no answer in time")],
)
async def test_a_check_that_fails_changes_nothing(clock: Clock, problem: Exception) -> None:
    ctx = a_context(Hub(problem), due(clock), frozen())
    await check(ctx)
    assert (ctx.notices, ctx.upstream, ctx.failures, ctx.retry) == ([], None, [], False)


async def test_a_failed_check_leaves_what_is_known_to_have_drifted(clock: Clock) -> None:
    status = {"upstream": {"repository": "mistralai/Mistral-7B-Instruct-v0.3", "revision": "main", "commit": MOVED}}
    ctx = a_context(Hub(UNREACHABLE), due(clock), frozen(), status=status)
    await check(ctx)
    assert [notice.type for notice in ctx.notices] == ["Drifted"]


@pytest.mark.parametrize(
    ("upstream", "spec"),
    [
        pytest.param({"revision": "v1"}, {}, id="of another branch"),
        pytest.param({"repository": "org/other"}, {}, id="of another repository"),
        pytest.param({}, {"revision": A_COMMIT}, id="the user wishes a commit now"),
    ],
)
async def test_a_status_of_another_wish_says_nothing(
    clock: Clock, upstream: dict[str, str], spec: dict[str, str]
) -> None:
    told = {"repository": "mistralai/Mistral-7B-Instruct-v0.3", "revision": "main", "commit": MOVED} | upstream
    hub = Hub(A_COMMIT)
    ctx = a_context(hub, branches(clock), frozen(), status={"upstream": told}, **spec)
    await check(ctx)
    assert (ctx.notices, hub.asked) == ([], [])


async def test_a_whole_commit_is_never_looked_at(clock: Clock) -> None:
    hub = Hub(MOVED)
    ctx = a_context(hub, due(clock), frozen(), revision=A_COMMIT)
    await check(ctx)
    assert (hub.asked, ctx.after_seconds) == ([], None)


async def test_a_model_that_follows_goes_to_what_the_branch_points_to(clock: Clock) -> None:
    known = due(clock)
    ctx = a_context(Hub(MOVED), known, frozen(), updatePolicy="Follow")
    await check(ctx)
    assert ctx.after_seconds == 0, "in a run of its own"
    there = frozen(MOVED, number=7)
    again = a_context(Hub(MOVED), known, there, frozen(), updatePolicy="Follow")
    await follow(again)
    assert (again.commit, again.current and again.current.id) == (MOVED, there.id)
    assert again.current is not None
    assert again.current.number == 8, "the newest revision tells what the branch is pinned to"


async def test_a_pinned_model_stays(clock: Clock) -> None:
    known = due(clock)
    await check(a_context(Hub(MOVED), known, frozen()))
    again = a_context(Hub(MOVED), known, frozen())
    await follow(again)
    assert again.commit == A_COMMIT


async def test_a_commit_that_cannot_be_served_is_not_followed_and_said(clock: Clock) -> None:
    known, hub = due(clock), Hub(MOVED, facts=UNREACHABLE)
    ctx = a_context(hub, known, frozen(), updatePolicy="Follow")
    await check(ctx)
    again = a_context(hub, known, frozen(), updatePolicy="Follow")
    pinned = again.current
    await follow(again)
    assert (again.commit, again.current, again.failures) == (A_COMMIT, pinned, [])
    await check(again)
    (notice,) = again.notices
    assert (notice.type, notice.reason) == ("Drifted", Reason.FOLLOWING_FAILED)
    assert "http://hub cannot be reached" in notice.message
    assert again.after_seconds is not None
    assert again.after_seconds > 0, "it is not tried without end"
