"""Evidence that a model's attention is plain: the same full attention, with its own cache, in every layer.

The cache is computed only for models that prove to be plain, twice: by what ``config.json``
declares, and by the tensors of every single layer. What cannot be proven is refused with the
field or tensor that stands against it. There is no list of models here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from genmodel_operator.hub.facts import ModelFacts, Tensor
from genmodel_operator.sizing.architecture import Architecture, CacheNotComputable


@dataclass(frozen=True, slots=True)
class Attention:
    """What was proven of a model's attention.

    Attributes:
        has_cache: False for encoders, which see the whole input at once and keep nothing.
        is_windowed: a sliding window is declared that is never shorter than the context: the cache
            is that of full attention and one block more per request.

    """

    has_cache: bool
    is_windowed: bool = False


_NEUTRAL: tuple[object, ...] = (None, False, 0, "", [], {})
"""Values that switch a feature off, whatever its name means."""

_HARMLESS = frozenset({
    "_attn_implementation", "_attn_implementation_autoset", "_attn_implementation_internal", "_flash_attn_2_enabled",
    "architectures", "attention_multiplier", "attention_softmax_in_fp32", "attn_implementation",
    "cache_implementation", "chunk_size_feed_forward", "decoder_sparse_step", "decoder_start_token_id",
    "first_k_dense_layers", "first_k_dense_replace", "head_dim", "head_dtype", "is_decoder", "kv_channels",
    "layer_types", "max_window_layers", "mlp_only_layers", "multi_query_attention", "multi_query_group_num", "n_head",
    "n_head_kv", "n_heads", "n_layer", "n_layers", "new_decoder_architecture", "no_rope_layer_interval",
    "no_rope_layers", "num_attention_heads", "num_hidden_layers", "num_key_value_heads", "num_kv_heads", "num_layers",
    "num_nextn_predict_layers", "parallel_attn", "quantization_config", "scale_attention_softmax_in_fp32",
    "scale_attn_by_inverse_layer_idx", "scale_attn_weights", "sliding_window", "use_cache", "use_parallel_attention",
    "use_sliding_window",
})  # fmt: skip
"""Fields whose names speak of attention, layers or caches and that are known not to change the cache
of plain attention, or that are judged by a rule of their own below."""

_OTHER_PARTS = re.compile(r"expert|moe|router|norm|drop|bias|_eps|epsilon|qk_")
"""Names of the parts of a layer that have no cache: mixtures, norms, regularisation."""

_SUSPICIOUS = re.compile(
    r"attention|attn|attend|window|sliding|chunk|cache|kv_|_kv|linear|mamba|ssm|conv|recurren|rwkv|state|latent|lora"
    r"|compress|sparse|index|pattern|hybrid|interval|cross|encoder|decoder|share|global|local|layer|block|head"
    r"|causal|bidirect|memory|memories|retention|loop"
)
"""Names that may change the number, the size or the kind of a model's caches."""

_LOCAL_BY_DEFAULT = frozenset({
    "afmoe", "cohere2", "cohere2_moe", "cwm", "dots1", "exaone4", "exaone_moe", "gemma2", "gemma3_text",
    "gemma3n_text", "gemma4_text", "gpt_oss", "granite_swa", "granitemoe_swa", "laguna", "mellum", "mimo_v2_flash",
    "ministral", "mistral", "modernbert", "modernbert-decoder", "neomme", "olmo3", "openai_privacy_filter",
    "vaultgemma",
})  # fmt: skip
"""Model types whose Transformers class (5.19) turns a sliding window on where the file says nothing."""

_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)\.(.+)$")
_SEPARATE = re.compile(r"(?:self_attn|self_attention|attn|attention)\.(k_proj|v_proj)\.")
_FUSED = re.compile(r"(?:self_attn|self_attention|attn|attention)\.(qkv_proj|query_key_value|c_attn|Wqkv|wqkv|qkv)\.")
_BERT = re.compile(r"^attention\.self\.(key|value)\.")
_FOREIGN = re.compile(
    r"A_log|dt_bias|conv1d|kv_a_proj|kv_b_proj|q_a_proj|indexer|cross_attn|crossattention|encoder_attn|linear_attn"
    r"|mamba|mixer\.|ssm|rwkv|time_mix|compressor"
)
"""Tensors of caches other than plain attention's."""
_WHOLE = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I8"})
"""Element types whose shape is the layer's own; packed weights have another."""


def prove_plain_attention(facts: ModelFacts, architecture: Architecture) -> Attention | CacheNotComputable:
    """Return what the model's attention keeps, or why that cannot be proven."""
    if _is_bert_encoder(facts, architecture):
        objection = _config_objection(facts)
        return CacheNotComputable(objection) if objection else Attention(has_cache=False)
    objection = _config_objection(facts) or _window_objection(facts) or _tensor_objection(facts, architecture)
    if objection:
        return CacheNotComputable(objection)
    return Attention(has_cache=True, is_windowed=bool(facts.config.get("sliding_window")))


