"""From a model's shape and the engine's flags to the layout of its cache."""

from collections import Counter

from genmodel_operator.sizing.cache import history
from genmodel_operator.sizing.cache.explain import explain
from genmodel_operator.sizing.cache.groups import Group, form_groups
from genmodel_operator.sizing.cache.layers import cached_layers, draft_mixers
from genmodel_operator.sizing.cache.layout import CacheLayout, Term
from genmodel_operator.sizing.cache.packing import block_bytes, is_packed, pack_groups
from genmodel_operator.sizing.cache.settings import CacheSettings
from genmodel_operator.sizing.cache.specs import GROWING, CachedLayer, Kind
from genmodel_operator.sizing.cache.stages import stage_layers
from genmodel_operator.sizing.shape.model import Attention, ModelShape, Unsizable


def cache_layout(shape: ModelShape, settings: CacheSettings) -> CacheLayout:
    """Return how the engine lays out the cache of a model.

    Raises ``Unsizable`` with a reason that names the field where that cannot be computed.
    """
    _check(settings)
    caches = cached_layers(shape, settings)
    packed = is_packed(caches)
    groups = pack_groups(caches, settings) if packed else _managed_groups(shape, settings, caches)
    drafts = len(draft_mixers(shape, settings))
    stages = stage_layers(len(shape.layers), settings.pipeline_parallel, drafts)
    sizes = tuple(
        block_bytes(groups, layers, settings) if packed else _block_bytes(groups, layers) for layers in stages
    )
    return CacheLayout(
        groups=groups,
        stage_block_bytes=sizes if groups else (0,) * len(stages),
        checks=_checks(groups, caches, stages, sizes, settings),
        weights=_weights(groups, settings, packed=packed),
        token_bytes=max(_token_bytes(groups, layers) for layers in stages),
        has_state=any(cached.spec.kind is Kind.STATE for cached in caches),
        release=settings.release,
        explanation=explain(groups, sizes),
    )


def _check(settings: CacheSettings) -> None:
    """Raise ``Unsizable`` for numbers that no engine takes."""
    positive = {
        "tensor_parallel_size": settings.tensor_parallel,
        "pipeline_parallel_size": settings.pipeline_parallel,
        "max_num_batched_tokens": settings.max_num_batched_tokens,
        "block_size": 1 if settings.block_size is None else settings.block_size,
        "num_speculative_tokens": settings.num_speculative_tokens + 1,
    }
    for name, value in positive.items():
        if value < 1:
            raise Unsizable("InvalidRequest", f"{name}: {value if 'spec' not in name else value - 1} is too small")


def _managed_groups(shape: ModelShape, settings: CacheSettings, caches: tuple[CachedLayer, ...]) -> tuple[Group, ...]:
    return form_groups(caches, settings, is_managed=_is_managed(shape, settings))


def _is_managed(shape: ModelShape, settings: CacheSettings) -> bool:
    """Whether the hybrid KV cache manager is on; chunked attention turns it off (it would cost latency)."""
    chunked = any(isinstance(layer.mixer, Attention) and layer.mixer.chunk for layer in shape.layers)
    available = history.has_hybrid_manager(settings.release, settings.platform)
    return available and not chunked and settings.hybrid_manager is not False


def _block_bytes(groups: tuple[Group, ...], layers: range) -> int:
    return max((sum(cached.spec.page_bytes for cached in group.on(layers)) for group in groups), default=0)


def _weights(groups: tuple[Group, ...], settings: CacheSettings, *, packed: bool) -> tuple[int, ...]:
    weighed = packed and history.weighs_pages(settings.release)
    return tuple(group.page_bytes if weighed else 1 for group in groups)


def _token_bytes(groups: tuple[Group, ...], layers: range) -> int:
    return sum(
        cached.spec.token_bytes for group in groups for cached in group.on(layers) if cached.spec.kind in GROWING
    )


def _checks(
    groups: tuple[Group, ...],
    caches: tuple[CachedLayer, ...],
    stages: tuple[range, ...],
    sizes: tuple[int, ...],
    settings: CacheSettings,
) -> tuple[tuple[Term, ...], ...]:
    """Return what the start check adds up on each stage."""
    match history.start_check(settings.release):
        case history.Check.LAYERS:
            return tuple(_layer_terms(caches, layers) for layers in stages)
        case history.Check.WHOLE_MODEL:
            whole = _block_bytes(groups, range(stages[-1].stop))
            return (tuple(Term(group.spec, whole) for group in groups),) * len(stages)
        case history.Check.STAGE:
            return tuple(tuple(Term(group.spec, size) for group in groups) for size in sizes)


def _layer_terms(caches: tuple[CachedLayer, ...], layers: range) -> tuple[Term, ...]:
    counts = Counter(cached.spec for cached in caches if cached.layer in layers)
    return tuple(Term(spec, spec.page_bytes * count) for spec, count in counts.items())
