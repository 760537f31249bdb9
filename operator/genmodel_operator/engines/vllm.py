"""vLLM on NVIDIA GPUs, and what its command line has in common with vLLM on CPU.

Every figure that sizing computed is passed explicitly, so that the same arithmetic holds in every
release. Flags and variables are those of vLLM 0.32.0.
"""

from collections.abc import Sequence

from genmodel_operator.engines import architectures
from genmodel_operator.engines.environment import common_env
from genmodel_operator.engines.protocol import EngineArgs, Refusal
from genmodel_operator.engines.reasoning import reasoning_args
from genmodel_operator.engines.tool_calls import tool_args
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.plan import ServingPlan
from genmodel_runtime.contract import HTTP_PORT, MODELS_DIR


class VllmGpu:
    """vLLM on NVIDIA GPUs."""

    name = "vllm"

    def image(self, settings: Settings) -> str:
        """Return the image of vLLM for NVIDIA GPUs."""
        return settings.engines.gpu_image

    def args(
        self, facts: ModelFacts, plan: ServingPlan, served_names: Sequence[str], *, task: ServedTask
    ) -> EngineArgs:
        """Return vLLM's command line on GPUs."""
        tunable = (*tunable_args(facts, plan, task), "--gpu-memory-utilization", str(plan.gpu_memory_utilization))
        fixed = (*fixed_args(facts, plan, served_names, task=task), *parallel_args(plan), *precision_args(plan))
        if plan.kv_cache_bytes > 0:
            # Takes the place of what --gpu-memory-utilization would leave; that one is still the
            # engine's check, before loading, that nobody else uses the device.
            fixed += ("--kv-cache-memory-bytes", str(plan.kv_cache_bytes))
        return EngineArgs(tunable, fixed)

    def env(self, facts: ModelFacts, plan: ServingPlan, settings: Settings) -> dict[str, str]:
        """Return vLLM's environment on GPUs."""
        del plan
        return common_env(facts, settings)

    def supports(self, facts: ModelFacts) -> Refusal | None:
        """Return why vLLM on GPUs does not serve the model, or None where it does."""
        return architectures.supports(facts)


def tunable_args(facts: ModelFacts, plan: ServingPlan, task: ServedTask) -> tuple[str, ...]:
    """Return the batch limits, the API server's habits and how answers are read: a user may change them."""
    return (
        "--max-num-seqs",
        str(plan.max_num_seqs),
        "--max-num-batched-tokens",
        str(plan.max_num_batched_tokens),
        "--disable-access-log-for-endpoints",
        "/health,/metrics",
        *tool_args(facts, task),
        *reasoning_args(facts, task),
    )


def fixed_args(
    facts: ModelFacts, plan: ServingPlan, served_names: Sequence[str], *, task: ServedTask
) -> tuple[str, ...]:
    """Return what the pod's wiring and the plan stand on."""
    return (
        "--model",
        f"{MODELS_DIR}/{facts.commit}",
        "--served-model-name",
        *served_names,
        "--host",
        "0.0.0.0",
        "--port",
        str(HTTP_PORT),
        "--max-model-len",
        str(plan.max_model_len),
        "--dtype",
        plan.dtype,
        "--load-format",
        "safetensors",
        *task_args(task),
        *code_args(facts),
        "--disable-fastapi-docs",
    )


def code_args(facts: ModelFacts) -> tuple[str, ...]:
    """Return what lets the engine run code of the repository; it comes this far only with the policy's permission."""
    return ("--trust-remote-code",) if facts.remote_code else ()


def task_args(task: ServedTask) -> tuple[str, ...]:
    """Return how the engine runs the model; converting a native embedding model changes nothing in it."""
    if task is ServedTask.EMBED:
        return ("--runner", "pooling", "--convert", "embed")
    if task is ServedTask.SCORE:
        return ("--runner", "pooling")
    return ("--runner", "generate")


def precision_args(plan: ServingPlan) -> tuple[str, ...]:
    """Return the formats that weights and cache are narrowed to; nothing where they stay as they are."""
    weights = ("--quantization", plan.quantization) if plan.quantization else ()
    return (*weights, "--kv-cache-dtype", plan.kv_cache_dtype) if plan.kv_cache_dtype else weights


def parallel_args(plan: ServingPlan) -> tuple[str, ...]:
    """Return how the model is split over devices."""
    tensor = ("--tensor-parallel-size", str(plan.tensor_parallel))
    if plan.pipeline_parallel == 1:
        return tensor
    return (*tensor, "--pipeline-parallel-size", str(plan.pipeline_parallel))
