"""Models that cannot be served: what a person reads in `kubectl get gm` and `kubectl describe`, and the way out."""

import pytest

from tests.operator_world import HUB, OperatorWorld
from tests.situations.spec import SPEC, TINY, SpecSituation

pytestmark = pytest.mark.apiserver

ANONYMOUS = "the anonymous user"
SECRET = "the Secret genmodel-hub-token (key token)"
LICENCE_ADVICE = f"accept the licence on the model's page, then put that account's token into {SECRET}"


@pytest.mark.parametrize("situation", [pytest.param(found, id=found.id) for found in SPEC])
def test_refused_and_served_once_it_is_corrected(world: OperatorWorld, team: str, situation: SpecSituation) -> None:
    reason = situation.reason.value
    world.wish(team, "wish", situation.model, **situation.spec)
    seen = world.assert_shown(
        team,
        "wish",
        reason=reason,
        words=situation.words,
        event=f"Warning {reason}",
        row={"READY": "False", "MODEL": situation.model, "REPLICAS": "0/1", "URL": ""},
    )
    assert seen.warnings == [reason]
    assert "Status: True Type: Stalled" in seen.text
    assert "; " in world.condition(team, "wish")["message"], "there is a way out"
    assert world.list(team, "deployments,services") == []

    world.wish(team, "wish", TINY)

    world.wait_for(team, "wish", "Serving")
    found = world.get(team, "gm", "wish")["status"]["conditions"]
    assert not {"Stalled", "Reconciling"} & {condition["type"] for condition in found}
    assert reason not in {condition["reason"] for condition in found}


def test_a_model_that_is_too_large_names_the_smallest_changes(world: OperatorWorld, team: str) -> None:
    world.wish(team, "large", "acme/large-llama", accelerator={"kind": "GPU"})
    seen = world.assert_shown(
        team,
        "large",
        reason="NoFit",
        words=(
            "acme/large-llama does not fit: 8 x NVIDIA L4: ",
            " GiB without any KV cache (weights 28.5",
            "have the platform team add FP8 to policy.allowedPrecisions, so that the weights take half (on 8 x NVIDIA",
            "; or add a node with 16 x NVIDIA L4 (the largest has 8); or add a node with a GPU of at least 24",
        ),
        event="Warning NoFit",
        row={"READY": "False", "REPLICAS": "0/1", "ACCELERATOR": ""},
    )
    assert seen.warnings == ["NoFit"]


def test_a_gated_model_proceeds_by_itself_once_the_token_has_access(world: OperatorWorld, team: str) -> None:
    world.wish(team, "gated", "acme/gated-llama")
    world.assert_shown(team, "gated", reason="ModelGated", words=ANONYMOUS, event="Warning ModelGated")
    world.token(team, "stranger")
    world.assert_shown(
        team,
        "gated",
        reason="ModelGated",
        words=(
            "spec.model: acme/gated-llama is gated and the token in the Secret genmodel-hub-token is not authorised",
            LICENCE_ADVICE,
        ),
        row={"READY": "False"},
        seconds=120,
    )
    world.token(team, "good")
    seen = world.assert_shown(
        team,
        "gated",
        reason="Serving",
        words="1 of 1 replicas answer",
        event="Normal Serving",
        row={"READY": "True", "REPLICAS": "1/1"},
        seconds=120,
    )
    assert "Type: Stalled" not in seen.text


def test_a_token_that_the_hub_does_not_know(world: OperatorWorld, team: str) -> None:
    world.token(team, "expired-and-secret")
    world.wish(team, "m")
    seen = world.assert_shown(
        team,
        "m",
        reason="TokenRejected",
        words=f"the Hub at {HUB} does not accept the token in the Secret genmodel-hub-token (key token); "
        "the token is wrong or expired: replace it; it is read again within a minute",
        event="Warning TokenRejected",
        row={"READY": "False"},
    )
    assert "expired-and-secret" not in f"{seen.text} {seen.events}"


def test_a_secret_that_is_named_but_missing(world: OperatorWorld, team: str) -> None:
    world.wish(team, "m", source={"hub": {"tokenSecretRef": {"name": "team-token"}}})
    world.assert_shown(
        team,
        "m",
        reason="TokenSecretMissing",
        words="spec.source.hub.tokenSecretRef: the Secret team-token has no key token or does not exist in namespace "
        f"{team}; create it, for example: kubectl -n {team} create secret generic team-token "
        "--from-literal=token=hf_...",
        event="Warning TokenSecretMissing",
        row={"READY": "False"},
    )
