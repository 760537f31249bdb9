"""Environment of every engine container: writable folders, limits, no network beyond the pod."""

from math import ceil

from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.plan import ServingPlan
from genmodel_runtime.contract import CACHE_DIR

LOADING_BYTES_PER_SECOND = 200_000_000
"""Slow network disk; the time that large weights add to a start."""

CPU_OPERATIONS_PER_SECOND = 50_000_000_000
"""What two slow cores manage; more is a bonus."""

CACHE_ENV = {
    # The root file system is read-only and uid 10001 has no passwd entry: every folder that the
    # engine and its libraries write to, and the names they look up, are given.
    "HOME": CACHE_DIR,
    "USER": "vllm",
    "LOGNAME": "vllm",
    "XDG_CACHE_HOME": f"{CACHE_DIR}/xdg",
    "XDG_CONFIG_HOME": f"{CACHE_DIR}/config",
    "HF_HOME": f"{CACHE_DIR}/huggingface",
    "VLLM_CACHE_ROOT": f"{CACHE_DIR}/vllm",
    "VLLM_CONFIG_ROOT": f"{CACHE_DIR}/vllm-config",
    "TRITON_CACHE_DIR": f"{CACHE_DIR}/triton",
    "TORCHINDUCTOR_CACHE_DIR": f"{CACHE_DIR}/inductor",
    "NUMBA_CACHE_DIR": f"{CACHE_DIR}/numba",
    "OUTLINES_CACHE_DIR": f"{CACHE_DIR}/outlines",
    "FLASHINFER_WORKSPACE_BASE": f"{CACHE_DIR}/flashinfer",
    "CUDA_CACHE_PATH": f"{CACHE_DIR}/cuda",
}

QUIET_ENV = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
}

LIMIT_ENV = {
    # The default of 16384 lets one request fill the device (CVE-2026-34756).
    "VLLM_MAX_N_SEQUENCES": "128",
    # The default of 5 s resets connections that clients and proxies still hold open.
    "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "65",
}


def common_env(facts: ModelFacts, settings: Settings) -> dict[str, str]:
    """Return the environment that vLLM needs on every device."""
    budget = {"VLLM_ENGINE_READY_TIMEOUT_S": str(startup_seconds(facts, settings))}
    return CACHE_ENV | QUIET_ENV | LIMIT_ENV | budget


def startup_seconds(facts: ModelFacts, settings: Settings) -> int:
    """Return how long the engine may take from its start to its first answer."""
    return settings.engines.startup_seconds + ceil(facts.weights_bytes / LOADING_BYTES_PER_SECOND)


def stall_seconds(facts: ModelFacts, plan: ServingPlan, settings: Settings) -> int:
    """Return how long requests may be there without a step before the engine counts as hung.

    A step is the least that is seen of an engine. Of a large model on CPU, a step full of prompt
    tokens takes minutes, and must not be taken for a hang.
    """
    if plan.is_gpu:
        return settings.engines.stall_seconds
    # Two operations for each parameter and token; a parameter has two bytes, or is widened to them.
    full_step = ceil(facts.weights_bytes * plan.max_num_batched_tokens / CPU_OPERATIONS_PER_SECOND)
    return max(settings.engines.stall_seconds, full_step)
