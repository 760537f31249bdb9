"""The shape of a model: every number that decides its memory, layer by layer. Data only.

A shape is what ``config.json`` says after its many dialects are normalised. Weights, KV cache and
activation are computed from it alone; no other code reads a configuration.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attention:
    """Attention whose keys and values are cached per token.

    Attributes:
        heads, kv_heads: of queries, and of keys and values.
        head_dim: elements of one key; ``value_dim``: of one value, nearly always the same.
        window: tokens that a sliding window sees; None without one.
        chunk: tokens of a chunk, for chunked local attention (Llama 4); None without.
        output_gate: the query projection yields a gate too and is twice as wide (Qwen3-Next).
        query_rank: rank of a query projection of two steps (Step-3); None where it is one matrix.
        shares_values: keys and values come from one projection (Gemma 4); both are cached.
        compression: the projections are those of latent attention though what is cached is not (MiniCPM3).

    """

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    window: int | None = None
    chunk: int | None = None
    output_gate: bool = False
    query_rank: int | None = None
    shares_values: bool = False
    compression: "LatentAttention | None" = None


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek): one compressed vector per token, the same on every device.

    Attributes:
        kv_rank, rope_dim: the cached vector has ``kv_rank + rope_dim`` elements.
        nope_dim, value_dim: elements of one head's key without position, and of its value.
        query_rank: rank of the compressed query; None where queries are not compressed.
        index_heads, index_dim: of the indexer of sparse attention (DeepSeek-V3.2); 0 without.

    """

    heads: int
    kv_rank: int
    rope_dim: int
    nope_dim: int
    value_dim: int
    query_rank: int | None = None
    index_heads: int = 0
    index_dim: int = 0


@dataclass(frozen=True, slots=True)
class CompressedAttention:
    """Attention to a window and to compressed blocks of all that came before it (DeepSeek-V4).

    Attributes:
        head_dim: elements of the one key, which is the value too, per token; ``rope_dim`` of them carry the position.
        window: tokens that are seen uncompressed.
        ratio: tokens per compressed entry (4: chosen by an indexer, 128: all are seen); 0: only the window.
        query_rank: rank of the compressed query.
        output_groups, output_rank: of the output projection of two steps.
        index_heads, index_dim: of the indexer; 0 without.
        streams: copies of the hidden state that run through the layers (hyper-connections).

    """

    heads: int
    head_dim: int
    rope_dim: int
    window: int
    ratio: int
    query_rank: int
    output_groups: int
    output_rank: int
    index_heads: int = 0
    index_dim: int = 0
    streams: int = 1


@dataclass(frozen=True, slots=True)
class GatedDeltaNet:
    """Linear attention with a state of constant size per request (Qwen3-Next, Qwen3.5, Kimi Linear, MiniMax-01).

    ``gate_rank`` is the rank of its gates where they are matrices of two steps (Kimi), None where
    they are not. ``conv_kernel`` is 1 where there is no convolution (MiniMax).
    """

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    conv_kernel: int
    state_element_bytes: int
    gate_rank: int | None = None


@dataclass(frozen=True, slots=True)
class Mamba2:
    """State space layer with a state of constant size per request.

    The first Mamba is one with heads of one element, no groups, and ``step_rank`` (the rank of its
    time step, 0 for Mamba-2). A short convolution (LFM2) has ``state`` 0. ``chunk_size`` is that of
    the scan; the engine takes 2048 where the configuration has none.
    """

    heads: int
    head_dim: int
    state: int
    groups: int
    conv_kernel: int
    state_element_bytes: int
    step_rank: int = 0
    chunk_size: int = 2048


@dataclass(frozen=True, slots=True)
class CrossAttention:
    """Attention to the output of an encoder (Mllama): cached once per request, not per token."""

    heads: int
    kv_heads: int
    head_dim: int
    encoder_tokens: int


@dataclass(frozen=True, slots=True)
class EncoderAttention:
    """Attention in both directions: the whole input is seen at once and nothing is cached."""

    heads: int
    kv_heads: int
    head_dim: int


Mixer = Attention | LatentAttention | CompressedAttention | GatedDeltaNet | Mamba2 | CrossAttention | EncoderAttention


@dataclass(frozen=True, slots=True)
class DenseMLP:
    """A multi-layer perceptron; ``gated`` ones have three matrices, others two."""

    intermediate: int
    gated: bool = True


