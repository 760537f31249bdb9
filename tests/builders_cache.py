"""Shapes of known models, as far as their caches depend on them, and engines to cache them."""

from typing import Any

from genmodel_operator.sizing.budget.release import parse_release
from genmodel_operator.sizing.cache.build import cache_layout
from genmodel_operator.sizing.cache.layout import CacheLayout
from genmodel_operator.sizing.cache.settings import CacheSettings
from genmodel_operator.sizing.shape.model import (
    Attention,
    CompressedAttention,
    CrossAttention,
    EncoderAttention,
    GatedDeltaNet,
    LatentAttention,
    Layer,
    Mamba2,
    Mixer,
    ModelShape,
)

GIB = 1024**3


def shape_of(*mixers: Mixer | None, **other: Any) -> ModelShape:
    """A model with one layer per mixer."""
    values: dict[str, Any] = {
        "architecture": "SomeForCausalLM",
        "model_type": "some",
        "dtype": "bfloat16",
        "hidden": 4096,
        "vocab": 32000,
        "tied_embeddings": False,
        "layers": tuple(Layer(mixer=mixer, mlp=None) for mixer in mixers),
        "max_positions": 1048576,
    }
    return ModelShape(**values | other)


def settings_of(version: str = "0.19.0", **other: Any) -> CacheSettings:
    """An engine of this release."""
    return CacheSettings(release=parse_release(version), **other)


def layout_of(shape: ModelShape, version: str = "0.19.0", **other: Any) -> CacheLayout:
    """The layout of this model's cache in an engine of this release."""
    return cache_layout(shape, settings_of(version, **other))


def attention(kv_heads: int = 8, head_dim: int = 128, **other: Any) -> Attention:
    """Attention whose values are as large as its keys, if nothing else is said."""
    values: dict[str, Any] = {"heads": 32, "kv_heads": kv_heads, "head_dim": head_dim, "value_dim": head_dim}
    return Attention(**values | other)


def uniform(layers: int, kv_heads: int, head_dim: int = 128, **other: Any) -> ModelShape:
    """A model with the same attention in every layer."""
    return shape_of(*[attention(kv_heads, head_dim)] * layers, **other)


def windowed(layers: int, every: int, kv_heads: int, head_dim: int, window: int) -> ModelShape:
    """A model where each n-th layer is full and the others have a window."""
    local, full = attention(kv_heads, head_dim, window=window), attention(kv_heads, head_dim)
    return shape_of(*[full if index % every == every - 1 else local for index in range(layers)])


def hybrid(state: Mixer, full: Mixer, repeats: int, states: int = 3, **other: Any) -> ModelShape:
    """A model that repeats some layers with a state and one with attention."""
    return shape_of(*[*[state] * states, full] * repeats, **other)


LATENT = LatentAttention(heads=16, kv_rank=512, rope_dim=64, nope_dim=128, value_dim=128)
SPARSE_LATENT = LatentAttention(
    heads=128, kv_rank=512, rope_dim=64, nope_dim=128, value_dim=128, query_rank=1536, index_heads=64, index_dim=128
)
DELTA_27B = GatedDeltaNet(
    key_heads=16, value_heads=48, key_dim=128, value_dim=128, conv_kernel=4, state_element_bytes=4
)
DELTA_35B = GatedDeltaNet(
    key_heads=16, value_heads=32, key_dim=128, value_dim=128, conv_kernel=4, state_element_bytes=4
)
KIMI_DELTA = GatedDeltaNet(
    key_heads=32, value_heads=32, key_dim=128, value_dim=128, conv_kernel=4, state_element_bytes=4
)
MAMBA = Mamba2(heads=64, head_dim=64, state=128, groups=8, conv_kernel=4, state_element_bytes=4, chunk_size=128)


def compressed(ratio: int, **other: Any) -> CompressedAttention:
    """A layer of DeepSeek-V4 with this ratio."""
    chosen = {"index_heads": 64, "index_dim": 128} if ratio == 4 else {}
    values: dict[str, Any] = {"heads": 64, "head_dim": 512, "rope_dim": 64, "window": 128, "ratio": ratio}
    low_rank = {"query_rank": 1024, "output_groups": 8, "output_rank": 1024}
    return CompressedAttention(**values | low_rank | chosen | other)


CODELLAMA_7B = uniform(32, 32)
LLAMA_31_8B = uniform(32, 8)
LLAMA_33_70B = uniform(80, 8)
QWEN25_7B = uniform(28, 4)
QWEN3_8B = uniform(36, 8)
QWEN3_30B_A3B = uniform(48, 4)
QWEN3_235B_A22B = uniform(94, 4)
PHI_4 = uniform(40, 10)
GEMMA_7B = uniform(28, 16, 256)
MISTRAL_SMALL = uniform(40, 8)
DEEPSEEK_V2_LITE = shape_of(*[LATENT] * 27)
DEEPSEEK_R1 = shape_of(*[LATENT] * 61)
DEEPSEEK_V32_CUT = shape_of(*[SPARSE_LATENT] * 16)
GEMMA_2_2B = windowed(26, 2, 4, 256, 4096)
GEMMA_2_9B = windowed(42, 2, 8, 256, 4096)
GEMMA_3_27B = windowed(62, 6, 16, 128, 1024)
GEMMA_3_4B = windowed(34, 6, 4, 256, 1024)
GEMMA_3_1B = windowed(26, 6, 1, 256, 512)
GPT_OSS_20B = windowed(24, 2, 8, 64, 128)
GPT_OSS_120B = windowed(36, 2, 8, 64, 128)
EXAONE_4_32B = windowed(64, 4, 8, 128, 4096)
LLAMA_4_SCOUT = shape_of(*[*[attention(8, 128, chunk=8192)] * 3, attention(8, 128)] * 12)
QWEN_27B = hybrid(DELTA_27B, attention(4, 256), 16, draft_layers=1)
QWEN_35B_A3B = hybrid(DELTA_35B, attention(2, 256), 10)
_KIMI_MIXERS: list[Mixer] = [LATENT if index % 4 == 3 or index == 26 else KIMI_DELTA for index in range(27)]
KIMI_LINEAR_48B = shape_of(*_KIMI_MIXERS)
_NEMOTRON_MIXERS: list[Mixer] = [*[MAMBA] * 23, *[attention(2, 128)] * 6]
NEMOTRON_3_NANO = shape_of(*_NEMOTRON_MIXERS)
_MLLAMA_CROSS = CrossAttention(heads=32, kv_heads=8, head_dim=128, encoder_tokens=6404)
_MLLAMA_MIXERS: list[Mixer] = [*[attention(8, 128)] * 4, _MLLAMA_CROSS] * 8
MLLAMA_11B = shape_of(*_MLLAMA_MIXERS)
BERT = shape_of(*[EncoderAttention(heads=12, kv_heads=12, head_dim=64)] * 12)
DEEPSEEK_V4_FLASH = shape_of(*[compressed(ratio) for ratio in [0, 0, *[4, 128] * 20, 4]], draft_layers=1)
DEEPSEEK_V4_PRO = shape_of(*[compressed(ratio, heads=128) for ratio in [128, 128, *[4, 128] * 29, 4]], draft_layers=1)
