"""Models that cannot be served: what a person reads in `kubectl get gm` and `kubectl describe`, and the way out."""

import pytest

from tests.operator_world import OperatorWorld
from tests.situations.spec import SPEC, TINY, SpecSituation

pytestmark = pytest.mark.apiserver


@pytest.mark.parametrize("situation", [pytest.param(found, id=found.id) for found in SPEC])
def test_refused_and_served_once_it_is_corrected(world: OperatorWorld, team: str, situation: SpecSituation) -> None:
    reason = situation.reason.value
    world.wish(team, "wish", situation.model, **situation.spec)
    row = world.wait_for(team, "wish", reason)
    assert (row["READY"], row["MODEL"], row["REPLICAS"]) == ("False", situation.model, "0/1")
    said = world.condition(team, "wish")["message"]
    assert situation.words in said
    assert "; " in said, "there is a way out"
    assert f"Warning {reason}" in world.describe(team, "wish")
    assert world.condition(team, "wish", "Stalled")["status"] == "True"
    assert world.list(team, "deployments") == []

    world.wish(team, "wish", TINY)

    world.wait_for(team, "wish", "Serving")
    found = world.get(team, "gm", "wish")["status"]["conditions"]
    assert not {"Stalled", "Reconciling"} & {condition["type"] for condition in found}
    assert reason not in {condition["reason"] for condition in found}


def test_gated_model_proceeds_by_itself_once_the_token_has_access(world: OperatorWorld, team: str) -> None:
    world.wish(team, "gated", "acme/gated-llama")
    world.wait_for(team, "gated", "ModelGated")
    world.token(team, "stranger")
    world.until(
        lambda: "the token in the Secret genmodel-hub-token" in world.condition(team, "gated")["message"],
        "the message names the token",
        seconds=90,
    )
    assert world.row(team, "gated")["REASON"] == "ModelGated"
    world.token(team, "good")
    row = world.wait_for(team, "gated", "Serving", seconds=90)
    assert row["READY"] == "True"
    assert "Stalled" not in str(world.get(team, "gm", "gated")["status"]["conditions"])


def test_a_token_that_the_hub_does_not_know(world: OperatorWorld, team: str) -> None:
    world.token(team, "expired")
    world.wish(team, "m")
    world.wait_for(team, "m", "TokenRejected")
    assert "expired" not in world.describe(team, "m").replace("wrong or expired", "")


def test_a_secret_that_is_named_but_missing(world: OperatorWorld, team: str) -> None:
    world.wish(team, "m", source={"hub": {"tokenSecretRef": {"name": "team-token"}}})
    world.wait_for(team, "m", "TokenSecretMissing")
    said = world.condition(team, "m")["message"]
    assert f"kubectl -n {team} create secret generic team-token --from-literal=token=hf_..." in said