@dataclass(frozen=True, slots=True)
class Mixture:
    """A mixture of experts; ``shared_intermediate`` is the width of all shared experts together.

    ``latent`` is the width that routed experts read and write where it is not the hidden size
    (Nemotron 3); ``bias``: the matrices of routed experts have biases (gpt-oss); ``dense_intermediate``
    is the width of a dense MLP beside the mixture (Gemma 4), 0 without.
    """

    experts: int
    experts_per_token: int
    intermediate: int
    shared_intermediate: int = 0
    gated: bool = True
    latent: int | None = None
    bias: bool = False
    dense_intermediate: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. ``mixer`` or ``mlp`` is None where the layer has none (hybrids with one part per layer).

    ``cache_of`` is the index of the layer whose cache it reuses; None where it has its own.
    """

    mixer: Mixer | None
    mlp: DenseMLP | Mixture | None
    cache_of: int | None = None


@dataclass(frozen=True, slots=True)
class RotaryTable:
    """A table of rotary positions, which is in no file: ``rows`` x ``dim`` elements of the served type.

    ``element_bytes`` is set where the engine keeps the table in a type of its own. Releases before
    ``fourfold_before`` make it four times as long: positions of images and video have three axes.
    """

    rows: int
    dim: int
    element_bytes: int | None = None
    fourfold_before: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class VisionTower:
    """The encoder of images; fields that the configuration does not give are None.

    ``parameters`` counts the elements of tower and projector together, where its class is known.
    """

    layers: int | None
    hidden: int | None
    heads: int | None
    intermediate: int | None
    parameters: int | None = None


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the weights are stored, from ``quantization_config``.

    Attributes:
        method: ``quant_method`` as the engine names it (fp8, compressed-tensors, awq, gptq, mxfp4, modelopt ...).
        bits: of one weight of a quantised matrix; 0: ``modules`` say it.
        group_size: weights that share a scale along the input side; None: one per output or per tensor.
        block: rows and columns that share a scale; None without.
        symmetric: no zero points are stored.
        wide_modules: patterns of the modules that stay as they are; the engine's own rules for them.
        cache_bits: of the format that the checkpoint declares for the KV cache; None where it declares none.
        experts: of routed experts, where theirs is another format (DeepSeek-V4); None where it is not.
        modules: formats of single modules; the first that names a module counts. Empty: one for all.
        assumed: what was assumed where the configuration is silent; "" where nothing was.

    """

    method: str
    bits: float
    group_size: int | None = None
    block: tuple[int, int] | None = None
    symmetric: bool = True
    wide_modules: tuple[str, ...] = ()
    cache_bits: int | None = None
    experts: "Quantization | None" = None
    modules: "tuple[ModuleFormat, ...]" = ()
    assumed: str = ""


@dataclass(frozen=True, slots=True)
class ModuleFormat:
    """How the modules of one pattern are stored; ``scheme`` is None where they stay as they are."""

    pattern: str
    scheme: Quantization | None


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A whole model.

    Attributes:
        architecture: ``architectures[0]``; ``model_type`` as in the configuration.
        dtype: type of the configuration, as the engine names it: bfloat16, float16, float32.
        layers: in order; drafting layers (MTP) are not among them.
        draft_layers: MTP layers of the checkpoint, loaded only for speculative decoding.
        max_positions: the model's own limit in tokens.
        rotary: tables of rotary positions, one per kind; each is whole on every device.
        attention_bias, mlp_bias: the projections have biases.
        query_norm: queries and keys are normalised per head.
        is_multimodal: it has inputs other than text.
        learned_positions: rows of a learned table of positions, 0 without.
        norms: vectors of the hidden size that each layer has.
        per_layer_vocab, per_layer_width: of the table that gives each layer inputs of its own (Gemma 3n), 0 without.
        unknown: fields that only the weights or the activation need and that the configuration does not
            give; what depends on them is 0 here.

    """

    architecture: str
    model_type: str
    dtype: str
    hidden: int
    vocab: int
    tied_embeddings: bool
    layers: tuple[Layer, ...]
    max_positions: int
    rotary: tuple[RotaryTable, ...] = ()
    quantization: Quantization | None = None
    vision: VisionTower | None = None
    draft_layers: int = 0
    attention_bias: bool = False
    mlp_bias: bool = False
    query_norm: bool = False
    is_multimodal: bool = False
    learned_positions: int = 0
    norms: int = 2
    per_layer_vocab: int = 0
    per_layer_width: int = 0
    unknown: tuple[str, ...] = ()


class Unsizable(Exception):
    """The memory of a model cannot be computed; it is refused with a reason, never guessed.

    ``reason`` is a name of the estimate interface: MissingConfigField, UnsupportedArchitecture,
    UnsupportedQuantization, or InvalidRequest for a value that is absurd or contradicts another.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Take the reason and one sentence that names the field and its value."""
        self.reason = reason
        self.message = message
        super().__init__(message)
