"""What it means that a model fits: how memory is counted, what is given up for it, and in which order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.sizing.accelerators import NodeGroup
from genmodel_operator.sizing.budget.defaults import Batch
from genmodel_operator.sizing.cache.layout import CacheLayout
from genmodel_operator.sizing.corrections import Learnt
from genmodel_operator.sizing.memory import GIB, whole
from genmodel_operator.sizing.precision import Served
from genmodel_operator.sizing.server import Server
from genmodel_operator.sizing.subject import Subject
from genmodel_operator.sizing.tensors.model import DeviceWeights

LENGTH_STEP = 16
"""A length that the planner chooses is a multiple of this."""
SHORTEST_CHOSEN = 2048
"""The planner never chooses less than this, or the model's own limit where that is smaller."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder of what is given up so that a model fits: batch limits and a format of the cache."""

    batch: Batch
    kv_cache_dtype: str | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Bytes of one device (on CPU: of the container) at one length and batch.

    Attributes:
        overheads: what is neither weights, cache nor activation, by its name.
        margin: the least that is kept free.

    """

    total: int
    weights: int
    activation: int
    overheads: tuple[tuple[str, int], ...]
    margin: int

    @property
    def overhead(self) -> int:
        """All overheads together."""
        return sum(size for _, size in self.overheads)

    @property
    def beside_cache(self) -> int:
        """Everything but the cache."""
        return self.weights + self.activation + self.overhead + self.margin

    @property
    def room(self) -> int:
        """What is left for the cache; negative where the rest takes more than there is."""
        return self.total - self.beside_cache


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to serve the model on a candidate, whether it fits or not.

    Attributes:
        length: tokens per request.
        cache_needed: bytes that hold the requests that must fit.
        full: batch limits that the model would have if memory were not short.
        states: requests that can have a state at once, where that bounds the batch; None where it does not.

    """

    server: Server
    length: int
    full: Batch
    load: Load
    cache: CacheLayout
    cache_needed: int
    learnt: Learnt
    states: int | None = None

    @property
    def short(self) -> int:
        """Bytes that are missing; 0 where it fits."""
        return max(0, self.cache_needed - self.load.room)

    @property
    def batch(self) -> Batch:
        """The engine's batch limits."""
        return self.server.batch

    @property
    def cache_scale(self) -> float:
        """How many times the estimated cache a token takes, as far as that was measured."""
        return scale_of(self.cache, self.learnt)

    def needed(self, requests: int) -> int:
        """Return the bytes of cache that so many requests of full length fill, in whole blocks."""
        return needed_bytes(self.cache, self.learnt, self.length, requests)


