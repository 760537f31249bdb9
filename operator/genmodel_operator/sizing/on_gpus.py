"""Whether a model fits on so many GPUs of a kind, at which length and batch, and where their memory goes."""

import math
from collections.abc import Hashable
from dataclasses import replace

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.sizing.accelerators import AMD, NodeGroup
from genmodel_operator.sizing.budget.budget import Budget
from genmodel_operator.sizing.budget.defaults import Batch
from genmodel_operator.sizing.budget.device import Device, Interconnect, read_device
from genmodel_operator.sizing.cache.layout import CacheLayout
from genmodel_operator.sizing.cache.settings import Platform
from genmodel_operator.sizing.corrections import Learnt, corrected
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
    with_states,
)
from genmodel_operator.sizing.memory import (
    GIB,
    GPU_SMALL_BATCH,
    MOST_UTILIZATION,
    gpu_host_bytes,
    gpu_margin_bytes,
    gpu_max_batch,
    utilization,
    vendor_margin_bytes,
)
from genmodel_operator.sizing.precision import FP8_CACHE, Served, why_no_fp8_cache
from genmodel_operator.sizing.server import Server
from genmodel_operator.sizing.shape.read import served_dtype
from genmodel_operator.sizing.subject import Subject
from genmodel_operator.sizing.tensors.model import Layout

OUTSIDE_TORCH, GRAPHS, CONTEXT = "memory outside torch", "CUDA graphs", "context and warm-up"


def fit_on_gpus(subject: Subject, group: NodeGroup, served: Served, parallel: int) -> Fit | Rejection:
    """Return how the model is divided over so many devices of the group, a valid number, or what is short.

    Raises ``Unsizable`` where the engine cannot serve it in this way.
    """
    if subject.wants_fp8_cache and subject.keeps_cache and (why := why_no_fp8_cache(group)):
        return Rejection(group, parallel, why)
    host = gpu_host_bytes(subject.facts, tensor_parallel=parallel)
    if host > group.allocatable_memory_gib * GIB:
        reason = f"it needs {host / GIB:.0f} GiB of host memory, a node has {group.allocatable_memory_gib:.1f} GiB"
        return Rejection(group, parallel, reason)
    devices = _Devices(subject, group, served, parallel)
    found = settle(subject, devices.rungs(), devices.attempt)
    load = found.load
    if found.short:
        return Rejection(group, parallel, shortage(subject, found), found.short)
    block = found.cache.stage_block_bytes[0] if found.cache.has_cache else 1
    useful = found.needed(found.batch.max_num_seqs)
    return Fit(
        group=group,
        served=served,
        attempt=found,
        weights=subject.model.weights(found.server),
        load=load,
        cache_bytes=min(useful, load.room // block * block),
        host_bytes=host,
    )


def device_of(group: NodeGroup) -> Device:
    """Return one device of a group as the engine sees it."""
    known = {"nvlink": Interconnect.NVLINK, "xgmi": Interconnect.NVLINK, "pcie": Interconnect.PCIE}
    memory = int(group.device_memory_gib * GIB)
    device = read_device(group.product, memory, known.get(group.interconnect))
    return replace(device, compute_capability=group.compute_capability)


class _Devices:
    """A model divided over devices of one kind."""

    def __init__(self, subject: Subject, group: NodeGroup, served: Served, parallel: int) -> None:
        self._subject, self._group, self._served = subject, group, served
        self._base = Server(
            release=subject.release,
            device=device_of(group),
            dtype=served_dtype(subject.shape) if served.dtype == "auto" else served.dtype,
            quantization=served.quantization,
            layout=Layout(tensor_parallel=parallel),
            batch=gpu_max_batch(group),
            memory_utilization=MOST_UTILIZATION,
            platform=Platform.ROCM if group.vendor == AMD else Platform.CUDA,
            pools=subject.task is not ServedTask.GENERATE,
        )
        self._known: dict[Hashable, tuple[Server, Load, CacheLayout, Learnt]] = {}

    def rungs(self) -> list[Rung]:
        """Return what is tried, in order: fewer requests at once, smaller steps, a narrower cache."""
        full = self._base.batch
        fewer = replace(full, max_num_seqs=GPU_SMALL_BATCH.max_num_seqs)
        wanted = FP8_CACHE if self._subject.wants_fp8_cache and self._subject.keeps_cache else None
        ladder = [Rung(batch, wanted) for batch in dict.fromkeys((full, fewer, GPU_SMALL_BATCH))]
        narrows = self._subject.may_narrow_cache and self._subject.keeps_cache
        if narrows and why_no_fp8_cache(self._group) is None:
            ladder.append(Rung(GPU_SMALL_BATCH, FP8_CACHE))
        return ladder

    def attempt(self, length: int, rung: Rung) -> Attempt:
        """Return how the devices serve requests of this length on this rung."""
        full = batch_at(self._subject, self._base.batch, length)
        first = self._at(length, rung, batch_at(self._subject, rung.batch, length), full)
        return with_states(first, lambda batch: self._at(length, rung, batch, full))

    def _at(self, length: int, rung: Rung, batch: Batch, full: Batch) -> Attempt:
        server, load, cache, learnt = self._without_cache(batch, rung.kv_cache_dtype)
        needed = needed_bytes(cache, learnt, length, self._subject.concurrency)
        return Attempt(server, length, full, load, cache, needed, learnt)

    def _without_cache(self, batch: Batch, kv_cache_dtype: str | None) -> tuple[Server, Load, CacheLayout, Learnt]:
        """Return what everything but the cache takes, and the cache's layout, whatever the length."""
        key = (batch, kv_cache_dtype)
        if key not in self._known:
            server = replace(self._base, batch=batch, kv_cache_dtype=kv_cache_dtype)
            model = self._subject.model
            weights = [model.weights(server).total_bytes]
            budget = model.budget(server, weights)
            share = utilization(budget, server.release, devices=server.layout.tensor_parallel)
            if share != server.memory_utilization:
                server = replace(server, memory_utilization=share)
                budget = model.budget(server, weights)
            learnt = self._subject.learnt(self._group, self._served.dtype, server)
            self._known[key] = (server, self._load(budget, learnt), model.cache(server), learnt)
        return self._known[key]

    def _load(self, budget: Budget, learnt: Learnt) -> Load:
        """Return the budget as parts of the whole device; the margin holds what the engine is not given."""
        (stage,), figures = budget.stages, learnt.figures
        non_torch = corrected(figures.non_torch_gib, stage.non_torch)
        graphs = corrected(figures.cuda_graph_gib, budget.graphs)
        context = budget.reserve_needed - (budget.graphs - stage.graphs)
        outside = context + (0 if stage.graphs else graphs)
        devices = self._base.layout.tensor_parallel
        margin = gpu_margin_bytes(budget.total, devices=devices, shape=self._subject.shape)
        margin += vendor_margin_bytes(self._group.vendor, non_torch)
        return Load(
            total=budget.total,
            weights=corrected(figures.weights_gib, stage.weights),
            activation=corrected(figures.activation_gib, stage.activation),
            overheads=((OUTSIDE_TORCH, non_torch), (GRAPHS, graphs), (CONTEXT, context)),
            margin=margin + max(0, budget.reserve - outside),
        )


def passed_utilization(fit: Fit) -> float:
    """Return the engine's share of the device: it sees all of a GPU, also of one that it shares."""
    return math.floor(100 * fit.attempt.server.memory_utilization / fit.group.shared_by + 1e-9) / 100
