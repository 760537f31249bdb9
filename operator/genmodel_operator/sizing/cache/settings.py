"""What decides the cache of a model besides its shape: the engine's release and its flags."""

from dataclasses import dataclass
from enum import StrEnum

from genmodel_operator.sizing.budget.release import Release


class Platform(StrEnum):
    """What the engine runs on."""

    CUDA = "cuda"
    ROCM = "rocm"
    XPU = "xpu"
    CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """Flags and facts of one engine.

    Attributes:
        release: of vLLM.
        dtype: the type the model is served in (bfloat16, float16, float32); None: as the shape says.
        kv_cache_dtype: ``--kv-cache-dtype``; None and "auto": as the engine decides.
        block_size: ``--block-size`` in tokens; None: as the attention backend prefers.
        max_num_batched_tokens: tokens of one step; windows and chunks reserve for them.
        num_speculative_tokens: drafted by the checkpoint's own MTP layers.
        prefix_caching: ``--enable-prefix-caching``; None: the release's default.
        hybrid_manager: False with ``--disable-hybrid-kv-cache-manager``; None: the release's default.
        async_scheduling: False with ``--no-async-scheduling``; None: the release's default.
        state_dtype: ``--mamba-ssm-cache-dtype``; None and "auto": as the model says.
        compute_capability: of the device, as (9, 0); None: unknown, taken as Hopper's.

    """

    release: Release
    dtype: str | None = None
    kv_cache_dtype: str | None = None
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    block_size: int | None = None
    max_num_batched_tokens: int = 8192
    num_speculative_tokens: int = 0
    prefix_caching: bool | None = None
    hybrid_manager: bool | None = None
    async_scheduling: bool | None = None
    state_dtype: str | None = None
    platform: Platform = Platform.CUDA
    compute_capability: tuple[int, int] | None = None

    @property
    def generation(self) -> int:
        """The major compute capability of an NVIDIA device: 9 Hopper, 10 Blackwell, 12 Blackwell for workstations."""
        return (self.compute_capability or (9, 0))[0]
