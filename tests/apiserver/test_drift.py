"""A branch that moves, on a real control plane with the local Hub: Pinned says so, Follow goes along."""

from collections.abc import Iterator

import pytest

from tests.operator_world import OperatorWorld
from tests.rollout_world import pods_of, restarted, revision, uids

pytestmark = pytest.mark.apiserver

MODEL = "acme/tiny-llama"
OFTEN = {
    "HUB__PINNED_CHECK_SECONDS": "4",
    "HUB__FOLLOW_CHECK_SECONDS": "4",
    "HUB__BRANCH_CACHE_SECONDS": "0",
}


@pytest.fixture
def moving(world: OperatorWorld) -> Iterator[OperatorWorld]:
    """Yield the world with an operator that looks often, and put the branch back."""
    head = move(world, "main")
    with restarted(world, **OFTEN):
        yield world
    move(world, head)


def move(world: OperatorWorld, to: str) -> str:
    """Let main point to a tag or commit; return the commit."""
    return str(world.hub_post("/_move", repository=MODEL, revision=to)["sha"])


def commit(world: OperatorWorld, team: str) -> str:
    return str(world.get(team, "gm", "tiny")["status"]["model"]["commit"])


def drifted(world: OperatorWorld, team: str) -> str:
    return str(world.condition(team, "tiny", "Drifted").get("message", ""))


def test_pinned_stays_and_says_where_the_branch_went_until_it_comes_back(moving: OperatorWorld, team: str) -> None:
    moving.wish(team, "tiny", MODEL)
    moving.wait_for(team, "tiny", "Serving")
    pinned, current = commit(moving, team), revision(moving, team)["current"]
    before = uids(pods_of(moving, team, current))
    elsewhere = move(moving, "v1.0")
    assert elsewhere != pinned

    moving.until(lambda: elsewhere in drifted(moving, team), "the drift is said")

    said = drifted(moving, team)
    assert pinned in said
    assert "updatePolicy Follow" in said
    assert "Normal BranchMoved" in moving.describe(team, "tiny")
    assert moving.row(team, "tiny")["READY"] == "True"
    assert moving.get(team, "gm", "tiny")["status"]["upstream"]["commit"] == elsewhere
    assert (commit(moving, team), uids(pods_of(moving, team, current))) == (pinned, before)
    moving.until_quiet(quiet_seconds=10)

    moving.stop_operator()
    moving.start_operator()
    moving.until_quiet()
    assert drifted(moving, team) == said, "a restart forgets nothing"
    assert moving.written() == {}
    moving.stop_operator()
    moving.start_operator(settings=OFTEN)

    move(moving, pinned)
    moving.until(lambda: drifted(moving, team) == "", "it is gone when the branch is back")
    assert "upstream" not in moving.get(team, "gm", "tiny")["status"]
    assert uids(pods_of(moving, team, current)) == before


def test_moving_to_the_commit_ends_the_drift_and_a_commit_is_never_looked_at(moving: OperatorWorld, team: str) -> None:
    moving.wish(team, "tiny", MODEL)
    moving.wait_for(team, "tiny", "Serving")
    elsewhere = move(moving, "v1.0")
    moving.until(lambda: elsewhere in drifted(moving, team), "the drift is said")
    moving.wish(team, "tiny", MODEL, revision=elsewhere)
    moving.until(lambda: commit(moving, team) == elsewhere, "it rolls there")
    moving.wait_for(team, "tiny", "Serving")
    assert drifted(moving, team) == ""
    moving.hub_log()
    moving.until_quiet(quiet_seconds=10)
    assert [entry for entry in moving.hub_log() if MODEL in entry["path"]] == []


def test_follow_rolls_to_the_new_commit_and_back_with_the_branch(moving: OperatorWorld, team: str) -> None:
    moving.wish(team, "tiny", MODEL, updatePolicy="Follow")
    moving.wait_for(team, "tiny", "Serving")
    first, old = commit(moving, team), revision(moving, team)["current"]
    second = move(moving, "v1.0")

    moving.until(lambda: revision(moving, team).get("commit") == second, "the new commit serves")
    moving.wait_for(team, "tiny", "Serving")
    assert drifted(moving, team) == ""
    moving.until(lambda: pods_of(moving, team, old) == [], "the old pods are gone")
    moving.until_quiet(quiet_seconds=10)
    assert commit(moving, team) == second

    move(moving, first)
    moving.until(lambda: revision(moving, team).get("commit") == first, "it comes back with the branch")
    moving.wait_for(team, "tiny", "Serving")
    assert revision(moving, team)["current"] == old, "as the revision that was frozen then"
    moving.until_quiet(quiet_seconds=10)
    assert commit(moving, team) == first, "and stays"


def test_a_hub_that_is_down_changes_nothing(moving: OperatorWorld, team: str) -> None:
    moving.wish(team, "tiny", MODEL, updatePolicy="Follow")
    moving.wait_for(team, "tiny", "Serving")
    moving.until_quiet()
    version = moving.get(team, "gm", "tiny")["metadata"]["resourceVersion"]

    def failed() -> float:
        found = moving.samples("genmodel_branch_checks_total")
        return sum(one.value for one in found if one.labels["result"] == "failed")

    moving.hub_post("/_fault", match=f"^/api/models/{MODEL}", status=503, times=100000)
    try:
        moving.until(lambda: failed() >= 2, "two checks have failed")
    finally:
        moving.hub_post("/_clear")
    assert moving.get(team, "gm", "tiny")["metadata"]["resourceVersion"] == version, "not one write"
