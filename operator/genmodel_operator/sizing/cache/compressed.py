"""The five caches of compressed attention (DeepSeek-V4), as the engine's kernels fix them.

A layer keeps its last tokens whole, and every token compressed; the compressor keeps the tokens
that wait for their group. Pages of unlike kinds share memory, so blocks have unlike lengths.
"""

from genmodel_operator.sizing.cache.blocks import COMPRESSED_BLOCK_TOKENS
from genmodel_operator.sizing.cache.formats import AUTO
from genmodel_operator.sizing.cache.specs import Kind, LayerSpec, round_up
from genmodel_operator.sizing.shape.model import CompressedAttention, Unsizable

_WINDOW_BLOCK_TOKENS = 64
_COMPRESSOR_BLOCK_TOKENS = {4: 4, 128: 8}
_ALIGNMENT_BYTES = 576
_STATE_ELEMENT_BYTES = 4
_POSITION_BYTES, _SCALE_BYTES = 2, 8


def compressed_specs(mixer: CompressedAttention, cache_dtype: str, *, in_flight: int) -> list[LayerSpec]:
    """Return the caches of one layer. Raises ``Unsizable`` for a format or ratio that the engine refuses."""
    if cache_dtype != AUTO and not cache_dtype.startswith("fp8"):
        raise Unsizable(
            "UnsupportedQuantization", f"kv_cache_dtype: compressed attention takes fp8, not {cache_dtype!r}"
        )
    row = _row_bytes(mixer)
    window = _spec(Kind.LATENT_WINDOW, _WINDOW_BLOCK_TOKENS, _WINDOW_BLOCK_TOKENS * row, row, f"{row} bytes")
    specs = [_windowed(window, mixer.window, in_flight)]
    if mixer.ratio > 1:
        specs += _compressed(mixer, mixer.head_dim, row, in_flight)
    if mixer.ratio == 4:
        index = mixer.index_dim + mixer.index_dim // 128 * 4
        specs += _compressed(mixer, mixer.index_dim, index, in_flight)
    return specs


def _row_bytes(mixer: CompressedAttention) -> int:
    """8 bits per element without a position, 16 with one, and the scales."""
    return mixer.head_dim - mixer.rope_dim + mixer.rope_dim * _POSITION_BYTES + _SCALE_BYTES


def _compressed(mixer: CompressedAttention, elements: int, row: int, in_flight: int) -> list[LayerSpec]:
    """Return the compressed rows, and the compressor's pending keys and scores."""
    ratio = mixer.ratio
    if ratio not in _COMPRESSOR_BLOCK_TOKENS:
        raise Unsizable("UnsupportedArchitecture", f"compress_ratios: {ratio} is not 0, 4 or 128")
    rows_bytes = COMPRESSED_BLOCK_TOKENS // ratio * row
    rows = _spec(Kind.LATENT, COMPRESSED_BLOCK_TOKENS, rows_bytes, -(-row // ratio), f"{row} bytes per {ratio} tokens")
    overlap, block = (2 if ratio == 4 else 1), _COMPRESSOR_BLOCK_TOKENS[ratio]
    token = 2 * overlap * elements * _STATE_ELEMENT_BYTES
    pending = _spec(Kind.LATENT_WINDOW, block, block * token, token, f"{token} bytes of the compressor")
    return [rows, _windowed(pending, overlap * ratio, in_flight)]


def _spec(kind: Kind, block: int, page_bytes: int, token_bytes: int, arithmetic: str) -> LayerSpec:
    padded = round_up(page_bytes, _ALIGNMENT_BYTES)
    return LayerSpec(kind, block, padded, token_bytes, form=(token_bytes,), arithmetic=arithmetic)


def _windowed(spec: LayerSpec, window: int, in_flight: int) -> LayerSpec:
    return LayerSpec(
        kind=spec.kind,
        block_tokens=spec.block_tokens,
        page_bytes=spec.page_bytes,
        token_bytes=spec.token_bytes,
        limit=window - 1 + in_flight,
        spare=1,
        form=spec.form,
        arithmetic=spec.arithmetic,
    )
