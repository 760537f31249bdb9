"""How many tokens a block has: what the attention backend takes, and what states make of it."""

from dataclasses import dataclass
from math import lcm

from genmodel_operator.sizing.cache import history
from genmodel_operator.sizing.cache.history import StateMode
from genmodel_operator.sizing.cache.settings import CacheSettings, Platform
from genmodel_operator.sizing.cache.specs import round_up
from genmodel_operator.sizing.shape.model import Attention, CompressedAttention, LatentAttention, ModelShape

GPU_BLOCK_TOKENS = 16
CPU_BLOCK_TOKENS = 128
COMPRESSED_BLOCK_TOKENS = 256
_HOPPER, _BLACKWELL = 9, 10


@dataclass(frozen=True, slots=True)
class StatePage:
    """What the states of a hybrid model ask of its blocks.

    Attributes:
        state_bytes: of the largest state of one request.
        token_bytes: of one token in one attention layer; 0 where the model has none.
        chunk_tokens: of the scan's chunk, which blocks are multiples of where every block has a state; else 1.
        head_dim: of the attention layers; 0 where the model has none.
        is_latent: they are latent attention.

    """

    state_bytes: int
    token_bytes: int
    chunk_tokens: int = 1
    head_dim: int = 0
    is_latent: bool = False


def backend_block(shape: ModelShape, settings: CacheSettings) -> int:
    """Return the tokens of a block before states are looked at: as asked, or as the backend prefers."""
    mixers = [layer.mixer for layer in shape.layers]
    if any(isinstance(mixer, CompressedAttention) for mixer in mixers):
        return COMPRESSED_BLOCK_TOKENS
    latent = next((mixer for mixer in mixers if isinstance(mixer, LatentAttention)), None)
    forced = _forced_block(latent, settings)
    if forced is not None and (settings.block_size is None or settings.block_size % forced):
        return forced
    return settings.block_size or _preferred_block(shape, settings)


def _preferred_block(shape: ModelShape, settings: CacheSettings) -> int:
    if settings.platform is Platform.CPU:
        return CPU_BLOCK_TOKENS
    if settings.platform is Platform.XPU and settings.release.since(9, 2):
        return 64
    sizes = {mixer.head_dim for layer in shape.layers if isinstance(mixer := layer.mixer, Attention)}
    is_fp8 = (settings.kv_cache_dtype or "").startswith("fp8")
    if settings.release.since(31) and settings.generation == _HOPPER and is_fp8 and max(sizes, default=0) == 512:
        return 64
    return GPU_BLOCK_TOKENS


def _forced_block(latent: LatentAttention | None, settings: CacheSettings) -> int | None:
    """Return the block that the kernels of latent attention need; None where they take any."""
    if latent is None:
        return None
    if settings.platform is Platform.CPU:
        return GPU_BLOCK_TOKENS
    if settings.platform is not Platform.CUDA:
        return None
    if latent.index_dim:
        return 64
    if settings.generation == _BLACKWELL and settings.release.since(10):
        return _latent_block_on_blackwell(latent, settings)
    flash_mla = settings.generation == _HOPPER and not settings.release.since(18)
    return 64 if flash_mla else None


def _latent_block_on_blackwell(latent: LatentAttention, settings: CacheSettings) -> int:
    """FlashInfer from 0.16 on where it has the kernel, else CUTLASS."""
    if settings.release.since(18):
        return 32 if latent.nope_dim in (64, 128, 192) else 128
    return 64 if settings.release.since(16) and latent.nope_dim == 128 else 128


def hybrid_block(block: int, page: StatePage, settings: CacheSettings, mode: StateMode) -> int:
    """Return the tokens of an attention block whose page is not smaller than a state."""
    if not page.state_bytes or not page.token_bytes:
        return block
    step = _alignment(block, page, settings)
    if mode is StateMode.ALL:
        step = lcm(step, page.chunk_tokens)
    return max(block, round_up(-(-page.state_bytes // page.token_bytes), step))


def _alignment(block: int, page: StatePage, settings: CacheSettings) -> int:
    release = settings.release
    if history.aligns_in_backend(release):
        smallest = 32 if settings.platform is Platform.CPU else GPU_BLOCK_TOKENS
        return max(smallest, block, 128 if page.is_latent and history.aligns_latent_to_128(release) else 1)
    if page.is_latent and release.since(11, 1):
        return 64
    wide_heads = settings.generation == _BLACKWELL and page.head_dim == 256
    return 32 if wide_heads and release.since(12) and not release.since(18) else GPU_BLOCK_TOKENS
