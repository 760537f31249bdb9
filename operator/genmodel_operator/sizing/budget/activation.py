"""The peak of intermediate results in the engine's profile run, in bytes.

The profile run is one step of ``max_num_batched_tokens`` and, on the last pipeline stage, one draw
of the sampler for ``max_num_seqs`` requests. It depends neither on the model's length limit nor on
the weights' format. Constants were taken from logged peaks; each names how many starts show it.
"""

import math

from genmodel_operator.sizing.budget.runner import samples, uses_second_runner
from genmodel_operator.sizing.budget.settings import BudgetSettings
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

_STEP_BYTES_PER_TOKEN = 4400
"""Positions, slots and metadata: 0.03 to 0.05 GiB at 8192 tokens in 40 starts, 0.01 at 2048 in two."""
_INDEXER_BYTES = 512 << 20
"""What the indexer of sparse attention sets aside for its scores (VLLM_SPARSE_INDEXER_MAX_LOGITS_MB)."""
_COMPRESSED_HEADS = (64, 128)
"""Query heads that the kernel of compressed attention computes: the rest is padding."""
_PIXELS_PER_TOKEN = 2 * 28 * 28 * 3
"""Of images scaled to one token: 2 352 (Mistral, Llama 4), 4 704 (Qwen), 9 408 (Gemma 3)."""


def activation_bytes(shape: ModelShape, settings: BudgetSettings, *, stage: int) -> int:
    """Return the peak on one device of a pipeline stage, counted from 0."""
    tokens, size = settings.batch.max_num_batched_tokens, settings.element_bytes
    is_last = stage == settings.layout.pipeline_parallel - 1
    peaks = [_widest_layer(shape, settings)]
    if is_last and samples(shape) and not settings.pools:
        peaks.append(_sampler(shape, settings))
    held = tokens * _STEP_BYTES_PER_TOKEN + expert_workspace_bytes(shape, settings)
    if any(isinstance(layer.mixer, LatentAttention | CompressedAttention) and layer.mixer.index_dim
           for layer in shape.layers):  # fmt: skip
        held += _INDEXER_BYTES
    if not is_last:
        held += 2 * tokens * shape.hidden * size
    if stage == 0:
        peaks.append(_vision_peak(shape, settings))
        held += _vision_inputs(shape, settings)
    return math.ceil(max(peaks) + held)


def logit_bytes(shape: ModelShape, settings: BudgetSettings) -> float:
    """Return what the sampler's profile takes per request and word of the vocabulary.

    The logits as the model yields them, and 36 B while top-k and top-p sorted them (8 starts of
    0.11), 12.5 B since a kernel does without the sort (0.17; 36 starts of 0.18 and 0.19, one of them
    with 4 B logits). The second runner draws without either.
    """
    if uses_second_runner(shape, settings.release):
        return settings.element_bytes
    return settings.element_bytes + (12.5 if settings.release.since(17) else 36.0)


def expert_workspace_bytes(shape: ModelShape, settings: BudgetSettings) -> int:
    """Return the buffers that the fused experts keep from 0.14 on, in bytes.

    Two buffers for every token and expert it goes to: as wide as the hidden state or the experts'
    output, the wider counts (0.50 GiB for Qwen3-30B-A3B, 0.43 for DeepSeek-V2-Lite, 0.16 for Llama 4
    Scout in logs of 0.19). MXFP4 kernels have none (3 starts), and up to 0.13 they were freed in
    time (3 starts). With data parallelism the tokens of all ranks are gathered.
    """
    if not settings.release.since(14) or _is_mxfp4(shape):
        return 0
    layout = settings.layout
    rows = settings.batch.max_num_batched_tokens * layout.data_parallel
    slices = 1 if layout.expert_parallel else layout.tensor_parallel * layout.data_parallel
    widest = 0
    for layer in shape.layers:
        if isinstance(layer.mlp, Mixture):
            inner, outer = layer.mlp.intermediate / slices, layer.mlp.latent or shape.hidden
            both = max(inner, outer) + max((2 if layer.mlp.gated else 1) * inner, outer)
            widest = max(widest, math.ceil(layer.mlp.experts_per_token * both))
    return rows * widest * settings.element_bytes


def _is_mxfp4(shape: ModelShape) -> bool:
    return shape.quantization is not None and shape.quantization.method == "mxfp4"


