"""Whether a model fits on one candidate, at which length and batch, and where its memory goes."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.sizing import memory
from genmodel_operator.sizing.accelerators import NodeGroup
from genmodel_operator.sizing.kvcache import CPU_BLOCK_TOKENS, GPU_BLOCK_TOKENS, KVCache, kv_cache
from genmodel_operator.sizing.memory import GIB, Batch, GPUOverhead
from genmodel_operator.sizing.precision import Served
from genmodel_operator.sizing.subject import Subject

LENGTH_STEP = 16
"""A length that the planner chooses is a multiple of this."""
SHORTEST_CHOSEN = 2048
"""The planner never chooses less than this, or the model's own limit where that is smaller."""
_PREFERRED_CPU_CACHE = 4 * GIB
_SYSTEM_PODS_BYTES = GIB // 2
"""Memory of a node that its system pods ask for."""


@dataclass(frozen=True, slots=True)
class Load:
    """Bytes of one device (on CPU: of the container) at one length and batch.

    ``cache_needed`` holds the requests that must fit; ``margin`` is the least that is kept free.
    """

    total: int
    weights: int
    activation: int
    overhead: int
    margin: int
    cache_needed: int

    @property
    def beside_cache(self) -> int:
        """Everything but the cache."""
        return self.weights + self.activation + self.overhead + self.margin

    @property
    def short(self) -> int:
        """Bytes that are missing; 0 where it fits."""
        return max(0, self.beside_cache + self.cache_needed - self.total)


@dataclass(frozen=True, slots=True)
class Fit:
    """A candidate that holds what was asked for. ``load.total`` and ``cache_bytes`` are final."""

    group: NodeGroup
    tensor_parallel: int
    served: Served
    length: int
    batch: Batch
    load: Load
    cache: KVCache | None
    cache_bytes: int
    host_bytes: int
    overhead: GPUOverhead | None = None

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


def fit_on_gpus(subject: Subject, group: NodeGroup, served: Served, parallel: int) -> Fit | Rejection:
    """Return how the model is divided over so many devices of the group, a valid number, or what is short."""
    host = memory.gpu_host_bytes(subject.facts, tensor_parallel=parallel)
    if host > group.allocatable_memory_gib * GIB:
        reason = f"it needs {host / GIB:.0f} GiB of host memory, a node has {group.allocatable_memory_gib:.1f} GiB"
        return Rejection(group, parallel, reason)
    layout = _GPULayout(
        subject,
        group,
        served,
        parallel,
        subject.weight_bytes(element_bytes=served.element_bytes, tensor_parallel=parallel),
    )
    settled = _settle(subject, layout.load, (memory.gpu_max_batch(group), memory.GPU_SMALL_BATCH))
    if isinstance(settled, Load):
        return Rejection(group, parallel, _shortage(subject, settled), settled.short)
    length, batch, load = settled
    cache = layout.cache
    room = load.total - load.beside_cache
    cache_bytes = min(_useful_bytes(cache, batch, length), cache.blocks(room) * cache.block_bytes) if cache else 0
    return Fit(
        group=group,
        tensor_parallel=parallel,
        served=served,
        length=length,
        batch=batch,
        load=load,
        cache=cache,
        cache_bytes=cache_bytes,
        host_bytes=host,
        overhead=layout.overhead(batch),
    )


@dataclass(frozen=True, slots=True)
class _GPULayout:
    """A model divided over devices of one kind."""

    subject: Subject
    group: NodeGroup
    served: Served
    parallel: int
    weights: int

    @property
    def total(self) -> int:
        return int(self.group.device_memory_gib * GIB)

    @property
    def cache(self) -> KVCache | None:
        return kv_cache(
            self.subject.architecture,
            self.subject.attention,
            element_bytes=self.served.element_bytes,
            tensor_parallel=self.parallel,
            block_tokens=GPU_BLOCK_TOKENS,
        )

    def overhead(self, batch: Batch) -> GPUOverhead:
        return memory.gpu_overhead(
            self.total,
            product=self.group.product,
            tensor_parallel=self.parallel,
            is_mixture=self.subject.architecture.experts > 0,
            max_num_seqs=batch.max_num_seqs,
            engine=self.subject.engine,
        )

    def load(self, length: int, batch: Batch) -> Load:
        return Load(
            total=self.total,
            weights=self.weights,
            activation=_activation(self.subject, self.served, batch, self.parallel, on_gpu=True),
            overhead=self.overhead(batch).total,
            margin=memory.gpu_margin_bytes(self.total, tensor_parallel=self.parallel),
            cache_needed=self.cache.needed_bytes(length, self.subject.concurrency) if self.cache else 0,
        )


