"""One server as far as its budget depends on it: device, release, layout and limits."""

from dataclasses import dataclass

from genmodel_operator.sizing.budget.defaults import Batch
from genmodel_operator.sizing.budget.device import Device
from genmodel_operator.sizing.budget.release import Release
from genmodel_operator.sizing.tensors.model import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings:
    """What was asked of the engine, every default filled in.

    Attributes:
        element_bytes: of the type the model is served in.
        memory_utilization: share of the device that the engine plans with.
        kv_cache_memory_bytes: ``--kv-cache-memory-bytes``, which replaces the whole calculation; None: not set.
        enforce_eager: no CUDA graphs.
        pools: nothing is sampled, whatever the architecture is for.

    """

    release: Release
    device: Device
    layout: Layout
    batch: Batch
    element_bytes: int
    memory_utilization: float
    kv_cache_memory_bytes: int | None = None
    enforce_eager: bool = False
    pools: bool = False
