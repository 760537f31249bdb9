"""What one layer caches: the size of its page and how many pages a request holds."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of caches; only layers of one kind share a block table."""

    FULL = "full attention"
    LATENT = "latent attention"
    WINDOW = "sliding window"
    LATENT_WINDOW = "window of compressed attention"
    CHUNK = "chunked attention"
    STATE = "state"
    CROSS = "cross attention"


GROWING = frozenset({Kind.FULL, Kind.LATENT})
"""Kinds that keep every token of a request and share a block table whatever their sizes."""


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """The cache of one layer on one device.

    Attributes:
        block_tokens: tokens of one page.
        page_bytes: of one page, with padding.
        token_bytes: of one token; of the whole state where it does not grow.
        limit: tokens of a request that are kept at most; None: all.
        spare: pages of a request on top of those of its tokens.
        form: heads and sizes; layers of other forms have a block table of their own.
        arithmetic: of ``token_bytes``, for people.

    """

    kind: Kind
    block_tokens: int
    page_bytes: int
    token_bytes: int
    limit: int | None = None
    spare: int = 0
    form: tuple[int, ...] = ()
    arithmetic: str = ""

    def pages(self, length: int) -> int:
        """Return the pages that a request of so many tokens holds at most."""
        return pages(length, block_tokens=self.block_tokens, limit=self.limit, spare=self.spare)

    def keeping_all(self, block_tokens: int) -> "LayerSpec":
        """Return the same layer with a page for every token, in blocks of so many tokens."""
        kind = Kind.LATENT if self.kind is Kind.LATENT_WINDOW else Kind.FULL
        page_bytes = self.page_bytes * block_tokens // self.block_tokens
        return replace(self, kind=kind, limit=None, spare=0, block_tokens=block_tokens, page_bytes=page_bytes)


@dataclass(frozen=True, slots=True)
class CachedLayer:
    """One cache of a layer: ``layer`` counts drafting layers behind the model's own."""

    layer: int
    spec: LayerSpec


def pages(length: int, *, block_tokens: int, limit: int | None, spare: int) -> int:
    """Return the pages for so many tokens of which at most ``limit`` are kept."""
    kept = length if limit is None else min(limit, length)
    return -(-kept // block_tokens) + spare


def round_up(number: int, multiple: int) -> int:
    """Return the smallest multiple that is not below ``number``."""
    return -(-number // multiple) * multiple
