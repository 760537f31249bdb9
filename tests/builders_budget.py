"""Shapes and settings for tests of the budget, in one line each."""

from typing import Any

from genmodel_operator.sizing.budget.defaults import Batch
from genmodel_operator.sizing.budget.device import Interconnect, read_device
from genmodel_operator.sizing.budget.release import parse_release
from genmodel_operator.sizing.budget.settings import BudgetSettings
from genmodel_operator.sizing.shape.model import Attention, DenseMLP, Layer, Mixture, ModelShape, Quantization
from genmodel_operator.sizing.tensors.model import Layout

GIB = 1024**3
H100, L4, RTX_3090 = "NVIDIA-H100-80GB-HBM3", "NVIDIA-L4", "NVIDIA-GeForce-RTX-3090"
TOTALS = {H100: 79.19, L4: 22.03, RTX_3090: 23.56}


def a_shape(
    *,
    hidden: int = 4096,
    intermediate: int = 14336,
    layers: int = 32,
    heads: int = 32,
    kv_heads: int = 8,
    head_dim: int = 128,
    vocab: int = 128256,
    mixture: Mixture | None = None,
    **changes: Any,
) -> ModelShape:
    """Return a decoder with alike layers; Llama-3.1-8B unless told otherwise."""
    attention = Attention(heads=heads, kv_heads=kv_heads, head_dim=head_dim, value_dim=head_dim)
    layer = Layer(mixer=attention, mlp=mixture or DenseMLP(intermediate))
    fields: dict[str, Any] = {
        "architecture": "LlamaForCausalLM",
        "model_type": "llama",
        "dtype": "bfloat16",
        "tied_embeddings": False,
        "max_positions": 131072,
        **changes,
    }
    return ModelShape(hidden=hidden, vocab=vocab, layers=(layer,) * layers, **fields)


def mxfp4(**changes: Any) -> ModelShape:
    """Return gpt-oss-20b."""
    mixture = Mixture(experts=32, experts_per_token=4, intermediate=2880, bias=True)
    sizes: dict[str, Any] = {"hidden": 2880, "layers": 24, "heads": 64, "head_dim": 64, "vocab": 201088}
    return a_shape(mixture=mixture, quantization=Quantization(method="mxfp4", bits=4), **{**sizes, **changes})


def qwen3_30b() -> ModelShape:
    """Return Qwen3-30B-A3B."""
    mixture = Mixture(experts=128, experts_per_token=8, intermediate=768)
    return a_shape(mixture=mixture, hidden=2048, layers=48, heads=32, kv_heads=4, vocab=151936)


def settings(
    version: str = "0.19.0",
    product: str = H100,
    *,
    total_gib: float | None = None,
    interconnect: Interconnect | None = None,
    layout: Layout | None = None,
    max_num_seqs: int = 1024,
    max_num_batched_tokens: int = 8192,
    utilization: float = 0.95,
    element_bytes: int = 2,
    **changes: Any,
) -> BudgetSettings:
    """Return settings; those of the logged starts of 0.19 on H100 unless told otherwise."""
    total = total_gib if total_gib is not None else TOTALS[product]
    return BudgetSettings(
        release=parse_release(version),
        device=read_device(product, int(total * GIB), interconnect),
        layout=layout or Layout(),
        batch=Batch(max_num_seqs=max_num_seqs, max_num_batched_tokens=max_num_batched_tokens),
        element_bytes=element_bytes,
        memory_utilization=utilization,
        **changes,
    )
