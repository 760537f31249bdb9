"""From the memory of a device to what is left for the KV cache, stage by stage. In whole bytes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from genmodel_operator.sizing.budget.activation import activation_bytes
from genmodel_operator.sizing.budget.overhead import (
    context_bytes,
    graph_bytes,
    graphs_in_budget,
    non_torch_bytes,
    unseen_bytes,
)
from genmodel_operator.sizing.budget.settings import BudgetSettings
from genmodel_operator.sizing.shape.model import ModelShape


@dataclass(frozen=True, slots=True)
class StageBudget:
    """One device of a pipeline stage; the parts add up to ``requested`` of the budget.

    Attributes:
        graphs: CUDA graphs, where the budget pays for them; 0 where they lie outside.
        kv_cache: what is left; negative where the rest takes more than there is.

    """

    weights: int
    activation: int
    non_torch: int
    graphs: int
    kv_cache: int


@dataclass(frozen=True, slots=True)
class Budget:
    """The memory of a server's devices.

    Attributes:
        total: of one device.
        requested: what the engine plans with: its share of the total. With ``is_cache_fixed`` the sum of the parts.
        stages: in the order of the pipeline.
        graphs: CUDA graphs, in the budget or outside.
        reserve_needed: what the context, the graphs outside the budget and the warm-up take beside it.
        context: the part of it that is taken before the engine first reads the free memory.
        is_cache_fixed: the size of the cache was given; utilisation plays no part.

    """

    total: int
    requested: int
    stages: tuple[StageBudget, ...]
    graphs: int
    reserve_needed: int
    context: int
    is_cache_fixed: bool

    @property
    def kv_cache(self) -> int:
        """Memory for the cache on the device that has least."""
        return min(stage.kv_cache for stage in self.stages)

    @property
    def activation(self) -> int:
        """The largest peak of all stages."""
        return max(stage.activation for stage in self.stages)

    @property
    def weights(self) -> int:
        """Weights on the device that holds most."""
        return max(stage.weights for stage in self.stages)

    @property
    def non_torch(self) -> int:
        """Growth outside torch, alike on all devices."""
        return max(stage.non_torch for stage in self.stages)

    @property
    def reserve(self) -> int:
        """What lies outside the budget."""
        return self.total - self.requested


def compute_budget(
    shape: ModelShape,
    settings: BudgetSettings,
    *,
    weights: Sequence[int],
    activation: Sequence[int] | None = None,
) -> Budget:
    """Return the budget of a server.

    ``weights`` are bytes on one device of each pipeline stage; so is ``activation``, computed where it is None.
    """
    peaks = activation or [activation_bytes(shape, settings, stage=stage) for stage in range(len(weights))]
    requested = math.ceil(settings.device.memory_bytes * settings.memory_utilization)
    graphs = graph_bytes(shape, settings)
    inside = graphs if graphs_in_budget(shape, settings) else 0
    context = context_bytes(shape, settings) if settings.release.since(9, 2) else 0
    non_torch = non_torch_bytes(shape, settings)
    fixed = settings.kv_cache_memory_bytes
    stages = tuple(
        StageBudget(
            weights=held,
            activation=peak,
            non_torch=non_torch,
            graphs=inside,
            kv_cache=requested - held - peak - non_torch - inside if fixed is None else fixed,
        )
        for held, peak in zip(weights, peaks, strict=True)
    )
    return Budget(
        total=settings.device.memory_bytes,
        requested=requested,
        stages=stages,
        graphs=graphs,
        reserve_needed=context + graphs - inside + unseen_bytes(shape, settings, max(weights)),
        context=context,
        is_cache_fixed=settings.kv_cache_memory_bytes is not None,
    )
