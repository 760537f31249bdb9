"""Each case of the rollout's decision, and what must hold in all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmodel_operator.controller.rollout import RolloutDecision, RolloutState, decide_rollout


def state(
    current: str | None, serving: str | None, ready: dict[str, int], *, wanted: int = 2, makes_room: bool = False
) -> RolloutState:
    return RolloutState(current, serving, wanted, ready, makes_room)


@pytest.mark.parametrize(
    ("found", "want"),
    [
        pytest.param(
            state("new", None, {}), RolloutDecision({"new": 2}, "new", frozenset()), id="first revision of a model"
        ),
        pytest.param(
            state("new", "new", {"new": 1}), RolloutDecision({"new": 2}, "new", frozenset()), id="scaling or coming up"
        ),
        pytest.param(
            state("new", "old", {"new": 0, "old": 2}),
            RolloutDecision({"new": 2, "old": 2}, "old", frozenset()),
            id="the old one serves while the new one comes up",
        ),
        pytest.param(
            state("new", "old", {"new": 2, "old": 2}),
            RolloutDecision({"new": 2, "old": 2}, "new", frozenset()),
            id="the new one is complete: the Service is switched, nothing is removed yet",
        ),
        pytest.param(
            state("new", "new", {"new": 2, "old": 2}),
            RolloutDecision({"new": 2}, "new", frozenset({"old"})),
            id="the switch was seen: the old one goes",
        ),
        pytest.param(
            state("new", "old", {"new": 0, "old": 2}, makes_room=True),
            RolloutDecision({"new": 2}, "new", frozenset({"old"})),
            id="the old one makes room: it is drained first",
        ),
        pytest.param(
            state("newest", "old", {"newest": 0, "new": 0, "old": 2}),
            RolloutDecision({"newest": 2, "old": 2}, "old", frozenset({"new"})),
            id="a revision that was overtaken goes at once",
        ),
        pytest.param(
            state("new", "old", {"new": 0}),
            RolloutDecision({"new": 2}, "new", frozenset()),
            id="the serving Deployment was deleted by hand",
        ),
        pytest.param(
            state("new", "old", {"new": 1, "old": 1}, wanted=0),
            RolloutDecision({"new": 0}, "new", frozenset({"old"})),
            id="suspended in the middle of a rollout",
        ),
        pytest.param(
            state(None, "old", {"old": 2}),
            RolloutDecision({"old": 2}, "old", frozenset()),
            id="the Hub refuses the new wish: what serves goes on",
        ),
        pytest.param(
            state(None, "old", {"old": 2}, wanted=0),
            RolloutDecision({"old": 0}, "old", frozenset()),
            id="suspended while the Hub is down",
        ),
        pytest.param(state(None, None, {}), RolloutDecision({}, None, frozenset()), id="nothing known, nothing runs"),
    ],
)
def test_decide_rollout(found: RolloutState, want: RolloutDecision) -> None:
    assert decide_rollout(found) == want


REVISIONS = st.sampled_from(["a", "b", "c"])


@st.composite
def states(draw: st.DrawFn) -> RolloutState:
    return RolloutState(
        current=draw(st.none() | REVISIONS),
        serving=draw(st.none() | REVISIONS),
        desired_replicas=draw(st.integers(0, 3)),
        ready=draw(st.dictionaries(REVISIONS, st.integers(0, 3))),
        makes_room=draw(st.booleans()),
    )


@given(states())
def test_nothing_is_both_run_and_removed_and_only_what_exists_is_removed(found: RolloutState) -> None:
    decision = decide_rollout(found)
    assert not decision.remove & set(decision.replicas)
    assert decision.remove <= set(found.ready)
    assert len(decision.replicas) <= 2


@given(states())
def test_the_service_is_never_switched_away_from_what_serves_to_something_incomplete(found: RolloutState) -> None:
    decision = decide_rollout(found)
    switched = found.serving is not None and decision.service != found.serving
    serves = found.ready.get(found.serving or "", 0) > 0
    if switched and serves and not found.makes_room:
        assert found.ready.get(decision.service or "", 0) >= found.desired_replicas


def after(found: RolloutState, decision: RolloutDecision) -> RolloutState:
    """The state once everything that was decided has come up."""
    return RolloutState(found.current, decision.service, found.desired_replicas, dict(decision.replicas))


@given(states())
def test_it_settles_within_three_decisions_on_the_current_revision_alone(found: RolloutState) -> None:
    reached = found
    for _ in range(3):
        reached = after(reached, decide_rollout(reached))
    settled = decide_rollout(reached)
    assert after(reached, settled) == reached
    if found.current is not None:
        assert settled == RolloutDecision({found.current: found.desired_replicas}, found.current, frozenset())
