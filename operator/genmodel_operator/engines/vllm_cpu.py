"""vLLM on CPU: for small models and for clusters without GPUs."""

from collections.abc import Sequence
from math import ceil

from genmodel_operator.engines import architectures
from genmodel_operator.engines.environment import common_env, stall_seconds
from genmodel_operator.engines.protocol import EngineArgs, Refusal
from genmodel_operator.engines.vllm import fixed_args, tunable_args
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.plan import ServingPlan

GIB = 1024**3
ENGINE_STEP_SECONDS = 300
"""The engine's own limit for one step, after which it ends itself."""


class VllmCpu:
    """vLLM on CPU."""

    name = "vllm-cpu"

    def image(self, settings: Settings) -> str:
        """Return the image of vLLM for CPUs."""
        return settings.engines.cpu_image

    def args(
        self, facts: ModelFacts, plan: ServingPlan, served_names: Sequence[str], *, task: ServedTask
    ) -> EngineArgs:
        """Return vLLM's command line on CPU.

        Eager, because compiling needs a C++ compiler in the image and doubles the time to start.
        """
        fixed = fixed_args(facts, plan, served_names, task=task)
        return EngineArgs(tunable_args(facts, plan, task), (*fixed, "--enforce-eager"))

    def env(self, facts: ModelFacts, plan: ServingPlan, settings: Settings) -> dict[str, str]:
        """Return vLLM's environment on CPU.

        Without an explicit cache the engine takes nearly all memory of the pod. It binds threads to
        the cores that it sees, not to the pod's share of them, and two pods on one node would bind
        to the same cores: binding is off.
        """
        env = common_env(facts, settings)
        env["VLLM_CPU_KVCACHE_SPACE"] = str(kv_cache_gib(plan))
        env["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        step_seconds = stall_seconds(facts, plan, settings)
        if step_seconds > ENGINE_STEP_SECONDS:
            env["VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS"] = str(step_seconds)
        if settings.engines.cpu_threads > 0:
            env["OMP_NUM_THREADS"] = str(settings.engines.cpu_threads)
        return env

    def supports(self, facts: ModelFacts) -> Refusal | None:
        """Return why vLLM on CPU does not serve the model, or None where it does."""
        return architectures.supports(facts, on_cpu=True)


def kv_cache_gib(plan: ServingPlan) -> int:
    """Return the plan's cache in whole GiB, rounded up: the engine takes no fractions and no zero."""
    return max(1, ceil(plan.kv_cache_bytes / GIB))
