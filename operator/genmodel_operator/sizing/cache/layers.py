"""What every layer of a model caches on one device."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from genmodel_operator.sizing.budget.runner import uses_second_runner
from genmodel_operator.sizing.cache import history
from genmodel_operator.sizing.cache.blocks import StatePage, backend_block, hybrid_block
from genmodel_operator.sizing.cache.compressed import compressed_specs
from genmodel_operator.sizing.cache.formats import (
    cache_format,
    latent_bytes,
    served_bytes,
    sparse_latent_format,
    vector_bytes,
)
from genmodel_operator.sizing.cache.history import StateMode
from genmodel_operator.sizing.cache.settings import CacheSettings
from genmodel_operator.sizing.cache.specs import CachedLayer, Kind, LayerSpec
from genmodel_operator.sizing.cache.state import state_bytes, state_pages
from genmodel_operator.sizing.shape.model import (
    Attention,
    CompressedAttention,
    CrossAttention,
    EncoderAttention,
    GatedDeltaNet,
    LatentAttention,
    Mamba2,
    Mixer,
    ModelShape,
    Unsizable,
)

_INDEX_SCALE_BYTES = 4


@dataclass(frozen=True, slots=True)
class _Context:
    """What all layers of one model have in common."""

    shape: ModelShape
    settings: CacheSettings
    block: int
    state_page_bytes: int
    mode: StateMode
    in_flight: int
    retained: int
    cache_dtype: str
    served: int


def cached_layers(shape: ModelShape, settings: CacheSettings) -> tuple[CachedLayer, ...]:
    """Return the caches of all layers in order, drafting layers last. Raises ``Unsizable``."""
    context = _context(shape, settings)
    mixers = [None if layer.cache_of is not None else layer.mixer for layer in shape.layers]
    mixers += draft_mixers(shape, settings)
    specs = {mixer: _specs(mixer, context) for mixer in dict.fromkeys(mixers) if mixer is not None}
    return tuple(
        CachedLayer(index, spec) for index, mixer in enumerate(mixers) if mixer is not None for spec in specs[mixer]
    )


def draft_mixers(shape: ModelShape, settings: CacheSettings) -> list[Mixer]:
    """Return the attention of the MTP layers that are loaded: that of the model's last layer that keeps every token."""
    if settings.num_speculative_tokens <= 0:
        return []
    mixers = [layer.mixer for layer in shape.layers if layer.cache_of is None]
    for mixer in reversed(mixers):
        if isinstance(mixer, LatentAttention) or (
            isinstance(mixer, Attention) and not mixer.window and not mixer.chunk
        ):
            return [mixer] * max(1, shape.draft_layers)
        if isinstance(mixer, CompressedAttention):
            return [replace(mixer, ratio=0)] * max(1, shape.draft_layers)
    raise Unsizable("UnsupportedArchitecture", "num_speculative_tokens: no layer of the model keeps every token")


def _context(shape: ModelShape, settings: CacheSettings) -> _Context:
    batches = history.batches_in_flight(settings, second_runner=uses_second_runner(shape, settings.release))
    base = _Context(
        shape=shape,
        settings=settings,
        block=backend_block(shape, settings),
        state_page_bytes=0,
        mode=_state_mode(shape, settings),
        in_flight=batches * settings.max_num_batched_tokens,
        retained=history.retained_tokens(settings, shape.draft_layers),
        cache_dtype=cache_format(shape, settings),
        served=served_bytes(shape, settings),
    )
    states = [layer.mixer for layer in shape.layers if isinstance(layer.mixer, GatedDeltaNet | Mamba2)]
    return _with_states(base, states) if states else base


def _state_mode(shape: ModelShape, settings: CacheSettings) -> StateMode:
    scans = any(isinstance(layer.mixer, Mamba2) and layer.mixer.state for layer in shape.layers)
    return history.state_mode(settings, is_state_space=scans)


def _with_states(context: _Context, states: list[GatedDeltaNet | Mamba2]) -> _Context:
    """Return the context with blocks as large as the states need. Raises ``Unsizable`` for older releases."""
    settings = context.settings
    if not history.has_state_layers(settings.release):
        reason = f"vLLM {settings.release} has no cache for the states of linear attention and Mamba layers"
        raise Unsizable("UnsupportedArchitecture", f"{context.shape.architecture}: {reason}")
    largest = max(state_bytes(mixer, context.shape, settings) for mixer in states)
    attention = next(_attention_specs(context), None)
    token_bytes = attention.token_bytes if attention else 0
    page = StatePage(
        state_bytes=largest,
        token_bytes=token_bytes,
        chunk_tokens=max((mixer.chunk_size for mixer in states if isinstance(mixer, Mamba2)), default=1),
        head_dim=_head_dim(context.shape),
        is_latent=attention is not None and attention.kind is Kind.LATENT,
    )
    block = hybrid_block(context.block, page, settings, context.mode)
    return replace(context, block=block, state_page_bytes=max(largest, block * token_bytes))


