"""What changed between the engine's releases in how it lays out and counts its cache.

Read in the sources of 0.8.5 to 0.32.0. Nothing else in this package compares releases.
"""

from enum import Enum, auto
from fractions import Fraction

from genmodel_operator.sizing.budget.release import Release
from genmodel_operator.sizing.cache.settings import CacheSettings, Platform


class Check(Enum):
    """What the start check compares with the memory of a device."""

    LAYERS = auto()
    """The layers of its own stage, each for itself: no padding is counted."""
    WHOLE_MODEL = auto()
    """The blocks of the whole model, also with pipeline parallelism."""
    STAGE = auto()
    """The blocks of its own stage."""


class StateMode(Enum):
    """How many states a request of a hybrid model keeps (``mamba_cache_mode``)."""

    NONE = auto()
    """The running one."""
    ALIGN = auto()
    """The running one and the last at the end of a block, for prefix caching."""
    ALL = auto()
    """One per block."""


def counts_whole_requests(release: Release) -> bool:
    """Whether the logged size is concurrency x length; before, tokens of a block in every group."""
    return release.since(21)


def weighs_pages(release: Release) -> bool:
    """Whether concurrency was counted in bytes of the first group's pages rather than in blocks."""
    return not release.since(27)


def start_check(release: Release) -> Check:
    """Return what the check "one request must fit" compares."""
    if not release.since(14):
        return Check.LAYERS
    return Check.STAGE if release.since(17) else Check.WHOLE_MODEL


def reserved_blocks(release: Release) -> int:
    """Return the blocks that the start check leaves to the engine itself."""
    return 1 if release.since(29) else 0


def has_hybrid_manager(release: Release, platform: Platform) -> bool:
    """Whether layers of different kinds keep only what they need; else all keep every token."""
    if platform in (Platform.CUDA, Platform.ROCM):
        return release.since(9, 1)
    return release.since(12)


def has_state_layers(release: Release) -> bool:
    """Whether the V1 engine serves state space models and linear attention."""
    return release.since(10)


def merges_sizes(release: Release) -> bool:
    """Whether layers of one kind but different sizes share a block table."""
    return release.since(11)


def scales_blocks(release: Release) -> bool:
    """Whether thinner layers get proportionally larger blocks, so that all pages are alike."""
    return release.since(12)


def pads_pages(release: Release) -> bool:
    """Whether pages that do not divide the largest are padded to it."""
    return release.since(24)


def promotes_windows(release: Release) -> bool:
    """Whether windows beside latent attention keep every token where pages cannot be made alike."""
    return release.since(28)


def padding_limit(release: Release) -> Fraction:
    """Return up to which ratio of the kinds' layer counts groups take the larger count instead of the smaller."""
    if release.since(18):
        return Fraction(3, 2)
    return Fraction(5, 4) if release.since(12) else Fraction(1)


def packs_blocks(release: Release) -> bool:
    """Whether pages of different sizes lie side by side in one block (DeepSeek-V4)."""
    return release.since(23)


def packs_generally(release: Release) -> bool:
    """Whether packing is the general rule for layouts with the block outermost, which pads no page."""
    return release.since(29)


def has_own_value_size(release: Release) -> bool:
    """Whether values are cached in their own size; before, in that of the keys."""
    return release.since(14)


def batches_in_flight(settings: CacheSettings, *, second_runner: bool) -> int:
    """Return for how many steps at once windows and chunks reserve (PR 47728)."""
    if not settings.release.since(26):
        return 1
    stages = settings.pipeline_parallel
    if settings.async_scheduling is False or settings.platform is Platform.CPU:
        return stages
    return stages + 1 if second_runner or stages == 1 else stages


def retained_tokens(settings: CacheSettings, draft_layers: int) -> int:
    """Return the tokens beyond the window that a chain of MTP layers reads again."""
    drafted = settings.num_speculative_tokens
    return drafted - 1 if settings.release.since(28) and min(draft_layers, drafted) > 1 else 0


def state_mode(settings: CacheSettings, *, is_state_space: bool) -> StateMode:
    """Return how states are cached; prefix caching of hybrid models is on by default from 0.26 on."""
    release, asked = settings.release, settings.prefix_caching
    enabled = release.since(26) if asked is None else asked
    if not enabled or not release.since(12):
        return StateMode.NONE
    drafts_aligned = release.since(21) and not release.since(22) and settings.num_speculative_tokens > 0
    if is_state_space and not release.since(28) and not drafts_aligned:
        return StateMode.ALL
    return StateMode.ALIGN if release.since(15) else StateMode.NONE


def counts_drafted_states(release: Release) -> bool:
    """Whether a request is counted with one more state per drafted token."""
    return release.since(15)


def drafts_with_all_states(release: Release) -> bool:
    """Whether the same holds where every block has a state."""
    return release.since(24)


def checkpoints_prefill(release: Release) -> bool:
    """Whether Mamba-2 keeps one more state, exported from inside a prefill step."""
    return release.since(29)


def aligns_in_backend(release: Release) -> bool:
    """Whether the block of hybrid models is a multiple of the backend's block instead of a fixed size."""
    return release.since(20)


def aligns_latent_to_128(release: Release) -> bool:
    """Whether hybrid models with latent attention have blocks of a multiple of 128 tokens."""
    return release.since(28)


def defaults_to_fp8(settings: CacheSettings) -> bool:
    """Whether GLM's sparse attention caches FP8 unless told otherwise: on Blackwell from 0.29 on."""
    return settings.release.since(29) and settings.platform is Platform.CUDA and settings.generation == 10


def obeys_modelopt(release: Release) -> bool:
    """Whether a cache format that a ModelOpt checkpoint declares is obeyed."""
    return release.since(14)


def obeys_compressed_tensors(release: Release) -> bool:
    """Whether a cache format that a compressed-tensors checkpoint declares is obeyed."""
    return release.since(17)
