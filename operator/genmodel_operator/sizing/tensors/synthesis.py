"""The tensors that an architecture has, from its shape alone: names, outputs, inputs."""

from collections.abc import Iterator
from dataclasses import dataclass

from genmodel_operator.sizing.shape.model import (
    Attention,
    CompressedAttention,
    CrossAttention,
    DenseMLP,
    EncoderAttention,
    GatedDeltaNet,
    LatentAttention,
    Layer,
    Mamba2,
    Mixture,
    ModelShape,
)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A tensor before quantisation: ``count`` matrices of ``outputs`` x ``inputs``; vectors have one input.

    ``element_bytes`` is set where the engine keeps it in a type of its own.
    """

    name: str
    outputs: int
    inputs: int = 1
    count: int = 1
    element_bytes: int | None = None

    @property
    def elements(self) -> int:
        """Number of its elements."""
        return self.outputs * self.inputs * self.count

    @property
    def module(self) -> str:
        """Name of the module that it belongs to."""
        return self.name.rsplit(".", 1)[0]


def ends(shape: ModelShape) -> Iterator[Matrix]:
    """Yield what is outside the layers, without towers."""
    yield Matrix("model.embed_tokens.weight", shape.vocab, shape.hidden)
    if not shape.tied_embeddings and not _is_encoder(shape):
        yield Matrix("lm_head.weight", shape.vocab, shape.hidden)
    if shape.learned_positions:
        yield Matrix("model.embed_positions.weight", shape.learned_positions, shape.hidden)
    if shape.per_layer_width:
        columns = shape.per_layer_width * len(shape.layers)
        yield Matrix("model.embed_tokens_per_layer.weight", shape.per_layer_vocab, columns)
        yield Matrix("model.per_layer_model_projection.weight", columns, shape.hidden)
    yield Matrix("model.norm.weight", shape.hidden)


def layer_matrices(shape: ModelShape, layer: Layer, index: int) -> Iterator[Matrix]:
    """Yield the tensors of one layer."""
    base = f"model.layers.{index}"
    norms = shape.norms if layer.mixer is not None and layer.mlp is not None else 1
    for number in range(norms):
        yield Matrix(f"{base}.norm_{number}.weight", shape.hidden)
    yield from _mixer(shape, layer, f"{base}.{_mixer_name(layer)}")
    yield from _mlp(shape, layer.mlp, f"{base}.mlp")
    if shape.per_layer_width:
        yield Matrix(f"{base}.per_layer_input_gate.weight", shape.per_layer_width, shape.hidden)
        yield Matrix(f"{base}.per_layer_projection.weight", shape.hidden, shape.per_layer_width)


def draft_matrices(shape: ModelShape, number: int) -> Iterator[Matrix]:
    """Yield the tensors of one drafting layer: the last layer with attention, and the way into it."""
    last = next(
        (layer for layer in reversed(shape.layers) if isinstance(layer.mixer, Attention | LatentAttention)), None
    )
    if last is None:
        return
    mlp = last.mlp or next((layer.mlp for layer in reversed(shape.layers) if layer.mlp is not None), None)
    index = len(shape.layers) + number
    yield Matrix(f"model.layers.{index}.eh_proj.weight", shape.hidden, 2 * shape.hidden)
    yield from layer_matrices(shape, Layer(last.mixer, mlp), index)


def _is_encoder(shape: ModelShape) -> bool:
    return all(isinstance(layer.mixer, EncoderAttention) for layer in shape.layers)


def _linear(name: str, outputs: int, inputs: int, *, bias: bool = False) -> Iterator[Matrix]:
    yield Matrix(f"{name}.weight", outputs, inputs)
    if bias:
        yield Matrix(f"{name}.bias", outputs)


def _mixer_name(layer: Layer) -> str:
    match layer.mixer:
        case GatedDeltaNet():
            return "linear_attn"
        case Mamba2():
            return "mamba"
    return "self_attn"


def _mixer(shape: ModelShape, layer: Layer, base: str) -> Iterator[Matrix]:
    match layer.mixer:
        case Attention() as attention:
            yield from _attention(shape, attention, base, has_keys=layer.cache_of is None)
        case CrossAttention() | EncoderAttention() as attention:
            plain = Attention(attention.heads, attention.kv_heads, attention.head_dim, attention.head_dim)
            yield from _attention(shape, plain, base, has_keys=True)
        case LatentAttention() as latent:
            yield from _latent(shape, latent, base)
        case CompressedAttention() as compressed:
            yield from _compressed(shape, compressed, base)
        case GatedDeltaNet() as delta:
            yield from _delta(shape, delta, base)
        case Mamba2() as mamba:
            yield from _mamba(shape, mamba, base)


def _attention(shape: ModelShape, attention: Attention, base: str, *, has_keys: bool) -> Iterator[Matrix]:
    if attention.compression is not None:
        yield from _latent(shape, attention.compression, base)
        return
    bias, width = shape.attention_bias, attention.heads * attention.head_dim
    if attention.query_rank:
        yield from _linear(f"{base}.q_a_proj", attention.query_rank, shape.hidden)
        yield from _linear(f"{base}.wq_b", width, attention.query_rank)
    else:
        yield from _linear(f"{base}.q_proj", width * (2 if attention.output_gate else 1), shape.hidden, bias=bias)
    if has_keys:
        yield from _linear(f"{base}.k_proj", attention.kv_heads * attention.head_dim, shape.hidden, bias=bias)
        yield from _linear(f"{base}.v_proj", attention.kv_heads * attention.value_dim, shape.hidden, bias=bias)
    yield from _linear(f"{base}.o_proj", shape.hidden, attention.heads * attention.value_dim)
    if shape.query_norm:
        yield Matrix(f"{base}.q_norm.weight", attention.head_dim)
        yield Matrix(f"{base}.k_norm.weight", attention.head_dim)


def _latent(shape: ModelShape, latent: LatentAttention, base: str) -> Iterator[Matrix]:
    query = latent.heads * (latent.nope_dim + latent.rope_dim)
    if latent.query_rank is None:
        yield from _linear(f"{base}.q_proj", query, shape.hidden)
    else:
        yield from _linear(f"{base}.q_a_proj", latent.query_rank, shape.hidden)
        yield Matrix(f"{base}.q_a_layernorm.weight", latent.query_rank)
        yield from _linear(f"{base}.q_b_proj", query, latent.query_rank)
    yield from _linear(f"{base}.kv_a_proj_with_mqa", latent.kv_rank + latent.rope_dim, shape.hidden)
    yield Matrix(f"{base}.kv_a_layernorm.weight", latent.kv_rank)
    yield from _linear(f"{base}.kv_b_proj", latent.heads * (latent.nope_dim + latent.value_dim), latent.kv_rank)
    yield from _linear(f"{base}.o_proj", shape.hidden, latent.heads * latent.value_dim)
    if latent.index_heads:
        yield from _linear(
            f"{base}.indexer.wq_b", latent.index_heads * latent.index_dim, latent.query_rank or shape.hidden
        )
        yield from _linear(f"{base}.indexer.wk", latent.index_dim, shape.hidden)
        yield Matrix(f"{base}.indexer.weights_proj.weight", latent.index_heads, shape.hidden)


def _compressed(shape: ModelShape, mixer: CompressedAttention, base: str) -> Iterator[Matrix]:
    width, groups = mixer.heads * mixer.head_dim, mixer.output_groups
    yield from _linear(f"{base}.wq_a", mixer.query_rank, shape.hidden)
    yield from _linear(f"{base}.wkv", mixer.head_dim, shape.hidden)
    yield from _linear(f"{base}.wq_b", width, mixer.query_rank)
    yield from _linear(f"{base}.wo_a", groups * mixer.output_rank, width // groups)
    yield from _linear(f"{base}.wo_b", shape.hidden, groups * mixer.output_rank)
    if mixer.ratio:
        overlap = 2 if mixer.index_heads else 1
        yield Matrix(f"{base}.compressor.wkv.weight", 2 * overlap * mixer.head_dim, shape.hidden)
    if mixer.index_heads:
        yield from _linear(f"{base}.indexer.wq_b", mixer.index_heads * mixer.index_dim, mixer.query_rank)
        yield Matrix(f"{base}.indexer.weights_proj.weight", mixer.index_heads, shape.hidden)
        yield Matrix(f"{base}.indexer.compressor.wkv.weight", 4 * mixer.index_dim, shape.hidden)


def _delta(shape: ModelShape, mixer: GatedDeltaNet, base: str) -> Iterator[Matrix]:
    keys, values = mixer.key_heads * mixer.key_dim, mixer.value_heads * mixer.value_dim
    mixed = 2 * keys + values
    yield from _linear(f"{base}.in_proj_qkv", mixed, shape.hidden)
    if mixer.gate_rank is None:
        yield from _linear(f"{base}.in_proj_z", values, shape.hidden)
    else:
        yield from _linear(f"{base}.f_a_proj", mixer.gate_rank, shape.hidden)
        yield from _linear(f"{base}.f_b_proj", values, mixer.gate_rank)
        yield from _linear(f"{base}.g_a_proj", mixer.gate_rank, shape.hidden)
        yield from _linear(f"{base}.g_b_proj", values, mixer.gate_rank)
    if mixer.conv_kernel > 1:
        yield Matrix(
            f"{base}.in_proj_ba.weight", mixer.value_heads * (2 if mixer.gate_rank is None else 1), shape.hidden
        )
        yield Matrix(f"{base}.conv1d.weight", mixed, mixer.conv_kernel)
        yield Matrix(f"{base}.A_log", mixer.value_heads)
        yield Matrix(f"{base}.dt_bias", mixer.value_heads)
    yield Matrix(f"{base}.norm.weight", mixer.value_dim)
    yield from _linear(f"{base}.out_proj", shape.hidden, values)


def _mamba(shape: ModelShape, mixer: Mamba2, base: str) -> Iterator[Matrix]:
    inner = mixer.heads * mixer.head_dim
    if mixer.state == 0:
        yield from _linear(f"{base}.in_proj", 3 * inner, shape.hidden)
        yield Matrix(f"{base}.conv1d.weight", inner, mixer.conv_kernel)
    elif mixer.step_rank:
        yield from _linear(f"{base}.in_proj", 2 * inner, shape.hidden)
        yield Matrix(f"{base}.conv1d.weight", inner, mixer.conv_kernel)
        yield from _linear(f"{base}.x_proj", mixer.step_rank + 2 * mixer.state, inner)
        yield from _linear(f"{base}.dt_proj", inner, mixer.step_rank, bias=True)
        yield Matrix(f"{base}.A_log", inner, mixer.state, element_bytes=4)
        yield Matrix(f"{base}.D", inner)
    else:
        mixed = inner + 2 * mixer.groups * mixer.state
        yield from _linear(f"{base}.in_proj", inner + mixed + mixer.heads, shape.hidden)
        yield Matrix(f"{base}.conv1d.weight", mixed, mixer.conv_kernel)
        yield Matrix(f"{base}.conv1d.bias", mixed)
        yield Matrix(f"{base}.A_log", 3 * mixer.heads, element_bytes=4)
        yield Matrix(f"{base}.norm.weight", inner)
    yield from _linear(f"{base}.out_proj", shape.hidden, inner)


def _mlp(shape: ModelShape, mlp: DenseMLP | Mixture | None, base: str) -> Iterator[Matrix]:
    match mlp:
        case DenseMLP():
            yield from _dense(shape, base, mlp.intermediate, gated=mlp.gated)
        case Mixture():
            yield from _mixture(shape, mlp, base)


def _dense(shape: ModelShape, base: str, width: int, *, gated: bool) -> Iterator[Matrix]:
    if width == 0:
        return
    bias = shape.mlp_bias
    if gated:
        yield from _linear(f"{base}.gate_proj", width, shape.hidden, bias=bias)
    yield from _linear(f"{base}.up_proj", width, shape.hidden, bias=bias)
    yield from _linear(f"{base}.down_proj", shape.hidden, width, bias=bias)


def _mixture(shape: ModelShape, mixture: Mixture, base: str) -> Iterator[Matrix]:
    width, outer = mixture.intermediate, mixture.latent or shape.hidden
    up = 2 * width if mixture.gated else width
    yield Matrix(f"{base}.gate.weight", mixture.experts, shape.hidden)
    yield Matrix(f"{base}.experts.gate_up_proj.weight", up, outer, count=mixture.experts)
    yield Matrix(f"{base}.experts.down_proj.weight", outer, width, count=mixture.experts)
    if mixture.bias:
        yield Matrix(f"{base}.experts.gate_up_proj.bias", up + outer, count=mixture.experts)
    if mixture.latent:
        yield from _linear(f"{base}.latent_in", mixture.latent, shape.hidden)
        yield from _linear(f"{base}.latent_out", shape.hidden, mixture.latent)
    yield from _dense(shape, f"{base}.shared_experts", mixture.shared_intermediate, gated=mixture.gated)
    yield from _dense(shape, f"{base}.dense", mixture.dense_intermediate, gated=mixture.gated)
