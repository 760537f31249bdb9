"""Engines behind one protocol: what they run, with which flags and environment. Pure."""

from genmodel_operator.engines.protocol import EngineAdapter, Refusal
from genmodel_operator.engines.vllm import VllmGpu
from genmodel_operator.engines.vllm_cpu import VllmCpu
from genmodel_operator.engines.vllm_rocm import VllmRocm
from genmodel_operator.sizing.accelerators import AMD, vendor_of
from genmodel_operator.sizing.plan import ServingPlan

__all__ = ["EngineAdapter", "Refusal", "engine_for"]


def engine_for(plan: ServingPlan) -> EngineAdapter:
    """Return the engine that serves this plan."""
    if not plan.is_gpu:
        return VllmCpu()
    return VllmRocm() if vendor_of(plan.resource) == AMD else VllmGpu()
