"""Groups of compressed attention, whose pages of unlike sizes lie side by side in a block.

Layers that repeat as a pattern (a large, a middle and a small page) are packed together; the
windows are split into groups of about as many repeats, so that their blocks fit the same memory.
"""

from collections import Counter, defaultdict
from dataclasses import replace

from genmodel_operator.sizing.cache import history
from genmodel_operator.sizing.cache.groups import Group
from genmodel_operator.sizing.cache.settings import CacheSettings
from genmodel_operator.sizing.cache.specs import CachedLayer, Kind
from genmodel_operator.sizing.shape.model import Unsizable

_Bucket = tuple[CachedLayer, ...]


def is_packed(caches: tuple[CachedLayer, ...]) -> bool:
    """Whether the model has windows of compressed attention, which only packing serves."""
    return any(cached.spec.kind is Kind.LATENT_WINDOW for cached in caches)


def pack_groups(caches: tuple[CachedLayer, ...], settings: CacheSettings) -> tuple[Group, ...]:
    """Return the groups of a model with compressed attention."""
    buckets = _buckets(caches)
    if history.packs_generally(settings.release):
        return _packed_generally(buckets)
    return _packed_beside_full(buckets)


def block_bytes(groups: tuple[Group, ...], layers: range, settings: CacheSettings) -> int:
    """Return the bytes of one block on a stage with these layers."""
    if history.packs_generally(settings.release):
        return max(sum(cached.spec.page_bytes for cached in group.on(layers)) for group in groups)
    slots: dict[int, int] = defaultdict(int)
    for group in groups:
        for page_bytes, count in Counter(cached.spec.page_bytes for cached in group.on(layers)).items():
            slots[page_bytes] = max(slots[page_bytes], count)
    if history.packs_blocks(settings.release):
        return sum(page_bytes * count for page_bytes, count in slots.items())
    return sum(slots) * max(slots.values(), default=0)


def _buckets(caches: tuple[CachedLayer, ...]) -> list[_Bucket]:
    """Return layers of one kind, block and window together, in the order of their first layer."""
    found: dict[tuple[Kind, int, int | None], list[CachedLayer]] = defaultdict(list)
    for cached in caches:
        found[cached.spec.kind, cached.spec.block_tokens, cached.spec.limit].append(cached)
    return [tuple(bucket) for bucket in found.values()]


def _packed_beside_full(buckets: list[_Bucket]) -> tuple[Group, ...]:
    """Pad the windows' pages to those of the growing rows and split them into groups (0.21 to 0.28)."""
    full = next((bucket for bucket in buckets if bucket[0].spec.kind is Kind.LATENT), None)
    if full is None:
        raise Unsizable("UnsupportedArchitecture", "compress_ratios: no layer compresses")
    sizes = sorted({cached.spec.page_bytes for cached in full})
    if max(cached.spec.page_bytes for bucket in buckets for cached in bucket) > sizes[-1]:
        raise Unsizable("UnsupportedArchitecture", "compress_ratios: without layers of ratio 4 the windows do not fit")
    others = [_padded(bucket, sizes) for bucket in buckets if bucket is not full]
    repeats = _least_padding([_repeats(bucket) for bucket in (full, *others)], lowest=_repeats(full))
    split = [group for bucket in others for group in _split(bucket, -(-_repeats(bucket) // repeats))]
    return (Group(full), *split)


def _packed_generally(buckets: list[_Bucket]) -> tuple[Group, ...]:
    """Split every balanced bucket by the repeats of the largest mixed one (from 0.29 on)."""
    balanced = [bucket for bucket in buckets if _is_balanced(bucket)]
    lowest = max((_repeats(bucket) for bucket in balanced if len(_by_size(bucket)) > 1), default=0)
    if not lowest:
        return tuple(Group(part) for bucket in buckets for part in _split_to_fit(bucket, buckets))
    repeats = _least_padding([_repeats(bucket) for bucket in balanced], lowest=lowest)
    counts = [-(-_repeats(bucket) // repeats) if _is_balanced(bucket) else 1 for bucket in buckets]
    return tuple(group for bucket, count in zip(buckets, counts, strict=True) for group in _split(bucket, count))


def _split_to_fit(bucket: _Bucket, buckets: list[_Bucket]) -> list[_Bucket]:
    """Return a window's layers in groups that a block of the largest other bucket holds; others whole."""
    if bucket[0].spec.kind is not Kind.LATENT_WINDOW:
        return [bucket]
    sizes = [_widest(other) for other in buckets]
    fitting = max(1, max(sizes) // bucket[0].spec.page_bytes)
    count = -(-len(bucket) // fitting)
    return [bucket[first::count] for first in range(count)]


def _widest(bucket: _Bucket) -> int:
    """Return the bytes that a block must hold of a bucket: one page of a window, all of what grows."""
    if bucket[0].spec.kind is Kind.LATENT_WINDOW:
        return max(cached.spec.page_bytes for cached in bucket)
    return sum(cached.spec.page_bytes for cached in bucket)


def _padded(bucket: _Bucket, sizes: list[int]) -> _Bucket:
    """Return the layers with each page as large as the next of the given sizes."""
    return tuple(
        replace(cached, spec=replace(cached.spec, page_bytes=min(s for s in sizes if s >= cached.spec.page_bytes)))
        for cached in bucket
    )


def _by_size(bucket: _Bucket) -> dict[int, list[CachedLayer]]:
    sizes: dict[int, list[CachedLayer]] = defaultdict(list)
    for cached in bucket:
        sizes[cached.spec.page_bytes].append(cached)
    return sizes


def _repeats(bucket: _Bucket) -> int:
    return max(map(len, _by_size(bucket).values()))


def _is_balanced(bucket: _Bucket) -> bool:
    return len(set(map(len, _by_size(bucket).values()))) == 1


def _split(bucket: _Bucket, count: int) -> list[Group]:
    """Return so many groups, each with every n-th repeat of the pattern."""
    if count <= 1:
        return [Group(bucket)]
    pattern = list(zip(*_by_size(bucket).values(), strict=True))
    return [Group(tuple(cached for repeat in pattern[first::count] for cached in repeat)) for first in range(count)]


def _least_padding(counts: list[int], *, lowest: int) -> int:
    """Return the group size, from ``lowest`` to the largest count, that pads least; the larger of equals."""
    candidates = range(max(1, lowest), max(counts) + 1)
    return max(candidates, key=lambda size: (-sum(-count % size for count in counts), size))
