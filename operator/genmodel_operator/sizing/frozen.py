"""Plans as JSON: how a plan is frozen in a revision and read back years later."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from genmodel_operator.api.v1alpha1 import MemoryBreakdown, PlannedAccelerator, PlanStatus, Rejected
from genmodel_operator.sizing.accelerators import Taint
from genmodel_operator.sizing.answer import Memory, RejectedCandidate, ServingPlan
from genmodel_operator.sizing.explain import printed

_LATER = frozenset({"measured", "quantization", "kv_cache_dtype"})
"""Fields that plans did not have from the beginning, and that say nothing where they are empty."""


def plan_to_json(plan: ServingPlan) -> dict[str, Any]:
    """Return the plan as a JSON object; ``plan_from_json`` gives an equal plan back.

    A frozen plan is written again and may never differ: a field that came later is left out where it says nothing.
    """
    fields_of_plan = {field.name: getattr(plan, field.name) for field in fields(plan)}
    return (
        {name: value for name, value in fields_of_plan.items() if name not in _LATER or value}
        | ({"measured": list(plan.measured)} if plan.measured else {})
        | {
            "memory": asdict(plan.memory),
            "node_selector": dict(plan.node_selector),
            "tolerations": [asdict(taint) for taint in plan.tolerations],
            "rejected": [asdict(candidate) for candidate in plan.rejected],
        }
    )


def plan_from_json(document: Mapping[str, Any]) -> ServingPlan:
    """Return the plan that was frozen.

    Fields that this version does not know are ignored: a newer one wrote them. Raises ``KeyError``
    or ``TypeError`` where a field is missing that every version writes.
    """
    known = _known(ServingPlan, document)
    return ServingPlan(
        **known
        | {
            "memory": Memory(**_known(Memory, document["memory"])),
            "node_selector": tuple(sorted(document["node_selector"].items())),
            "tolerations": tuple(Taint(**_known(Taint, taint)) for taint in document["tolerations"]),
            "rejected": tuple(
                RejectedCandidate(**_known(RejectedCandidate, candidate)) for candidate in document.get("rejected", [])
            ),
            "measured": tuple(document.get("measured", ())),
        }
    )


def plan_status(plan: ServingPlan, overridden: Iterable[str] = ()) -> PlanStatus:
    """Return what ``status.plan`` shows; ``overridden`` names entries of ``spec.engine`` that were not passed on."""
    return PlanStatus(
        accelerator=PlannedAccelerator(resource=plan.resource, product=plan.product, count=plan.count),
        replicas_fit=plan.replicas_fit,
        tensor_parallel=plan.tensor_parallel,
        pipeline_parallel=plan.pipeline_parallel,
        max_model_len=plan.max_model_len,
        concurrency=plan.concurrency,
        memory=MemoryBreakdown(**asdict(printed(plan.memory))),
        explanation=plan.explanation,
        rejected=[Rejected(**asdict(candidate)) for candidate in plan.rejected],
        overridden=list(overridden),
    )


def _known(kind: type[Any], document: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in document.items() if name in names}
