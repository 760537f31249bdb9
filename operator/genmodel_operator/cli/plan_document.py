"""A plan as one JSON object: the fields are documented in docs/plan.md and are not renamed."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from genmodel_operator.api.reasons import Reason, info
from genmodel_operator.cli.local import NO_COMMIT
from genmodel_operator.cli.plan import PlanReport
from genmodel_operator.cli.wish import name_of
from genmodel_operator.engines import engine_for
from genmodel_operator.engines.overrides import overridden_args, overridden_env
from genmodel_operator.resources.revision import model_status
from genmodel_operator.sizing.accelerators import NodeGroup
from genmodel_operator.sizing.plan import Misfit, ServingPlan, plan_status

VERSION = 1


def plan_document(report: PlanReport) -> dict[str, Any]:
    """Return the answer; ``plan`` is exactly what ``status.plan`` would be, ``refusal`` is set where that is null."""
    answer = report.decision.answer
    return {
        "version": VERSION,
        "model": _model(report) | {"source": report.found.origin},
        "plan": None if isinstance(answer, Misfit) else _plan(report, answer),
        "server": None if isinstance(answer, Misfit) else _server(report, answer),
        "refusal": _refusal(answer) if isinstance(answer, Misfit) else None,
        "nodes": _nodes(report),
        "warnings": list(report.warnings),
    }


def _model(report: PlanReport) -> dict[str, Any]:
    status = model_status(report.found.facts, report.decision.task).model_dump(mode="json", by_alias=True)
    return status | ({"commit": None} if status["commit"] == NO_COMMIT else {})


def _plan(report: PlanReport, plan: ServingPlan) -> dict[str, Any]:
    engine = report.model.spec.engine
    overridden = (*overridden_args(engine.args)[1], *overridden_env(engine.env)[1])
    return plan_status(plan, overridden).model_dump(mode="json", by_alias=True, exclude_none=True)


def _server(report: PlanReport, plan: ServingPlan) -> dict[str, Any]:
    return {
        "engine": engine_for(plan).name,
        "engineVersion": report.settings.engines.version,
        "dtype": plan.dtype,
        "quantization": plan.quantization or None,
        "kvCacheDtype": plan.kv_cache_dtype or None,
        "kvTokens": plan.kv_tokens,
        "kvCacheBytes": plan.kv_cache_bytes,
        "maxNumSeqs": plan.max_num_seqs,
        "maxNumBatchedTokens": plan.max_num_batched_tokens,
        "gpuMemoryUtilization": plan.gpu_memory_utilization if plan.is_gpu else None,
        "hostMemoryGiB": round(plan.host_memory_gib, 2),
        "shmGiB": round(plan.shm_gib, 2),
        "diskGiB": round(plan.ephemeral_gib, 2),
        "measured": list(plan.measured),
        "arguments": engine_arguments(report, plan),
    }


def engine_arguments(report: PlanReport, plan: ServingPlan) -> list[str]:
    """Return the engine's whole command line, with the user's arguments that are passed on."""
    model, facts = report.model, report.found.facts
    names = (model.metadata.name or name_of(model.spec.model), model.spec.model)
    args = engine_for(plan).args(facts, plan, names, task=report.decision.task)
    return args.around(overridden_args(model.spec.engine.args)[0])


def _refusal(misfit: Misfit) -> dict[str, Any]:
    message, change = refusal_words(misfit)
    rejected = [asdict(one) for one in misfit.rejected]
    return {"reason": misfit.reason, "message": message, "change": change, "rejected": rejected}


def refusal_words(misfit: Misfit) -> tuple[str, str]:
    """Return what is the case, and the smallest change that would help."""
    entry = info(Reason(misfit.reason))
    values = dict(misfit.values)
    return entry.message.format(**values), entry.remedy.format(**values)


def _nodes(report: PlanReport) -> dict[str, Any]:
    inventory = report.surveyed.inventory
    return {
        "source": report.surveyed.origin or "the options",
        "groups": [_group(group) for group in listed_groups(inventory.groups)],
        "leftOut": list(inventory.notes),
    }


def listed_groups(groups: Sequence[NodeGroup]) -> list[NodeGroup]:
    """Return the groups as nodes: CPU beside devices is the same node once more."""
    return [group for group in groups if not group.beside_devices]


def _group(group: NodeGroup) -> dict[str, Any]:
    capability = group.compute_capability
    return {
        "product": group.product,
        "nodes": group.nodes,
        "devicesPerNode": group.devices_per_node,
        "memoryGiB": round(group.device_memory_gib, 2),
        "computeCapability": f"{capability[0]}.{capability[1]}" if capability else None,
        "pool": group.pool or None,
    }
