"""Layers that share a block table, and the rules by which the engine forms them.

A block is one page of every layer of the largest group; each group takes its blocks from the same
pool. So all pages are made alike, and groups get about the same number of layers.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from genmodel_operator.sizing.cache import history
from genmodel_operator.sizing.cache.settings import CacheSettings
from genmodel_operator.sizing.cache.specs import GROWING, CachedLayer, Kind, LayerSpec
from genmodel_operator.sizing.shape.model import Unsizable


@dataclass(frozen=True, slots=True)
class Group:
    """Layers with one block table. All have the same kind and hold the same pages of a request."""

    layers: tuple[CachedLayer, ...]

    @property
    def spec(self) -> LayerSpec:
        """The first layer's cache; others differ in size alone."""
        return self.layers[0].spec

    @property
    def block_tokens(self) -> int:
        """Tokens of one block of this group."""
        return self.spec.block_tokens

    @property
    def page_bytes(self) -> int:
        """Bytes of one block of this group on one device, all its layers together."""
        return sum(cached.spec.page_bytes for cached in self.layers)

    def pages(self, length: int) -> int:
        """Return the blocks that one request of so many tokens takes from the pool at most."""
        return self.spec.pages(length)

    def on(self, layers: range) -> "tuple[CachedLayer, ...]":
        """Return those of these model layers."""
        return tuple(cached for cached in self.layers if cached.layer in layers)


def form_groups(caches: tuple[CachedLayer, ...], settings: CacheSettings, *, is_managed: bool) -> tuple[Group, ...]:
    """Return the groups of a whole model; ``is_managed``: layers of different kinds keep only what they need.

    Raises ``Unsizable`` where this release cannot serve caches of such unlike sizes.
    """
    if not is_managed:
        caches = _all_kept(caches)
    if not caches:
        return ()
    if _is_alike(caches, settings):
        return (Group(caches),)
    if not is_managed:
        raise _refusal(settings, "needs the hybrid KV cache manager, which is off: its layers keep states")
    try:
        return _split(_paged_alike(caches, settings), settings)
    except Unsizable:
        if not history.promotes_windows(settings.release) or not _is_alike(promoted := _all_kept(caches), settings):
            raise
        return (Group(promoted),)


def _is_alike(caches: tuple[CachedLayer, ...], settings: CacheSettings) -> bool:
    """Whether one block table serves all: the same kind, block and pages per request."""
    first = caches[0].spec
    sizes = {cached.spec.page_bytes for cached in caches}
    if len(sizes) > 1 and not history.merges_sizes(settings.release):
        return False
    if first.kind in GROWING:
        return all(cached.spec.kind in GROWING and cached.spec.block_tokens == first.block_tokens for cached in caches)
    key = (first.kind, first.block_tokens, first.limit, first.spare)
    return all(
        (spec.kind, spec.block_tokens, spec.limit, spec.spare) == key
        and (spec.kind is not Kind.STATE or spec.page_bytes == first.page_bytes)
        for spec in (cached.spec for cached in caches)
    )


def _all_kept(caches: tuple[CachedLayer, ...]) -> tuple[CachedLayer, ...]:
    """Return windows, chunks and cross attention as full attention, where a layer of that kind is beside them."""
    blocks = {cached.spec.block_tokens for cached in caches if cached.spec.kind in GROWING}
    if not blocks:
        return caches
    local = (Kind.WINDOW, Kind.CHUNK, Kind.LATENT_WINDOW, Kind.CROSS)
    return tuple(
        replace(cached, spec=cached.spec.keeping_all(max(blocks))) if cached.spec.kind in local else cached
        for cached in caches
    )


def _paged_alike(caches: tuple[CachedLayer, ...], settings: CacheSettings) -> tuple[CachedLayer, ...]:
    """Return the layers with pages of one size: larger blocks for thinner layers, else padding."""
    largest = max(cached.spec.page_bytes for cached in caches)
    return tuple(replace(cached, spec=_resized(cached.spec, largest, settings)) for cached in caches)


def _resized(spec: LayerSpec, page_bytes: int, settings: CacheSettings) -> LayerSpec:
    if spec.page_bytes == page_bytes:
        return spec
    divides = page_bytes % spec.page_bytes == 0
    if spec.kind is not Kind.STATE and divides and history.scales_blocks(settings.release):
        block = spec.block_tokens * (page_bytes // spec.page_bytes)
        return replace(spec, block_tokens=block, page_bytes=page_bytes)
    if spec.kind is not Kind.LATENT and history.pads_pages(settings.release):
        return replace(spec, page_bytes=page_bytes)
    raise _refusal(settings, f"has caches with pages of {spec.page_bytes} and {page_bytes} bytes, which do not match")


def _split(caches: tuple[CachedLayer, ...], settings: CacheSettings) -> tuple[Group, ...]:
    """Return groups of about as many layers as the rarest kind has."""
    kinds: dict[LayerSpec, list[CachedLayer]] = defaultdict(list)
    for cached in caches:
        kinds[cached.spec].append(cached)
    fewest, most = min(map(len, kinds.values())), max(map(len, kinds.values()))
    size = most if most < fewest * history.padding_limit(settings.release) else fewest
    groups: list[Group] = []
    for layers in kinds.values():
        count = -(-len(layers) // size)
        groups.extend(Group(tuple(layers[first::count])) for first in range(count))
    return tuple(groups)


def _refusal(settings: CacheSettings, what: str) -> Unsizable:
    return Unsizable("UnsupportedArchitecture", f"vLLM {settings.release} cannot serve this model: it {what}")
