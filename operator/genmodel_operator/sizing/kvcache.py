"""The KV cache of plain attention, in the engine's own blocks."""

from dataclasses import dataclass

from genmodel_operator.sizing.architecture import Architecture
from genmodel_operator.sizing.evidence import Attention

GPU_BLOCK_TOKENS = 16
"""Tokens of one cache block on GPUs (all releases from 0.8 on)."""
CPU_BLOCK_TOKENS = 128
"""Tokens of one cache block on CPU, unless ``--block-size`` says otherwise (read in 0.32's source)."""
_RESERVED_BLOCKS = 1
"""The engine keeps one block as a placeholder and never gives it to a request."""


@dataclass(frozen=True, slots=True)
class KVCache:
    """The cache of one device.

    Attributes:
        token_layer_bytes: keys and values of one token in one layer on one device.
        layers: layers with a cache.
        block_tokens: tokens of one block.
        spare_blocks: blocks that each request may need on top of its tokens.

    """

    token_layer_bytes: int
    layers: int
    block_tokens: int
    spare_blocks: int = 0

    @property
    def token_bytes(self) -> int:
        """Bytes of one token in all layers."""
        return self.token_layer_bytes * self.layers

    @property
    def block_bytes(self) -> int:
        """Bytes of one block in all layers."""
        return self.token_bytes * self.block_tokens

    def blocks(self, cache_bytes: int) -> int:
        """Return the whole blocks that fit into so many bytes."""
        return max(0, cache_bytes) // self.block_bytes

    def tokens(self, cache_bytes: int) -> int:
        """Return the tokens that the engine logs as the size of a cache of so many bytes."""
        return self.blocks(cache_bytes) * self.block_tokens

    def request_blocks(self, length: int) -> int:
        """Return the blocks that one request of so many tokens needs at most."""
        return -(-length // self.block_tokens) + self.spare_blocks

    def needed_bytes(self, length: int, concurrency: int) -> int:
        """Return the bytes that hold so many requests of so many tokens at once."""
        return (concurrency * self.request_blocks(length) + _RESERVED_BLOCKS) * self.block_bytes

    def concurrency(self, cache_bytes: int, length: int) -> float:
        """Return how many requests of so many tokens a cache of so many bytes holds at once."""
        return max(0, self.blocks(cache_bytes) - _RESERVED_BLOCKS) / self.request_blocks(length)


def kv_cache(
    architecture: Architecture, attention: Attention, *, element_bytes: int, tensor_parallel: int, block_tokens: int
) -> KVCache | None:
    """Return the cache that one device keeps, or None for encoders, which keep none.

    A device has its share of the key/value heads, and at least one: a copy where there are more
    devices than heads.
    """
    if not attention.has_cache:
        return None
    heads = -(-architecture.kv_heads // tensor_parallel)
    return KVCache(
        token_layer_bytes=2 * heads * architecture.head_dim * element_bytes,
        layers=architecture.layers,
        block_tokens=block_tokens,
        spare_blocks=1 if attention.is_windowed else 0,
    )
