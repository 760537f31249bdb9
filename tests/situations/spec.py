"""Wishes that cannot be served: the Hub, the model or the planner refuses them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genmodel_operator.api.reasons import Reason

TINY = "acme/tiny-llama"


@dataclass(frozen=True)
class SpecSituation:
    """A wish, the reason that it gets and words of the message."""

    id: str
    reason: Reason
    model: str
    words: str
    spec: Mapping[str, Any] = field(default_factory=dict)


SPEC = (
    SpecSituation(
        "no such model",
        Reason.MODEL_NOT_FOUND,
        "acme/nothing",
        "acme/nothing does not exist on http://127.0.0.1:8090",
    ),
    SpecSituation(
        "no such revision",
        Reason.REVISION_NOT_FOUND,
        TINY,
        "acme/tiny-llama has no branch, tag or commit v9",
        {"revision": "v9"},
    ),
    SpecSituation(
        "context above the model's",
        Reason.CONTEXT_TOO_LONG,
        TINY,
        "spec.context.maxModelLen: 1000000 is more than the 512 tokens",
        {"context": {"maxModelLen": 1_000_000}},
    ),
    SpecSituation(
        "gated, no token", Reason.MODEL_GATED, "acme/gated-llama", "is gated and the anonymous user is not authorised"
    ),
    SpecSituation("private, no token", Reason.MODEL_NOT_FOUND, "acme/private-llama", "or it is private"),
    SpecSituation("disabled", Reason.MODEL_DISABLED, "acme/disabled-llama", "was disabled"),
    SpecSituation("pickle only", Reason.PICKLE_ONLY, "acme/pickle", "pytorch_model.bin"),
    SpecSituation("GGUF only", Reason.GGUF_ONLY, "acme/gguf", "choose the original repository"),
    SpecSituation("an adapter", Reason.ADAPTER_REPOSITORY, "acme/adapter", "serve acme/tiny-llama"),
    SpecSituation("own code", Reason.REMOTE_CODE_REQUIRED, "acme/remote-code", "auto_map in config.json"),
    SpecSituation("no weights", Reason.NO_WEIGHTS, "acme/empty", "has no model*.safetensors"),
    SpecSituation("a draft", Reason.DRAFT_MODEL, "acme/draft", "draft model for speculative decoding"),
    SpecSituation(
        "unknown architecture",
        Reason.ARCHITECTURE_UNSUPPORTED,
        "acme/unknown-architecture",
        "FooForCausalLM is not served by vLLM",
    ),
    SpecSituation(
        "unknown quantisation",
        Reason.QUANTIZATION_UNSUPPORTED,
        "acme/other-quantisation",
        "quantised with fbgemm_fp8",
    ),
    SpecSituation(
        "weights that are not as config.json says",
        Reason.CACHE_NOT_COMPUTABLE,
        "acme/other-weights",
        "and config.json describes",
    ),
    SpecSituation("a broken config.json", Reason.METADATA_INVALID, "acme/no-json", "acme/no-json: config.json"),
    SpecSituation(
        "precision that is not stored",
        Reason.PRECISION_NOT_AVAILABLE,
        TINY,
        "spec.precision: FP8 cannot be served from weights stored as BFloat16",
        {"precision": "FP8"},
    ),
    SpecSituation(
        "wrong task",
        Reason.TASK_UNSUPPORTED,
        "acme/tiny-bert",
        "cannot be served as Generate",
        {"task": "Generate"},
    ),
    SpecSituation(
        "no node has the product",
        Reason.NO_CANDIDATE_NODES,
        TINY,
        "NVIDIA-H200",
        {"accelerator": {"kind": "GPU", "products": ["NVIDIA-H200"]}},
    ),
    SpecSituation(
        "a count that the model cannot be split into",
        Reason.NO_FIT,
        TINY,
        "spec.accelerator.count",
        {"accelerator": {"kind": "GPU", "count": 3}},
    ),
)