def _sampler(shape: ModelShape, settings: BudgetSettings) -> float:
    """Return the logits of every request, beside the step's last hidden states."""
    requests = min(settings.batch.max_num_seqs, settings.batch.max_num_batched_tokens)
    hidden = settings.batch.max_num_batched_tokens * shape.hidden * settings.element_bytes
    return logit_bytes(shape, settings) * requests * shape.vocab + hidden


def _widest_layer(shape: ModelShape, settings: BudgetSettings) -> float:
    widest = max((_layer_width(shape, layer, settings) for layer in shape.layers), default=0.0)
    return settings.batch.max_num_batched_tokens * settings.element_bytes * (widest + 4 * shape.hidden)


def _layer_width(shape: ModelShape, layer: Layer, settings: BudgetSettings) -> float:
    """Return the elements that one token needs at once inside a layer, on one device."""
    slices = settings.layout.tensor_parallel
    match layer.mlp:
        case DenseMLP(intermediate=width, gated=gated):
            mlp = (3 if gated else 2) * width / slices
        case Mixture(shared_intermediate=shared, dense_intermediate=dense):
            mlp = 3 * max(shared, dense) / slices
        case _:
            mlp = 0.0
    if isinstance(layer.mlp, DenseMLP) and _quantizes_to_int8(shape):
        mlp += (layer.mlp.intermediate / slices + shape.hidden) / settings.element_bytes
    mixer = layer.mixer
    if isinstance(mixer, CompressedAttention):
        return max(mlp, _compressed_width(mixer, slices)) + 3 * mixer.streams * shape.hidden
    return max(mlp, _mixer_width(layer) / slices)


def _compressed_width(mixer: CompressedAttention, slices: int) -> int:
    """Return the elements of queries and outputs, with the padding that the kernel wants, before and after rotation.

    With three sets of streams (of the layer before, the layer's own, the mixed ones) that is 0.5 MB
    per token, as two starts of DeepSeek-V4-Flash show: 8.2 GiB for 16384 tokens, 5.3 for 8224.
    """
    heads = next((padded for padded in _COMPRESSED_HEADS if mixer.heads <= padded * slices), mixer.heads // slices)
    return 4 * heads * mixer.head_dim


def _quantizes_to_int8(shape: ModelShape) -> bool:
    """Whether activations are copied to 8 bit integers, apart from the kernel before."""
    quantization = shape.quantization
    return quantization is not None and quantization.method == "compressed-tensors" and quantization.bits == 8


def _mixer_width(layer: Layer) -> int:
    """Return the elements of one token's queries, keys, values and output, before they are divided."""
    width = 0
    match layer.mixer:
        case Attention() as a:
            queries = a.heads * a.head_dim * (2 if a.output_gate else 1)
            width = queries + a.kv_heads * (a.head_dim + a.value_dim) + a.heads * a.value_dim
        case LatentAttention() as a:
            width = a.heads * (2 * (a.nope_dim + a.rope_dim) + a.nope_dim + 2 * a.value_dim)
        case GatedDeltaNet() as g:
            width = 4 * (g.key_heads * g.key_dim + g.value_heads * g.value_dim)
        case Mamba2() as m:
            width = 3 * m.heads * m.head_dim + 4 * m.groups * m.state
        case CrossAttention() | EncoderAttention() as a:
            width = 2 * (a.heads + a.kv_heads) * a.head_dim
    return width


def _vision_inputs(shape: ModelShape, settings: BudgetSettings) -> int:
    """Return the images of a step and their embeddings, held through the profile run (5 starts of 0.19)."""
    if not shape.is_multimodal:
        return 0
    return settings.batch.max_num_batched_tokens * (2 * _PIXELS_PER_TOKEN + settings.element_bytes * shape.hidden)


def _vision_peak(shape: ModelShape, settings: BudgetSettings) -> float:
    """Return the widest layer of the image encoder, which sees four patches per token; 0 where its size is open."""
    tower = shape.vision
    if tower is None or tower.hidden is None:
        return 0.0
    inner = tower.intermediate or 4 * tower.hidden
    return 4 * settings.batch.max_num_batched_tokens * settings.element_bytes * (3 * inner + 4 * tower.hidden)
