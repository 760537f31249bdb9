"""Would the server come up? The engine's own checks, in its order and its words."""

from dataclasses import dataclass

from genmodel_operator.sizing.budget.budget import Budget
from genmodel_operator.sizing.cache.layout import CacheLayout
from genmodel_operator.sizing.estimate.result import GIB, Verdict

STARTS = Verdict(starts=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the server is to hold.

    Attributes:
        captures_graphs: graphs are captured, which takes one state block per request.

    """

    max_model_len: int
    max_num_seqs: int
    memory_utilization: float
    captures_graphs: bool


def judge(budget: Budget, cache: CacheLayout, wanted: Wanted) -> Verdict:
    """Return the first check that fails, or that the server starts."""
    checks = (_judge_given_cache(budget),) if budget.is_cache_fixed else (_judge_weights(budget), _judge_memory(budget))
    cache_checks = (_judge_length(budget, cache, wanted), _judge_states(budget, cache, wanted))
    reserve = () if budget.is_cache_fixed else (_judge_reserve(budget, wanted),)
    return next((verdict for verdict in (*checks, *cache_checks, *reserve) if verdict is not None), STARTS)


def refusal(reason: str, message: str) -> Verdict:
    """Return a verdict that the server does not start."""
    return Verdict(starts=False, reason=reason, message=message)


def _judge_given_cache(budget: Budget) -> Verdict | None:
    """With a cache of given size the only further check is that it fits beside the weights."""
    if budget.weights > budget.total:
        return refusal(
            "WeightsDoNotFit",
            f"CUDA out of memory while loading: the weights take {_gib(budget.weights)} GiB, "
            f"the device has {_gib(budget.total)} GiB",
        )
    for stage in budget.stages:
        if stage.weights + stage.kv_cache > budget.total:
            return refusal(
                "NoMemoryForKVCache",
                f"CUDA out of memory while allocating the cache: {_gib(stage.kv_cache)} GiB of KV cache and "
                f"{_gib(stage.weights)} GiB of weights exceed the device's {_gib(budget.total)} GiB",
            )
    return None


def _judge_weights(budget: Budget) -> Verdict | None:
    if budget.weights <= budget.requested:
        return None
    return refusal(
        "WeightsDoNotFit",
        f"No available memory for the cache blocks: the weights take {_gib(budget.weights)} GiB per GPU, "
        f"the budget is {_gib(budget.requested)} of {_gib(budget.total)} GiB",
    )


def _judge_memory(budget: Budget) -> Verdict | None:
    stage = min(budget.stages, key=lambda stage: stage.kv_cache)
    if stage.kv_cache > 0:
        return None
    return refusal(
        "NoMemoryForKVCache",
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the "
        f"engine: of {_gib(budget.requested)} GiB the weights take {_gib(stage.weights)}, activation "
        f"{_gib(stage.activation)}, non-torch memory {_gib(stage.non_torch)} and CUDA graphs {_gib(stage.graphs)}",
    )


def _judge_length(budget: Budget, cache: CacheLayout, wanted: Wanted) -> Verdict | None:
    memory = tuple(stage.kv_cache for stage in budget.stages)
    if not cache.has_cache or cache.starts(memory, wanted.max_model_len):
        return None
    longest = cache.longest_length(memory, wanted.max_model_len)
    estimated = f"Based on the available memory, the estimated maximum model length is {longest}. "
    message = (
        f"To serve at least one request with the model's max seq len ({wanted.max_model_len}), "
        f"({_gib(cache.checked_bytes(wanted.max_model_len))} GiB KV cache is needed, which is larger than the "
        f"available KV cache memory ({_gib(budget.kv_cache)} GiB). {estimated}"
        "Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."
    )
    return Verdict(starts=False, reason="KVCacheTooSmall", message=message, longest=longest)


def _judge_states(budget: Budget, cache: CacheLayout, wanted: Wanted) -> Verdict | None:
    blocks = cache.state_blocks(tuple(stage.kv_cache for stage in budget.stages))
    if blocks is None or not wanted.captures_graphs or wanted.max_num_seqs <= blocks:
        return None
    return refusal(
        "TooFewStateBlocks",
        f"max_num_seqs ({wanted.max_num_seqs}) exceeds available Mamba cache blocks ({blocks}). Each decode sequence "
        "requires one Mamba cache block, so CUDA graph capture cannot proceed. Please lower max_num_seqs to at most "
        f"{blocks} or increase gpu_memory_utilization.",
    )


def _judge_reserve(budget: Budget, wanted: Wanted) -> Verdict | None:
    if budget.reserve < budget.context:
        return refusal(
            "ReserveTooSmall",
            f"Free memory on device ({_gib(budget.total - budget.context)}/{_gib(budget.total)} GiB) on startup is "
            f"less than desired GPU memory utilization ({wanted.memory_utilization:g}, {_gib(budget.requested)} GiB). "
            "Decrease GPU memory utilization or reduce GPU memory used by other processes.",
        )
    if budget.reserve >= budget.reserve_needed:
        return None
    return refusal(
        "ReserveTooSmall",
        f"CUDA out of memory occurred when warming up sampler with {wanted.max_num_seqs} dummy requests: outside "
        f"the budget lie {_gib(budget.reserve)} GiB, context, CUDA graphs and warm-up take "
        f"{_gib(budget.reserve_needed)} GiB. "
        "Please try lowering `max_num_seqs` or `gpu_memory_utilization` when initializing the engine.",
    )


def _gib(size: int) -> str:
    return f"{size / GIB:.2f}"
