"""From the operator's settings to what the planner must know of them."""

from collections.abc import Sequence

from genmodel_operator.api.quantity import parse_quantity
from genmodel_operator.policy.document import Policy
from genmodel_operator.policy.pool import AcceleratorPool
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import AMD, NVIDIA, parse_taint
from genmodel_operator.sizing.pools_given import pools_given
from genmodel_operator.sizing.subject import TOLERATED_TAINTS, PlanPolicy


def plan_policy(settings: Settings, policy: Policy | None = None) -> PlanPolicy:
    """Return what the planner must know of the settings, and of the policy that holds now; else of theirs."""
    policy = policy or settings.policy
    return PlanPolicy(
        engine_version=settings.engines.version,
        cpu_max_model_gib=settings.engines.cpu_max_model_gib,
        cpu_request_cores=float(parse_quantity(settings.engines.cpu_request)),
        tolerated_taints=(*TOLERATED_TAINTS, *_pool_taints(pools_given(settings, policy))),
        gpu_vendors=(NVIDIA, AMD) if settings.engines.rocm_image else (NVIDIA,),
        allowed_precisions=tuple(policy.allowed_precisions),
        prices=tuple(policy.prices.items()),
    )


def _pool_taints(pools: Sequence[AcceleratorPool]) -> tuple[str, ...]:
    """Return the taints of the static pools: they are tolerated on the nodes that have come of them too."""
    taints = (parse_taint(text) for pool in pools for text in pool.taints)
    return tuple(f"{taint.key}={taint.value}" if taint.value else taint.key for taint in taints)
