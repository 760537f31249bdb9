"""The cache of every stage: how many blocks, tokens and requests fit into so many bytes.

Counts are those that the engine logs. ``available_bytes`` is the memory for the cache of one
device: one number for all pipeline stages, or one per stage.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from genmodel_operator.sizing.budget.release import Release
from genmodel_operator.sizing.cache import history
from genmodel_operator.sizing.cache.groups import Group
from genmodel_operator.sizing.cache.specs import LayerSpec

Bytes = int | Sequence[int]


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of the start check: the pages of ``spec`` times ``page_bytes``."""

    spec: LayerSpec
    page_bytes: int


@dataclass(frozen=True, slots=True)
class CacheLayout:
    """How the engine lays the cache out on the devices of each pipeline stage.

    Attributes:
        groups: layers that share a block table; empty where nothing is cached (encoders).
        stage_block_bytes: bytes of one block on one device of each pipeline stage.
        checks: what the engine's start check adds up, per stage.
        weights: by which concurrency counts the pages of each group; 1 but for old releases' packed groups.
        token_bytes: bytes of one token in all layers that keep every token, on the stage that has most;
            without padding.
        has_state: some layers keep a state of constant size per request.
        explanation: the arithmetic in one line, for people.

    """

    groups: tuple[Group, ...]
    stage_block_bytes: tuple[int, ...]
    checks: tuple[tuple[Term, ...], ...]
    weights: tuple[int, ...]
    token_bytes: int
    has_state: bool
    release: Release
    explanation: str

    @property
    def has_cache(self) -> bool:
        """Whether anything is cached at all."""
        return bool(self.groups)

    @property
    def block_tokens(self) -> int:
        """Tokens of the smallest block; 1 without a cache."""
        return min((group.block_tokens for group in self.groups), default=1)

    def blocks(self, available_bytes: Bytes) -> int:
        """Return the blocks that every stage can hold; 0 where nothing is left or nothing is cached."""
        if not self.has_cache:
            return 0
        stages = zip(self._per_stage(available_bytes), self.stage_block_bytes, strict=True)
        return min((max(0, memory) // block for memory, block in stages if block), default=0)

    def state_blocks(self, available_bytes: Bytes) -> int | None:
        """Return the blocks that bound ``max_num_seqs`` of a hybrid model; None for other models.

        The engine checks it only where it captures graphs (not with ``--enforce-eager``).
        """
        return self.blocks(available_bytes) if self.has_state else None

    def pages(self, length: int) -> int:
        """Return the blocks that one request of so many tokens needs at most."""
        return sum(group.pages(length) for group in self.groups)

    def kv_tokens(self, available_bytes: Bytes, max_model_len: int) -> int:
        """Return what this release logs as "GPU KV cache size", in tokens."""
        if not self.has_cache:
            return 0
        if history.counts_whole_requests(self.release):
            return int(self.max_concurrency(available_bytes, max_model_len) * max_model_len)
        return self.blocks(available_bytes) // len(self.groups) * self._counted_tokens(max_model_len)

    def max_concurrency(self, available_bytes: Bytes, max_model_len: int) -> float:
        """Return how many requests of so many tokens are held at once, as logged; infinity without a cache."""
        if not self.has_cache:
            return float("inf")
        return self.blocks(available_bytes) / self._counted_pages(max_model_len)

    def held_requests(self, available_bytes: Bytes, length: int) -> float:
        """Return how many requests of so many tokens really fit at once: safe to promise; infinity without a cache.

        The engine keeps one block for itself.
        """
        if not self.has_cache:
            return float("inf")
        if not self.starts(available_bytes, length):
            return 0.0
        return max(0, self.blocks(available_bytes) - 1) / self.pages(length)

    def checked_bytes(self, length: int) -> int:
        """Return the bytes that the engine says one request needs: "X GiB KV cache is needed"."""
        return max(self.checked_bytes_per_stage(length), default=0)

    def checked_bytes_per_stage(self, length: int) -> tuple[int, ...]:
        """Return ``checked_bytes`` of one device of each stage."""
        return tuple(sum(term.spec.pages(length) * term.page_bytes for term in terms) for terms in self.checks)

    def starts(self, available_bytes: Bytes, max_model_len: int) -> bool:
        """Return whether the engine's own check lets a server of this length start."""
        if not self.has_cache:
            return True
        reserved = history.reserved_blocks(self.release)
        needed = zip(self._checked_memory(available_bytes), self.checked_bytes_per_stage(max_model_len), strict=True)
        sizes = self.stage_block_bytes
        return all(
            memory > reserved * block and request <= memory - reserved * block
            for (memory, request), block in zip(needed, sizes, strict=True)
            if block
        )

    def longest_length(self, available_bytes: Bytes, limit: int) -> int:
        """Return what the engine prints as "estimated maximum model length": at most ``limit``; 0: none fits."""
        return _largest(limit, lambda length: self.starts(available_bytes, length))

    def needed_bytes(self, length: int, requests: int = 1) -> int:
        """Return the bytes with which a server starts and really holds so many requests of so many tokens at once.

        That is on the stage that needs most, with the block that the engine keeps for itself.
        """
        return max(self.needed_bytes_per_stage(length, requests), default=0)

    def needed_bytes_per_stage(self, length: int, requests: int = 1) -> tuple[int, ...]:
        """Return ``needed_bytes`` of one device of each stage; zeros where nothing is cached."""
        blocks = requests * self.pages(length) + 1 if self.has_cache else 0
        checked = zip(self.stage_block_bytes, self.checked_bytes_per_stage(length), strict=True)
        return tuple(max(blocks * block, request) if block else 0 for block, request in checked)

    def longest_promised(self, available_bytes: Bytes, limit: int, requests: int = 1) -> int:
        """Return the longest length up to ``limit`` of which so many requests really fit at once; 0: none does."""
        memory = self._per_stage(available_bytes)
        return _largest(limit, lambda length: self._holds(memory, length, requests))

    def _holds(self, memory: tuple[int, ...], length: int, requests: int) -> bool:
        needed = self.needed_bytes_per_stage(length, requests)
        return all(wanted <= given for wanted, given in zip(needed, memory, strict=True))

    def _per_stage(self, available_bytes: Bytes) -> tuple[int, ...]:
        if isinstance(available_bytes, int):
            return (available_bytes,) * len(self.stage_block_bytes)
        return tuple(available_bytes)

    def _checked_memory(self, available_bytes: Bytes) -> tuple[int, ...]:
        memory = self._per_stage(available_bytes)
        if history.start_check(self.release) is history.Check.WHOLE_MODEL:
            return (min(memory),) * len(memory)
        return memory

    def _counted_pages(self, length: int) -> int:
        """Return the blocks of a request as concurrency counts them."""
        held = sum(group.pages(length) * weight for group, weight in zip(self.groups, self.weights, strict=True))
        return -(-held // self.weights[0])

    def _counted_tokens(self, max_model_len: int) -> int:
        """Return the tokens of a block as older releases count them: a state spans the whole length."""
        growing = [group.block_tokens for group in self.groups if group.spec.limit != 0]
        return min(growing, default=max_model_len)


def _largest(limit: int, fits: Callable[[int], bool]) -> int:
    """Return the largest length from 1 to ``limit`` that fits, by bisection; 0 where not even 1 does."""
    low, high = 0, max(0, limit)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