def fit_on_cpu(subject: Subject, group: NodeGroup, served: Served) -> Fit | Rejection:
    """Return how the model is served on a node without devices, or what is short."""
    weights = subject.weight_bytes(element_bytes=served.element_bytes)
    cache = kv_cache(
        subject.architecture,
        subject.attention,
        element_bytes=served.element_bytes,
        tensor_parallel=1,
        block_tokens=CPU_BLOCK_TOKENS,
    )
    room = max(0, int(group.device_memory_gib * GIB) - _SYSTEM_PODS_BYTES)

    def load_at(length: int, batch: Batch) -> Load:
        needed = cache.needed_bytes(length, subject.concurrency) if cache else 0
        return Load(
            total=room,
            weights=weights,
            activation=_activation(subject, served, batch, 1, on_gpu=False),
            overhead=memory.CPU_PROCESSES_BYTES + memory.shm_bytes(1),
            margin=memory.cpu_margin_bytes(weights),
            cache_needed=math.ceil(needed / GIB) * GIB,
        )

    settled = _settle(subject, load_at, (memory.CPU_BATCH,))
    if isinstance(settled, Load):
        return Rejection(group, 0, _shortage(subject, settled), settled.short)
    length, batch, load = settled
    cache_bytes = _cpu_cache_bytes(load, cache, batch, length, room)
    total = _container_bytes(load, cache_bytes, room)
    return Fit(
        group=group,
        tensor_parallel=1,
        served=served,
        length=length,
        batch=batch,
        load=replace(load, total=total),
        cache=cache,
        cache_bytes=cache_bytes,
        host_bytes=total,
    )


def _cpu_cache_bytes(load: Load, cache: KVCache | None, batch: Batch, length: int, room: int) -> int:
    """Return the cache on CPU in whole GiB: what must fit, and up to 4 GiB where half of the node takes it."""
    if cache is None:
        return 0
    useful = math.ceil((_useful_bytes(cache, batch, length) - cache.block_bytes) / GIB) * GIB
    preferred = max(load.cache_needed, min(useful, _PREFERRED_CPU_CACHE))
    while preferred > load.cache_needed and load.beside_cache + preferred > room // 2:
        preferred -= GIB
    return preferred


def _container_bytes(load: Load, cache_bytes: int, room: int) -> int:
    """Return the container's memory: half GiB steps where the node has room for the rounding."""
    needed = load.beside_cache + cache_bytes
    return min(-(-needed // (GIB // 2)) * (GIB // 2), max(needed, room))


def _activation(subject: Subject, served: Served, batch: Batch, parallel: int, *, on_gpu: bool) -> int:
    return memory.activation_bytes(
        subject.architecture,
        batch=batch,
        tensor_parallel=parallel,
        element_bytes=served.element_bytes,
        bytes_per_logit=memory.bytes_per_logit(subject.task, on_gpu=on_gpu, engine=subject.engine),
    )


def _useful_bytes(cache: KVCache, batch: Batch, length: int) -> int:
    """Return the largest cache that can be in use: every request of the batch at full length."""
    return cache.needed_bytes(length, batch.max_num_seqs)


def batch_at(subject: Subject, base: Batch, length: int) -> Batch:
    """Return batch limits that serve requests of this length.

    Embedding models take a whole input in one step, and encoders all inputs that must fit at once.
    """
    seqs = max(base.max_num_seqs, subject.concurrency)
    whole = length if subject.task is ServedTask.EMBED else 0
    if not subject.attention.has_cache:
        whole = length * subject.concurrency
    return Batch(max_num_seqs=seqs, max_num_batched_tokens=max(base.max_num_batched_tokens, seqs, whole))


def _settle(
    subject: Subject, load_at: Callable[[int, Batch], Load], bases: tuple[Batch, ...]
) -> tuple[int, Batch, Load] | Load:
    """Return length, batch and load that fit, or the load that is short.

    A smaller batch is tried before a shorter length; the length is cut only where the user left it open.
    """
    wanted = subject.spec.context.max_model_len
    target = wanted or subject.facts.max_context

    def attempt(length: int, base: Batch) -> tuple[int, Batch, Load]:
        batch = batch_at(subject, base, length)
        return length, batch, load_at(length, batch)

    for base in bases:
        found = attempt(target, base)
        if not found[2].short:
            return found
    shortest = min(SHORTEST_CHOSEN, target)
    if wanted is not None or attempt(shortest, bases[-1])[2].short:
        return attempt(target if wanted is not None else shortest, bases[-1])[2]
    return attempt(longest(shortest, target, lambda length: not attempt(length, bases[-1])[2].short), bases[-1])


def longest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """Return the largest multiple of 16 below ``high`` that fits, given that ``low`` does."""
    steps_low, steps_high = low // LENGTH_STEP, -(-high // LENGTH_STEP)
    while steps_high - steps_low > 1:
        middle = (steps_low + steps_high) // 2
        if fits(middle * LENGTH_STEP):
            steps_low = middle
        else:
            steps_high = middle
    return steps_low * LENGTH_STEP


def _shortage(subject: Subject, load: Load) -> str:
    """Return in one line what is short."""
    left = load.total - load.beside_cache
    if left <= 0:
        return (
            f"{load.beside_cache / GIB:.2f} GiB without any KV cache (weights {load.weights / GIB:.2f}), "
            f"{load.total / GIB:.2f} GiB usable"
        )
    length = subject.spec.context.max_model_len or min(SHORTEST_CHOSEN, subject.facts.max_context)
    requests = f"{subject.concurrency} x {length}" if subject.concurrency > 1 else f"{length}"
    return f"{requests} tokens need {load.cache_needed / GIB:.2f} GiB of KV cache, {left / GIB:.2f} GiB is left"
