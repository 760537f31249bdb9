"""What other planners would say of the same starts: their published formulas, as they stand.

Each formula is from the commit that is named; weights and bytes per token are fed exactly, so that
only the budget is compared. None of them predicts a refused start of a given length.
"""

from collections.abc import Callable
from dataclasses import dataclass

GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the formulas need of one start.

    Attributes:
        catalogue_gib: the memory on the box, which those take that do not see the device.
        utilization: share of the device that the engine was given.
        is_mixture: the model has experts; ``family`` is the architecture's first word, lower case.

    """

    weights_gib: float
    total_gib: float
    catalogue_gib: float
    utilization: float
    tensor_parallel: int
    is_mixture: bool
    family: str


def kaito(start: Start) -> float:
    """Return KAITO's memory for the cache (kaito-project/kaito@056b8280, pkg/workspace/estimator/nodesestimator).

    The share of the device without weights x 1.02, 2.3 GiB, and 5 % of the weights. Its own share is
    84 %; here it gets the one that the server had.
    """
    return start.utilization * start.catalogue_gib - 1.02 * 1.05 * start.weights_gib - 2.3


def llm_d_planner(start: Start) -> float:
    """Return the llm-d planner's (llm-d-incubation/llm-d-planner@e50305a, config_explorer's capacity planner).

    The engine's share of the catalogue's size without weights, an activation per architecture, and
    0.15 GiB outside torch on one device, 0.6 on several.
    """
    activation = 8.0 if start.is_mixture else _LLM_D_ACTIVATION.get(start.family, 5.5)
    non_torch = 0.15 if start.tensor_parallel == 1 else 0.6
    return start.utilization * start.catalogue_gib - start.weights_gib - activation - non_torch


_LLM_D_ACTIVATION = {"llama": 4.8, "qwen2": 5.6, "qwen3": 5.6, "mistral3": 2.5}


def gpustack(start: Start) -> float:
    """Return what GPUStack's claim leaves of the engine's share (gpustack/gpustack@47277d79, policies/utils.py).

    The claim is weights x 1.2 and 2 GiB over all devices; length and cache never enter it.
    """
    return start.utilization * start.total_gib - 1.2 * start.weights_gib - 2.0 / start.tensor_parallel


def hf_mem(start: Start) -> float:
    """Return the device without the weights, as hf-mem (alvarobartt/hf-mem@e994679) leaves it to the reader."""
    return start.total_gib - start.weights_gib


PEERS: dict[str, Callable[[Start], float]] = {
    "KAITO": kaito,
    "llm-d-planner": llm_d_planner,
    "GPUStack": gpustack,
    "hf-mem": hf_mem,
}
