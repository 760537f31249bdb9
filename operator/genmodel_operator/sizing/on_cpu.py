"""Whether a model fits on a CPU node, at which length, and where the container's memory goes."""

import math
from dataclasses import replace

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.sizing.accelerators import NodeGroup
from genmodel_operator.sizing.budget.defaults import Batch
from genmodel_operator.sizing.budget.device import Device, Interconnect
from genmodel_operator.sizing.budget.runner import samples
from genmodel_operator.sizing.cache.settings import Platform
from genmodel_operator.sizing.cpu import (
    CPU_BATCH,
    PREFERRED_CACHE_BYTES,
    PROCESSES_BYTES,
    SYSTEM_PODS_BYTES,
    cpu_activation_bytes,
    margin_bytes,
)
from genmodel_operator.sizing.fitting import (
    Attempt,
    Fit,
    Load,
    Rejection,
    Rung,
    batch_at,
    needed_bytes,
    settle,
    shortage,
)
from genmodel_operator.sizing.memory import GIB, shm_bytes, whole
from genmodel_operator.sizing.precision import Served, why_no_fp8_cache
from genmodel_operator.sizing.server import Server
from genmodel_operator.sizing.shape.read import served_dtype
from genmodel_operator.sizing.subject import Subject
from genmodel_operator.sizing.tensors.model import Layout


def cpu_server(subject: Subject, group: NodeGroup, served: Served) -> Server:
    """Return the server on a node without devices,."""
    return Server(
        release=subject.release,
        device=Device(group.product, int(group.device_memory_gib * GIB), Interconnect.PCIE),
        dtype=served_dtype(subject.shape) if served.dtype == "auto" else served.dtype,
        layout=Layout(),
        batch=CPU_BATCH,
        memory_utilization=1.0,
        enforce_eager=True,
        platform=Platform.CPU,
        pools=subject.task is not ServedTask.GENERATE,
    )


def fit_on_cpu(subject: Subject, group: NodeGroup, served: Served) -> Fit | Rejection:
    """Return how the model is served on a node without devices, or what is short."""
    if subject.wants_fp8_cache and subject.keeps_cache and (why := why_no_fp8_cache(group)):
        return Rejection(group, 0, why)
    base = cpu_server(subject, group, served)
    weights = subject.model.weights(base)
    room = max(0, int(group.device_memory_gib * GIB) - SYSTEM_PODS_BYTES)

    def attempt(length: int, rung: Rung) -> Attempt:
        batch = batch_at(subject, rung.batch, length)
        server = replace(base, batch=batch)
        cache, learnt = subject.model.cache(server), subject.learnt(group, served.dtype, server)
        load = _load(subject, server, batch, weights.total_bytes, room)
        needed = whole(needed_bytes(cache, learnt, length, subject.concurrency), GIB)
        return Attempt(server, length, batch, load, cache, needed, learnt)

    found = settle(subject, [Rung(CPU_BATCH)], attempt)
    if found.short:
        return Rejection(group, 0, shortage(subject, found), found.short)
    cache_bytes = _cache_bytes(found, room)
    total = _container_bytes(found.load, cache_bytes, room)
    return Fit(
        group=group,
        served=served,
        attempt=found,
        weights=weights,
        load=replace(found.load, total=total),
        cache_bytes=cache_bytes,
        host_bytes=total,
    )


def _load(subject: Subject, server: Server, batch: Batch, weights: int, room: int) -> Load:
    sampled = samples(subject.shape) and not server.pools
    return Load(
        total=room,
        weights=weights,
        activation=cpu_activation_bytes(
            subject.shape, batch=batch, element_bytes=server.element_bytes, samples=sampled
        ),
        overheads=(("processes", PROCESSES_BYTES), ("/dev/shm", shm_bytes(1))),
        margin=margin_bytes(weights),
    )


def _cache_bytes(found: Attempt, room: int) -> int:
    """Return the cache on CPU in whole GiB: what must fit, and up to 4 GiB where half of the node takes it."""
    if not found.cache.has_cache:
        return 0
    load, block = found.load, found.cache.stage_block_bytes[0]
    useful = math.ceil((found.needed(found.batch.max_num_seqs) - block) / GIB) * GIB
    preferred = max(found.cache_needed, min(useful, PREFERRED_CACHE_BYTES))
    while preferred > found.cache_needed and load.beside_cache + preferred > room // 2:
        preferred -= GIB
    return preferred


def _container_bytes(load: Load, cache_bytes: int, room: int) -> int:
    """Return the container's memory: half GiB steps where the node has room for the rounding."""
    needed = load.beside_cache + cache_bytes
    return min(whole(needed, GIB // 2), max(needed, room))
