"""A branch that is followed and moves to a commit that cannot be served: said, and what serves stays."""

import pytest

from tests.operator_world import OperatorWorld
from tests.rollout_world import restarted

pytestmark = pytest.mark.apiserver

MODEL = "acme/turns-bad"
OFTEN = {"HUB__PINNED_CHECK_SECONDS": "4", "HUB__FOLLOW_CHECK_SECONDS": "4", "HUB__BRANCH_CACHE_SECONDS": "0"}


def test_a_branch_that_moves_to_what_cannot_be_served(world: OperatorWorld, team: str) -> None:
    bad = str(world.hub_post("/_move", repository=MODEL, revision="main")["sha"])
    good = str(world.hub_post("/_move", repository=MODEL, revision="v1.0")["sha"])
    with restarted(world, **OFTEN):
        world.wish(team, "m", MODEL, updatePolicy="Follow")
        world.wait_for(team, "m", "Serving")
        world.hub_post("/_move", repository=MODEL, revision=bad)

        world.until(lambda: world.condition(team, "m", "Drifted").get("reason") == "FollowingFailed", "it is said")

        said = world.condition(team, "m", "Drifted")["message"]
        assert f"has moved to {bad}, which cannot be served, so {good} stays" in said
        assert "FooForCausalLM" in said
        assert f"set spec.revision to {good} to stay with it" in said
        world.until(lambda: "FollowingFailed" in {e["reason"] for e in world.events(team, "m")}, "an Event tells")
        assert world.row(team, "m")["REASON"] == "Serving"
        world.hub_post("/_move", repository=MODEL, revision=good)
        world.until(lambda: world.condition(team, "m", "Drifted") == {}, "it is forgotten when the branch is back")
        world.hub_post("/_move", repository=MODEL, revision=bad)