@dataclass(frozen=True, slots=True)
class Fit:
    """A candidate that holds what was asked for. ``load.total`` and ``cache_bytes`` are final."""

    group: NodeGroup
    served: Served
    attempt: Attempt
    weights: DeviceWeights
    load: Load
    cache_bytes: int
    host_bytes: int

    @property
    def cache(self) -> CacheLayout:
        """How the engine lays the cache out."""
        return self.attempt.cache

    @property
    def length(self) -> int:
        """Tokens per request."""
        return self.attempt.length

    @property
    def batch(self) -> Batch:
        """The engine's batch limits."""
        return self.attempt.batch

    @property
    def tensor_parallel(self) -> int:
        """Devices that every layer is divided over."""
        return self.attempt.server.layout.tensor_parallel

    @property
    def tokens(self) -> int:
        """Tokens that the cache holds as the engine logs them, by measurement where there is one."""
        return round(self.cache.kv_tokens(self.cache_bytes, self.length) / self.attempt.cache_scale)

    @property
    def concurrency(self) -> float:
        """Requests of full length that are held at once, rounded down to hundredths."""
        if not self.cache.has_cache:
            return float(min(self.batch.max_num_seqs, self.batch.max_num_batched_tokens // self.length))
        return int(100 * self.cache.held_requests(self.cache_bytes, self.length) / self.attempt.cache_scale) / 100

    @property
    def count(self) -> int:
        """Devices per replica; 0 on CPU."""
        return self.tensor_parallel if self.group.is_gpu else 0


@dataclass(frozen=True, slots=True)
class Rejection:
    """A candidate that does not serve. ``short_bytes`` is set where memory was what it lacked."""

    group: NodeGroup
    count: int
    reason: str
    short_bytes: int | None = None


def scale_of(cache: CacheLayout, learnt: Learnt) -> float:
    """Return how many times the estimated cache a token takes."""
    return learnt.cache_scale(cache.kv_tokens) if cache.has_cache else 1.0


def needed_bytes(cache: CacheLayout, learnt: Learnt, length: int, requests: int) -> int:
    """Return the bytes of cache that so many requests of so many tokens fill, in whole blocks."""
    if not cache.has_cache:
        return 0
    scale = scale_of(cache, learnt)
    needed = cache.needed_bytes(length, requests)
    return whole(needed if scale == 1.0 else int(needed * scale) + 1, cache.stage_block_bytes[0])


def batch_at(subject: Subject, base: Batch, length: int) -> Batch:
    """Return batch limits that serve requests of this length.

    Pooling models take a whole input in one step, and encoders all inputs that must fit at once.
    """
    seqs = max(base.max_num_seqs, subject.concurrency)
    inputs = length if subject.task is not ServedTask.GENERATE else 0
    if not subject.keeps_cache:
        inputs = length * subject.concurrency
    return Batch(max_num_seqs=seqs, max_num_batched_tokens=max(base.max_num_batched_tokens, seqs, inputs))


def settle(subject: Subject, rungs: Sequence[Rung], attempt: Callable[[int, Rung], Attempt]) -> Attempt:
    """Return the first attempt that fits, or one that is short.

    Everything else is given up before the length is cut, which is done only where the user left it open.
    """
    wanted = subject.spec.context.max_model_len
    target = wanted or subject.facts.max_context
    for rung in rungs:
        found = attempt(target, rung)
        if not found.short:
            return found
    last, shortest = rungs[-1], min(SHORTEST_CHOSEN, target)
    if wanted is not None:
        return attempt(target, last)
    found = attempt(shortest, last)
    if found.short:
        return found
    return attempt(longest(shortest, target, lambda length: not attempt(length, last).short), last)


def longest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """Return the largest multiple of 16 below ``high`` that fits, given that ``low`` does."""
    steps_low, steps_high = low // LENGTH_STEP, -(-high // LENGTH_STEP)
    while steps_high - steps_low > 1:
        middle = (steps_low + steps_high) // 2
        if fits(middle * LENGTH_STEP):
            steps_low = middle
        else:
            steps_high = middle
    return max(low, steps_low * LENGTH_STEP)


def with_states(found: Attempt, again: Callable[[Batch], Attempt]) -> Attempt:
    """Return the attempt with no more requests than there are states for.

    The engine does not start with fewer states than requests; those that must fit always have one.
    """
    while not found.short:
        states = found.cache.state_blocks(found.load.room)
        if states is None or found.batch.max_num_seqs <= states:
            break
        found = replace(again(replace(found.batch, max_num_seqs=max(1, states))), states=states)
    return found


def shortage(subject: Subject, found: Attempt) -> str:
    """Return in one line what is short."""
    load = found.load
    if load.room <= 0:
        return (
            f"{load.beside_cache / GIB:.2f} GiB without any KV cache (weights {load.weights / GIB:.2f}), "
            f"{load.total / GIB:.2f} GiB usable"
        )
    length = subject.spec.context.max_model_len or min(SHORTEST_CHOSEN, subject.facts.max_context)
    requests = f"{subject.concurrency} x {length}" if subject.concurrency > 1 else f"{length}"
    return f"{requests} tokens need {found.cache_needed / GIB:.2f} GiB of KV cache, {load.room / GIB:.2f} GiB is left"