def _head_dim(shape: ModelShape) -> int:
    return next((layer.mixer.head_dim for layer in shape.layers if isinstance(layer.mixer, Attention)), 0)


def _attention_specs(context: _Context) -> Iterator[LayerSpec]:
    for layer in context.shape.layers:
        if isinstance(layer.mixer, Attention | LatentAttention) and layer.cache_of is None:
            yield from _specs(layer.mixer, context)


def _specs(mixer: Mixer, context: _Context) -> list[LayerSpec]:
    """Return the caches of one layer: none for encoders, two with an indexer."""
    match mixer:
        case Attention():
            return [_attention(mixer, context)]
        case LatentAttention():
            return _latent(mixer, context)
        case CompressedAttention():
            return compressed_specs(mixer, context.cache_dtype, in_flight=context.in_flight)
        case GatedDeltaNet() | Mamba2():
            return [_state(mixer, context)]
        case CrossAttention():
            return [_cross(mixer, context)]
        case EncoderAttention():
            return []


def _attention(mixer: Attention, context: _Context) -> LayerSpec:
    heads = max(1, mixer.kv_heads // context.settings.tensor_parallel)
    value_dim = mixer.value_dim if history.has_own_value_size(context.settings.release) else mixer.head_dim
    key = vector_bytes(mixer.head_dim, context.cache_dtype, context.served)
    value = vector_bytes(value_dim, context.cache_dtype, context.served)
    spec = _paged(Kind.FULL, heads * (key + value), context, _heads_arithmetic(heads, mixer.head_dim, key, value))
    spec = replace(spec, form=(heads, mixer.head_dim, value_dim))
    if mixer.window:
        limit = mixer.window - 1 + context.retained + context.in_flight
        return replace(spec, kind=Kind.WINDOW, limit=limit, spare=1)
    if mixer.chunk:
        return replace(spec, kind=Kind.CHUNK, limit=mixer.chunk + context.in_flight)
    return spec


def _heads_arithmetic(heads: int, head_dim: int, key: int, value: int) -> str:
    if key != value:
        return f"{heads} heads x ({key} + {value} bytes)"
    if key % head_dim:
        return f"2 x {heads} heads x {key} bytes"
    return f"2 x {heads} heads x {head_dim} x {key // head_dim} bytes"


def _latent(mixer: LatentAttention, context: _Context) -> list[LayerSpec]:
    elements, cache_dtype = mixer.kv_rank + mixer.rope_dim, context.cache_dtype
    if mixer.index_dim:
        cache_dtype = sparse_latent_format(cache_dtype, context.settings)
    vector = latent_bytes(elements, cache_dtype, context.served)
    arithmetic = f"{elements} x {vector // elements} bytes" if vector % elements == 0 else f"{vector} bytes"
    specs = [replace(_paged(Kind.LATENT, vector, context, arithmetic), form=(elements,))]
    if mixer.index_dim:
        index = mixer.index_dim + ceil(mixer.index_dim / 128) * _INDEX_SCALE_BYTES
        specs.append(replace(_paged(Kind.LATENT, index, context, f"{index} bytes of the indexer"), form=(index,)))
    return specs * mixer.repeats


def _paged(kind: Kind, token_bytes: int, context: _Context, arithmetic: str) -> LayerSpec:
    return LayerSpec(
        kind=kind,
        block_tokens=context.block,
        page_bytes=token_bytes * context.block,
        token_bytes=token_bytes,
        arithmetic=arithmetic,
    )


def _state(mixer: GatedDeltaNet | Mamba2, context: _Context) -> LayerSpec:
    held = state_bytes(mixer, context.shape, context.settings)
    return LayerSpec(
        kind=Kind.STATE,
        block_tokens=context.block,
        page_bytes=max(held, context.state_page_bytes),
        token_bytes=held,
        limit=None if context.mode is StateMode.ALL else 0,
        spare=state_pages(mixer, context.settings, context.mode),
        form=(held,),
        arithmetic=f"{held} bytes of state",
    )


def _cross(mixer: CrossAttention, context: _Context) -> LayerSpec:
    heads = max(1, mixer.kv_heads // context.settings.tensor_parallel)
    vector = vector_bytes(mixer.head_dim, context.cache_dtype, context.served)
    arithmetic = _heads_arithmetic(heads, mixer.head_dim, vector, vector)
    spec = _paged(Kind.CROSS, 2 * heads * vector, context, arithmetic)
    return replace(spec, limit=0, spare=-(-mixer.encoder_tokens // context.block), form=(heads, mixer.head_dim))
