"""Models that cannot be served: what a person reads in `kubectl get gm` and `kubectl describe`, and the way out."""

from typing import Any

import pytest

from tests.operator_world import OperatorWorld

pytestmark = pytest.mark.apiserver


@pytest.mark.parametrize(
    ("model", "spec", "want_reason", "want_words"),
    [
        pytest.param(
            "acme/nothing",
            {},
            "ModelNotFound",
            "acme/nothing does not exist on http://127.0.0.1:8090",
            id="no such model",
        ),
        pytest.param(
            "acme/tiny-llama",
            {"revision": "v9"},
            "RevisionNotFound",
            "acme/tiny-llama has no branch, tag or commit v9",
            id="no such revision",
        ),
        pytest.param(
            "acme/tiny-llama",
            {"context": {"maxModelLen": 1_000_000}},
            "ContextTooLong",
            "spec.context.maxModelLen: 1000000 is more than the 512 tokens",
            id="context above the model's",
        ),
        pytest.param(
            "acme/gated-llama",
            {},
            "ModelGated",
            "is gated and the anonymous user is not authorised",
            id="gated, no token",
        ),
        pytest.param("acme/private-llama", {}, "ModelNotFound", "or it is private", id="private, no token"),
        pytest.param("acme/disabled-llama", {}, "ModelDisabled", "was disabled", id="disabled"),
        pytest.param("acme/pickle", {}, "PickleOnly", "pytorch_model.bin", id="pickle only"),
        pytest.param("acme/gguf", {}, "GGUFOnly", "choose the original repository", id="GGUF only"),
        pytest.param("acme/adapter", {}, "AdapterRepository", "serve acme/tiny-llama", id="an adapter"),
        pytest.param("acme/remote-code", {}, "RemoteCodeRequired", "auto_map in config.json", id="own code"),
        pytest.param("acme/empty", {}, "NoWeights", "has no model*.safetensors", id="no weights"),
        pytest.param(
            "acme/tiny-llama",
            {"precision": "FP8"},
            "PrecisionNotAvailable",
            "spec.precision: FP8 cannot be served from weights stored as BFloat16",
            id="precision that is not stored",
        ),
        pytest.param(
            "acme/tiny-bert", {"task": "Generate"}, "TaskUnsupported", "cannot be served as Generate", id="wrong task"
        ),
        pytest.param(
            "acme/tiny-llama",
            {"accelerator": {"kind": "GPU", "products": ["NVIDIA-H200"]}},
            "NoCandidateNodes",
            "NVIDIA-H200",
            id="no node has the product",
        ),
    ],
)
def test_refused(
    world: OperatorWorld, team: str, model: str, spec: dict[str, Any], want_reason: str, want_words: str
) -> None:
    world.wish(team, "wish", model, **spec)
    row = world.wait_for(team, "wish", want_reason)
    assert (row["READY"], row["MODEL"], row["REPLICAS"]) == ("False", model, "0/1")
    said = world.condition(team, "wish")["message"]
    assert want_words in said
    assert "; " in said
    assert want_reason in world.describe(team, "wish")
    assert world.condition(team, "wish", "Stalled")["status"] == "True"
    assert world.list(team, "deployments") == []


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


def test_nothing_fits_names_the_smallest_change(world: OperatorWorld, team: str) -> None:
    world.wish(team, "odd", accelerator={"kind": "GPU", "count": 3})
    world.wait_for(team, "odd", "NoFit")
    said = world.condition(team, "odd")["message"]
    assert "3" in said
    assert "spec.accelerator.count" in said
