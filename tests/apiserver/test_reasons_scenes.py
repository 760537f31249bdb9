"""Reasons that come and go on a real control plane, and a newcomer who breaks a model in ten ways."""

import pytest

from tests.operator_world import Object, OperatorWorld
from tests.situations.scenes import SCENES, TEN_WAYS, Scene, recovers, sees, wish_of

pytestmark = pytest.mark.apiserver


@pytest.mark.parametrize("scene", [pytest.param(found, id=found.id) for found in SCENES])
def test_scene(world: OperatorWorld, team: str, scene: Scene) -> None:
    scene.play(world, team)


def test_a_newcomer_who_breaks_a_model_in_ten_ways_is_told_each_time(world: OperatorWorld, team: str) -> None:
    """Every time in `kubectl get gm` and its message alone; in between the model serves."""
    wish: Object
    for reason, way_out, changes in TEN_WAYS:
        wish = wish_of(changes)
        world.wish(team, "m", **wish)
        row = sees(world, team, reason, way_out)
        assert row["READY"] == "False", reason
    assert len({reason for reason, _, _ in TEN_WAYS}) == 10
    world.wish(team, "m")
    recovers(world, team)
