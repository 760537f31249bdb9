"""Models that cannot be served: what a person reads in `kubectl get gm` and `kubectl describe`, and the way out."""

from typing import Any

import pytest

from tests.operator_world import HUB, OperatorWorld

pytestmark = pytest.mark.apiserver

ANONYMOUS = "the anonymous user"
SECRET = "the Secret genmodel-hub-token (key token)"
SAFETENSORS = "choose a revision or a model with safetensors files"
NAME_ADVICE = f"check the name; for a private repository put a token with access into {SECRET}"
LICENCE_ADVICE = f"accept the licence on the model's page, then put that account's token into {SECRET}"
H200_WISH = {"accelerator": {"kind": "GPU", "products": ["NVIDIA-H200"]}}

REFUSED = [
    pytest.param(
        "acme/nothing", {}, "ModelNotFound",
        f"spec.model: acme/nothing does not exist on {HUB}, or it is private and {ANONYMOUS} has no access; "
        f"{NAME_ADVICE}",
        id="no such model",
    ),
    pytest.param(
        "acme/tiny-llama", {"revision": "v9"}, "RevisionNotFound",
        "spec.revision: acme/tiny-llama has no branch, tag or commit v9; set spec.revision to one that exists; "
        "the default is main",
        id="no such revision",
    ),
    pytest.param(
        "acme/tiny-llama", {"context": {"maxModelLen": 1_000_000}}, "ContextTooLong",
        "spec.context.maxModelLen: 1000000 is more than the 512 tokens that the model was made for; "
        "set it to 512 or less, or leave it out",
        id="context above the model's",
    ),
    pytest.param(
        "acme/gated-llama", {}, "ModelGated",
        f"spec.model: acme/gated-llama is gated and {ANONYMOUS} is not authorised; {LICENCE_ADVICE}",
        id="gated, no token",
    ),
    pytest.param(
        "acme/private-llama", {}, "ModelNotFound",
        f"spec.model: acme/private-llama does not exist on {HUB}, or it is private and {ANONYMOUS} has no access; "
        f"{NAME_ADVICE}",
        id="private, no token",
    ),
    pytest.param(
        "acme/disabled-llama", {}, "ModelDisabled",
        f"spec.model: acme/disabled-llama was disabled on {HUB}; choose another model; the Hub's staff disabled access "
        "to this one",
        id="disabled",
    ),
    pytest.param(
        "acme/pickle", {}, "PickleOnly",
        "acme/pickle has its weights only as pickle files (pytorch_model.bin), which can run code when loaded; "
        f"{SAFETENSORS}",
        id="pickle only",
    ),
    pytest.param(
        "acme/gguf", {}, "GGUFOnly",
        "acme/gguf has its weights only as GGUF (tiny.Q4_K_M.gguf), which the engine does not read; "
        "choose the original repository with safetensors files",
        id="GGUF only",
    ),
    pytest.param(
        "acme/adapter", {}, "AdapterRepository",
        "acme/adapter is an adapter for acme/tiny-llama, not a model; serve acme/tiny-llama",
        id="an adapter",
    ),
    pytest.param(
        "acme/draft", {}, "DraftModel",
        "acme/draft (LlamaForCausalLMEagle) is a draft model for speculative decoding and cannot be served alone; "
        "serve the model that it was made for",
        id="a draft model",
    ),
    pytest.param(
        "acme/speech", {}, "TaskUnsupported",
        "spec.model: acme/speech is made for automatic-speech-recognition (WhisperForConditionalGeneration), which "
        "cannot be served as Generate or Embed; choose a text generation or embedding model",
        id="a model that is not for text",
    ),
    pytest.param(
        "acme/tiny-bert", {"task": "Generate"}, "TaskUnsupported",
        "spec.task: acme/tiny-bert is made for embeddings (BertModel), which cannot be served as Generate; "
        "set spec.task to Embed, or leave it out; or choose another model",
        id="wrong task",
    ),
    pytest.param(
        "acme/remote-code", {}, "RemoteCodeRequired",
        "acme/remote-code brings its own Python code (auto_map in config.json), which is never run here, "
        "even where the engine might do without it; choose a model that the engine supports natively",
        id="own code",
    ),
    pytest.param(
        "acme/empty", {}, "NoWeights", "acme/empty has no model*.safetensors at commit", id="no weights"
    ),
    pytest.param(
        "acme/tiny-llama", {"precision": "FP8"}, "PrecisionNotAvailable",
        "spec.precision: FP8 cannot be served from weights stored as BFloat16; leave spec.precision out, or choose a "
        "repository that is stored as FP8; 16 and 32 bit weights are narrowed to FP8 where the platform team lists it "
        "in policy.allowedPrecisions",
        id="precision that is not stored",
    ),
    pytest.param(
        "acme/tiny-llama", H200_WISH, "NoCandidateNodes",
        "no node of the cluster may be used for this model: spec.accelerator.products asks for NVIDIA-H200, and there "
        "are only NVIDIA-L4 nodes; allow 1 x NVIDIA L4 in spec.accelerator",
        id="no node has the product",
    ),
    pytest.param(
        "acme/tiny-llama", {"accelerator": {"kind": "GPU", "count": 3}}, "NoFit",
        "acme/tiny-llama does not fit: 3 x NVIDIA L4: Total number of attention heads (4) must be divisible by tensor "
        "parallel size (3); set spec.accelerator.count to 1, or leave it out",
        id="a number of devices that it cannot be divided into",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("model", "spec", "want_reason", "want_sentence"), REFUSED)
def test_refused(
    world: OperatorWorld, team: str, model: str, spec: dict[str, Any], want_reason: str, want_sentence: str
) -> None:
    world.wish(team, "wish", model, **spec)
    seen = world.assert_shown(
        team,
        "wish",
        reason=want_reason,
        words=want_sentence,
        event=f"Warning {want_reason}",
        row={"READY": "False", "MODEL": model, "REPLICAS": "0/1", "URL": ""},
    )
    assert seen.warnings == [want_reason]
    assert "Status: True Type: Stalled" in seen.text
    assert world.list(team, "deployments,services") == []


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