def _config_objection(facts: ModelFacts) -> str | None:
    """Return the first field of the configuration that plain attention does not have."""
    config = facts.config
    if config.get("is_causal") is False:
        return "is_causal in config.json is false: attention in both directions"
    for name, value in sorted(config.items()):
        if value in _NEUTRAL or name in _HARMLESS or name == "is_causal":
            continue
        if _SUSPICIOUS.search(name.lower()) and not _OTHER_PARTS.search(name.lower()):
            return f"config.json has {name}, which plain attention does not have"
    return _quantization_objection(config) or _layer_types_objection(config)


def _quantization_objection(config: Mapping[str, Any]) -> str | None:
    """Releases differ in whether they obey a cache format that the checkpoint declares."""
    declared = config.get("quantization_config")
    if not isinstance(declared, Mapping):
        return None
    for name in ("kv_cache_scheme", "kv_cache_quant_algo", "kv_cache_quant_method"):
        if declared.get(name):
            return f"quantization_config has {name}, a format of its own for the cache"
    return None


def _layer_types_objection(config: Mapping[str, Any]) -> str | None:
    other = sorted({str(kind) for kind in config.get("layer_types") or []} - {"full_attention"})
    return f"layer_types in config.json has {', '.join(other)}" if other else None


def _window_objection(facts: ModelFacts) -> str | None:
    """Return why a sliding window may be in use; one that no request can outgrow does not count."""
    config = facts.config
    if config.get("layer_types") and not config.get("use_sliding_window"):
        return None  # _layer_types_objection saw to it that all of them are full attention
    silent = "sliding_window" not in config and "use_sliding_window" not in config
    if silent and facts.model_type in _LOCAL_BY_DEFAULT:
        return f"config.json does not say whether this {facts.model_type} model has a sliding window"
    window = config.get("sliding_window")
    if not window or config.get("use_sliding_window") is False:
        return "use_sliding_window in config.json is true" if config.get("use_sliding_window") else None
    if isinstance(window, int) and window >= facts.max_context:
        return None
    return f"sliding_window in config.json is {window}, less than the context of {facts.max_context} tokens"


def _tensor_objection(facts: ModelFacts, architecture: Architecture) -> str | None:
    """Return what is wrong with the key and value projections of any layer."""
    layers = _by_layer(facts.tensors)
    for index in range(architecture.layers):
        problem = _layer_problem(layers.get(index, []), architecture)
        if problem is not None:
            return f"layer {index} of {architecture.layers} {problem}"
    return None


def _layer_problem(tensors: list[tuple[str, Tensor]], architecture: Architecture) -> str | None:
    foreign = next((tensor.name for name, tensor in tensors if _FOREIGN.search(name)), None)
    if foreign is not None:
        return f"has the tensor {foreign}, which plain attention does not have"
    found = _projections(tensors, _SEPARATE)
    want_rows = architecture.kv_heads * architecture.head_dim
    if set(found) != {"k_proj", "v_proj"}:
        found = _projections(tensors, _FUSED)
        want_rows = (architecture.heads + 2 * architecture.kv_heads) * architecture.head_dim
        if len(found) != 1:
            return "has no key and value projections of its own that are known here"
    for name, tensor in found.items():
        outputs = 0 if name != "c_attn" else -1  # the only one that is stored the other way round
        if tensor is not None and tensor.shape[outputs] != want_rows:
            return f"has a {name} of shape {list(tensor.shape)}, where the configuration asks for {want_rows}"
    return None


def _projections(tensors: Iterable[tuple[str, Tensor]], pattern: re.Pattern[str]) -> dict[str, Tensor | None]:
    """Return the projections of a layer by name; the tensor where its shape is the layer's own."""
    found: dict[str, Tensor | None] = {}
    for name, tensor in tensors:
        match = pattern.search(name)
        if match is None:
            continue
        found.setdefault(match[1], None)
        if name.endswith(".weight") and tensor.dtype in _WHOLE:
            found[match[1]] = tensor
    return found


def _by_layer(tensors: Iterable[Tensor]) -> dict[int, list[tuple[str, Tensor]]]:
    layers: dict[int, list[tuple[str, Tensor]]] = {}
    for tensor in tensors:
        match = _LAYER.search(tensor.name)
        if match is not None:
            layers.setdefault(int(match[1]), []).append((match[2], tensor))
    return layers


def _is_bert_encoder(facts: ModelFacts, architecture: Architecture) -> bool:
    """Whether every layer has the attention of a BERT encoder, and nothing makes it a decoder."""
    if facts.config.get("is_decoder") or facts.config.get("add_cross_attention"):
        return False
    layers = _by_layer(facts.tensors)
    return all(
        {match[1] for name, _ in layers.get(index, []) if (match := _BERT.search(name))} == {"key", "value"}
        for index in range(architecture.layers)
    )
