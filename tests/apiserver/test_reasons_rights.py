"""The operator with the chart's rights: what it may not do it says, and it needs no more to explain a pod."""

from collections.abc import Iterator

import pytest

from genmodel_operator.api.reasons import Reason
from tests.fakes.hand_node import post_event
from tests.operator_world import OperatorWorld
from tests.situations.rights import Rights, operator_with_chart_rights
from tests.situations.scenes import L4, TOO_MANY, is_told, recovers, sees, unplaced_pod

pytestmark = pytest.mark.apiserver


@pytest.fixture(scope="module")
def rights(world: OperatorWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rights]:
    with operator_with_chart_rights(world, tmp_path_factory.mktemp("rights")) as found:
        yield found


def test_a_right_that_is_missing_is_named(world: OperatorWorld, team: str, rights: Rights) -> None:
    rights.without("create", "services")
    try:
        world.wish(team, "m")
        sees(world, team, Reason.OPERATOR_FORBIDDEN, "cannot create resource", "install the chart's RBAC again")
        is_told(world, team, Reason.OPERATOR_FORBIDDEN)
    finally:
        rights.all()
    recovers(world, team)


def test_a_secret_that_the_chart_does_not_name(world: OperatorWorld, team: str, rights: Rights) -> None:
    world.wish(team, "m", source={"hub": {"tokenSecretRef": {"name": "other"}}})
    sees(world, team, Reason.TOKEN_SECRET_FORBIDDEN, "add other to the chart value hub.tokenSecretNames")
    is_told(world, team, Reason.TOKEN_SECRET_FORBIDDEN)
    world.wish(team, "m")
    recovers(world, team)


def test_events_about_a_pod_without_a_node_may_be_read(world: OperatorWorld, team: str, rights: Rights) -> None:
    world.wish(team, "m", replicas=TOO_MANY, accelerator=L4)
    sees(world, team, Reason.UNSCHEDULABLE)
    post_event(world.cluster, team, unplaced_pod(world, team), "Nominated", "nodeclaim/l4-x", by="karpenter")
    sees(world, team, Reason.WAITING_FOR_NODE, "karpenter says: nodeclaim/l4-x")
    world.wish(team, "m", accelerator=L4)
    recovers(world, team)
    assert "about a pod in trouble cannot be read" not in world.operator_log()
