"""The arithmetic of a cache in words that a person can check."""

from collections import Counter

from genmodel_operator.sizing.cache.groups import Group
from genmodel_operator.sizing.cache.specs import GROWING, LayerSpec


def explain(groups: tuple[Group, ...], stage_block_bytes: tuple[int, ...]) -> str:
    """Return one line: the bytes of a token, or what every kind of layer keeps and how they share blocks."""
    if not groups:
        return "nothing is cached"
    counts = Counter(cached.spec for group in groups for cached in group.layers)
    if len(groups) == 1 and groups[0].spec.kind in GROWING:
        return _per_token(counts)
    parts = "; ".join(_kept(spec, count) for spec, count in counts.items())
    tables = f"{len(groups)} groups share blocks of {max(stage_block_bytes)} bytes"
    return f"{parts}; {tables}"


def _per_token(counts: Counter[LayerSpec]) -> str:
    total = sum(spec.token_bytes * count for spec, count in counts.items())
    return " + ".join(f"{spec.arithmetic} x {count} layers" for spec, count in counts.items()) + (
        f" = {total} bytes per token"
    )


def _kept(spec: LayerSpec, count: int) -> str:
    if spec.kind in GROWING:
        return f"{count} layers keep every token in blocks of {spec.block_tokens}: {spec.arithmetic} each"
    if not spec.limit:
        kept = "per block" if spec.limit is None else f"in {spec.spare} blocks per request"
        return f"{count} layers keep {spec.arithmetic} {kept}"
    return (
        f"{count} layers keep at most {spec.limit} tokens of a request in blocks of {spec.block_tokens}: "
        f"{spec.arithmetic} each"
    )
