"""Bytes of what is cached of one token, in every format of ``--kv-cache-dtype``."""

from genmodel_operator.sizing.cache import history
from genmodel_operator.sizing.cache.settings import CacheSettings
from genmodel_operator.sizing.shape.model import ModelShape, Unsizable

_WIDTHS = {"bfloat16": 2, "float16": 2, "half": 2, "float32": 4, "float": 4}
_FP8 = frozenset({"fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc"})
_PER_HEAD_BITS = {"int8_per_token_head": 8, "fp8_per_token_head": 8, "int4_per_token_head": 4}
_SCALE_BYTES = 4
_NVFP4 = frozenset({"nvfp4", "nvfp4_4over6"})
_PACKED_LATENT_BYTES = {"fp8_ds_mla": 656, "nvfp4_ds_mla": 352}
"""Opaque rows of sparse latent attention: 512 elements, their scales, and 64 with positions."""
AUTO = "auto"


def element_bytes(dtype: str) -> int:
    """Return the bytes of one element of a served type. Raises ``Unsizable`` for an unknown one."""
    width = _WIDTHS.get(dtype)
    if width is None:
        raise Unsizable("UnsupportedQuantization", f"dtype: {dtype!r} is not a type that models are served in")
    return width


def served_bytes(shape: ModelShape, settings: CacheSettings) -> int:
    """Return the bytes of one element of the type the model is served in."""
    return element_bytes(settings.dtype or shape.dtype)


def cache_format(shape: ModelShape, settings: CacheSettings) -> str:
    """Return the format of the cache: as asked, as the checkpoint declares where this release obeys it, or auto."""
    asked = settings.kv_cache_dtype or AUTO
    if asked == AUTO and shape.architecture.startswith("GlmMoeDsa") and history.defaults_to_fp8(settings):
        return "fp8"
    declared = shape.quantization
    if asked != AUTO or declared is None or declared.cache_bits != 8:
        return asked
    if declared.method.startswith("modelopt") and history.obeys_modelopt(settings.release):
        return "fp8"
    if declared.method == "compressed-tensors" and history.obeys_compressed_tensors(settings.release):
        return "fp8"
    return asked


def vector_bytes(elements: int, cache_dtype: str, served_bytes: int) -> int:
    """Return the bytes of the key or value of one head and token. Raises ``Unsizable`` for an unknown format."""
    if cache_dtype == AUTO:
        return elements * served_bytes
    if cache_dtype in _WIDTHS:
        return elements * _WIDTHS[cache_dtype]
    if cache_dtype in _FP8:
        return elements
    if cache_dtype in _PER_HEAD_BITS:
        return elements * _PER_HEAD_BITS[cache_dtype] // 8 + _SCALE_BYTES
    if cache_dtype in _NVFP4:
        return elements // 2 + elements // 16
    raise Unsizable("UnsupportedQuantization", f"kv_cache_dtype: {cache_dtype!r} is not known for this attention")


def latent_bytes(elements: int, cache_dtype: str, served_bytes: int) -> int:
    """Return the bytes of the compressed vector of one token. Raises ``Unsizable`` for an unknown format."""
    if cache_dtype in _PACKED_LATENT_BYTES:
        return _PACKED_LATENT_BYTES[cache_dtype]
    if cache_dtype in _PER_HEAD_BITS or cache_dtype in _NVFP4:
        raise Unsizable("UnsupportedQuantization", f"kv_cache_dtype: {cache_dtype!r} does not suit latent attention")
    return vector_bytes(elements, cache_dtype, served_bytes)


def sparse_latent_format(cache_dtype: str, settings: CacheSettings) -> str:
    """Return the format that sparse latent attention makes of an asked one: packed rows on most backends."""
    release = settings.release
    if not release.since(12) and cache_dtype == AUTO:
        return "fp8_ds_mla"
    if cache_dtype not in _FP8 and not (cache_dtype == AUTO and settings.generation == 12 and release.since(24)):
        return cache_dtype
    plain_on_blackwell = settings.generation == 10 and release.since(17)
    return cache_dtype if plain_on_blackwell else "fp8_ds_mla"
