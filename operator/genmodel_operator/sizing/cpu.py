"""What a server on CPU needs besides weights and cache, and which models it serves. In bytes.

Measured with vLLM 0.32 on CPU.
"""

import math

from genmodel_operator.sizing.budget.defaults import Batch
from genmodel_operator.sizing.memory import GIB, gib_to_bytes
from genmodel_operator.sizing.shape.model import Attention, DenseMLP, EncoderAttention, Layer, Mixture, ModelShape

PROCESSES_BYTES = gib_to_bytes(2.8)
"""Three Python processes with torch, without weights and cache."""
CPU_BATCH = Batch(32, 2048)
"""Batch limits on CPU, where cores, not memory, bound the requests served at once."""
PREFERRED_CACHE_BYTES = 4 * GIB
SYSTEM_PODS_BYTES = GIB // 2
"""Memory of a node that its system pods ask for."""

_HEAD_DIMS = frozenset({32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512})
"""Head sizes of the engine's attention on CPU (0.32); with others it starts and dies on the first request."""
_BYTES_PER_LOGIT = 38.5
"""Top-k and top-p sort the logits on CPU."""


def why_unserved(shape: ModelShape) -> str | None:
    """Return why the engine on CPU does not serve a model, None where it does.

    Its caches for latent attention and for states take formats that depend on the processor's own
    extensions (AMX, AVX-512), which no label tells.
    """
    for layer in shape.layers:
        if layer.mixer is None:
            return "a layer without attention is planned on GPUs only"
        if not isinstance(layer.mixer, Attention | EncoderAttention) or getattr(layer.mixer, "chunk", None):
            return f"{_kind(layer)} is planned on GPUs only"
        if layer.mixer.head_dim not in _HEAD_DIMS:
            return f"the CPU engine has no attention with heads of {layer.mixer.head_dim}"
    if shape.is_multimodal:
        return "a model that reads images or sound is planned on GPUs only"
    return None


def _kind(layer: Layer) -> str:
    words = {
        "Attention": "chunked attention",
        "LatentAttention": "latent attention",
        "CompressedAttention": "compressed attention",
        "CrossAttention": "attention to an encoder",
    }
    return words.get(type(layer.mixer).__name__, "a layer that keeps a state")


def margin_bytes(weights: int) -> int:
    """Return what is kept free in a container on CPU: 0.5 GiB, at least 5 % of the weights."""
    return max(gib_to_bytes(0.5), math.ceil(0.05 * weights))


def cpu_activation_bytes(shape: ModelShape, *, batch: Batch, element_bytes: int, samples: bool) -> int:
    """Return the peak of intermediate results: the sampler's step or the widest layer, and a mixture's workspace.

    The formula is for 16 bit elements; wider ones take more.
    """
    wide = element_bytes / 2
    tokens, hidden = batch.max_num_batched_tokens, shape.hidden
    logits = _BYTES_PER_LOGIT * batch.max_num_seqs * shape.vocab if samples else 0.0
    mlps = {layer.mlp for layer in shape.layers}
    inner = max((mlp.intermediate for mlp in mlps if isinstance(mlp, DenseMLP)), default=0)
    mixtures = [mlp for mlp in mlps if isinstance(mlp, Mixture)]
    inner = max(inner, *(mixture.shared_intermediate for mixture in mixtures)) if mixtures else inner
    workspace = max(
        (0.9 * tokens * m.experts_per_token * (6 * m.intermediate + 2 * hidden) * wide for m in mixtures), default=0.0
    )
    return math.ceil(max(logits + 4 * tokens * hidden * wide, tokens * (6 * inner + 8 * hidden) * wide) + workspace)
