"""Wishes that cannot be served: the Hub, the model or the planner refuses them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genmodel_operator.api.reasons import Reason

TINY = "acme/tiny-llama"


@dataclass(frozen=True)
class SpecSituation:
    """A wish, the reason that it gets and its message: all of it, or what is the same everywhere."""

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
        "spec.model: acme/nothing does not exist on http://127.0.0.1:8090, or it is private and the anonymous"
        " user has no access; check the name; for a private repository put a token with access into the "
        "Secret genmodel-hub-token (key token)",
    ),
    SpecSituation(
        "no such revision",
        Reason.REVISION_NOT_FOUND,
        TINY,
        "spec.revision: acme/tiny-llama has no branch, tag or commit v9; set spec.revision to one that "
        "exists; the default is main",
        {"revision": "v9"},
    ),
    SpecSituation(
        "context above the model's",
        Reason.CONTEXT_TOO_LONG,
        TINY,
        "spec.context.maxModelLen: 1000000 is more than the 512 tokens that the model was made for; set it to"
        " 512 or less, or leave it out",
        {"context": {"maxModelLen": 1000000}},
    ),
    SpecSituation(
        "gated, no token",
        Reason.MODEL_GATED,
        "acme/gated-llama",
        "spec.model: acme/gated-llama is gated and the anonymous user is not authorised; accept the licence "
        "on the model's page, then put that account's token into the Secret genmodel-hub-token (key token)",
    ),
    SpecSituation(
        "private, no token",
        Reason.MODEL_NOT_FOUND,
        "acme/private-llama",
        "spec.model: acme/private-llama does not exist on http://127.0.0.1:8090, or it is private and the "
        "anonymous user has no access; check the name; for a private repository put a token with access into "
        "the Secret genmodel-hub-token (key token)",
    ),
    SpecSituation(
        "disabled",
        Reason.MODEL_DISABLED,
        "acme/disabled-llama",
        "spec.model: acme/disabled-llama was disabled on http://127.0.0.1:8090; choose another model; the "
        "Hub's staff disabled access to this one",
    ),
    SpecSituation(
        "pickle only",
        Reason.PICKLE_ONLY,
        "acme/pickle",
        "acme/pickle has its weights only as pickle files (pytorch_model.bin), which can run code when "
        "loaded; choose a revision or a model with safetensors files",
    ),
    SpecSituation(
        "GGUF only",
        Reason.GGUF_ONLY,
        "acme/gguf",
        "acme/gguf has its weights only as GGUF (tiny.Q4_K_M.gguf), which the engine does not read; choose "
        "the original repository with safetensors files",
    ),
    SpecSituation(
        "an adapter",
        Reason.ADAPTER_REPOSITORY,
        "acme/adapter",
        "acme/adapter is an adapter for acme/tiny-llama, not a model; serve acme/tiny-llama",
    ),
    SpecSituation(
        "own code",
        Reason.REMOTE_CODE_REQUIRED,
        "acme/remote-code",
        "acme/remote-code brings its own Python code (auto_map in config.json), which its pods run only where both "
        "the model and the operator's policy say so, for the commit",
    ),
    SpecSituation(
        "code of another repository",
        Reason.REMOTE_CODE_ELSEWHERE,
        "acme/code-elsewhere",
        "acme/code-elsewhere takes Python code from acme/base (auto_map in config.json), which its commit does not pin "
        "and which is never run; choose a model that brings its code itself, or that needs none",
    ),
    SpecSituation("no weights", Reason.NO_WEIGHTS, "acme/empty", "acme/empty has no model*.safetensors at commit"),
    SpecSituation(
        "a draft",
        Reason.DRAFT_MODEL,
        "acme/draft",
        "acme/draft (LlamaForCausalLMEagle) is a draft model for speculative decoding and cannot be served "
        "alone; serve the model that it was made for",
    ),
    SpecSituation(
        "unknown architecture",
        Reason.ARCHITECTURE_UNSUPPORTED,
        "acme/unknown-architecture",
        "FooForCausalLM is not served by vLLM",
    ),
    SpecSituation(
        "unknown quantisation", Reason.QUANTIZATION_UNSUPPORTED, "acme/other-quantisation", "quantised with fbgemm_fp8"
    ),
    SpecSituation(
        "weights that are not as config.json says",
        Reason.METADATA_INVALID,
        "acme/other-weights",
        "acme/other-weights: model*.safetensors: ",
    ),
    SpecSituation(
        "layers whose memory is not known",
        Reason.CACHE_NOT_COMPUTABLE,
        "acme/two-mixers",
        "the memory of FalconH1ForCausalLM cannot be computed: ",
    ),
    SpecSituation("a broken config.json", Reason.METADATA_INVALID, "acme/no-json", "acme/no-json: config.json"),
    SpecSituation(
        "precision that is not stored",
        Reason.PRECISION_NOT_AVAILABLE,
        TINY,
        "spec.precision: FP8 cannot be served from weights stored as BFloat16; leave spec.precision out, or "
        "choose a repository that is stored as FP8; 16 and 32 bit weights are narrowed to FP8 where the "
        "platform team lists it in policy.allowedPrecisions",
        {"precision": "FP8"},
    ),
    SpecSituation(
        "wrong task",
        Reason.TASK_UNSUPPORTED,
        "acme/tiny-bert",
        "spec.task: acme/tiny-bert is made for embeddings (BertModel), which cannot be served as Generate; "
        "set spec.task to Embed, or leave it out; or choose another model",
        {"task": "Generate"},
    ),
    SpecSituation(
        "no node has the product",
        Reason.NO_CANDIDATE_NODES,
        TINY,
        "no node of the cluster may be used for this model: spec.accelerator.products asks for NVIDIA-H200, "
        "and there are only NVIDIA-L4 nodes; allow 1 x NVIDIA L4 in spec.accelerator",
        {"accelerator": {"kind": "GPU", "products": ["NVIDIA-H200"]}},
    ),
    SpecSituation(
        "a count that the model cannot be split into",
        Reason.NO_FIT,
        TINY,
        "acme/tiny-llama does not fit: 3 x NVIDIA L4: Total number of attention heads (4) must be divisible "
        "by tensor parallel size (3); set spec.accelerator.count to 1, or leave it out",
        {"accelerator": {"kind": "GPU", "count": 3}},
    ),
    SpecSituation(
        "a model that is not for text",
        Reason.TASK_UNSUPPORTED,
        "acme/speech",
        "spec.model: acme/speech is made for automatic-speech-recognition (WhisperForConditionalGeneration), "
        "which cannot be served as Generate, Embed or Score; choose a text generation, embedding or reranking model",
    ),
)
