"""The planner: how a model is served on what the cluster has, or why it cannot be. Pure."""

from genmodel_operator.api.reasons import Reason
from genmodel_operator.api.v1alpha1 import GenerativeModelSpec
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.sizing.accelerators import Inventory
from genmodel_operator.sizing.answer import Memory, Misfit, RejectedCandidate, ServingPlan
from genmodel_operator.sizing.architecture import CacheNotComputable, read_architecture
from genmodel_operator.sizing.evidence import prove_plain_attention
from genmodel_operator.sizing.explain import accelerator_display, concurrency, explain, memory_of, rejected
from genmodel_operator.sizing.fitting import Fit
from genmodel_operator.sizing.frozen import plan_from_json, plan_status, plan_to_json
from genmodel_operator.sizing.memory import GIB, ephemeral_bytes, gpu_memory_utilization, shm_bytes
from genmodel_operator.sizing.misfit import no_candidates, no_fit
from genmodel_operator.sizing.precision import is_available
from genmodel_operator.sizing.ranking import Survey, replicas_fit, survey
from genmodel_operator.sizing.subject import PlanPolicy, Subject
from genmodel_operator.sizing.weights import read_weights

__all__ = [
    "Memory",
    "Misfit",
    "PlanPolicy",
    "RejectedCandidate",
    "ServingPlan",
    "accelerator_display",
    "plan_from_json",
    "plan_serving",
    "plan_status",
    "plan_to_json",
]


def plan_serving(
    *, facts: ModelFacts, task: ServedTask, spec: GenerativeModelSpec, inventory: Inventory, policy: PlanPolicy
) -> ServingPlan | Misfit:
    """Return the best plan for one replica, or the reason and the smallest change that would help.

    The same inputs always give the same answer. Raises ``ValueError`` where ``policy`` names no
    engine release.
    """
    subject = _subject(facts, task, spec, policy)
    if isinstance(subject, CacheNotComputable):
        return _misfit(Reason.CACHE_NOT_COMPUTABLE, architecture=facts.architecture, detail=subject.detail)
    wanted = spec.context.max_model_len
    if wanted is not None and wanted > facts.max_context:
        return _misfit(Reason.CONTEXT_TOO_LONG, wanted=str(wanted), limit=str(facts.max_context))
    if not is_available(facts, spec.precision):
        return _misfit(Reason.PRECISION_NOT_AVAILABLE, wanted=spec.precision.value, stored=facts.stored_precision)
    found = survey(subject, inventory.groups)
    if not found.groups:
        return no_candidates(subject, inventory)
    if not found.fits:
        return no_fit(subject, inventory, found)
    return _plan(subject, inventory, found)


def _subject(
    facts: ModelFacts, task: ServedTask, spec: GenerativeModelSpec, policy: PlanPolicy
) -> Subject | CacheNotComputable:
    architecture = read_architecture(facts.config)
    if isinstance(architecture, CacheNotComputable):
        return architecture
    attention = prove_plain_attention(facts, architecture)
    if isinstance(attention, CacheNotComputable):
        return attention
    if task is ServedTask.GENERATE and not attention.has_cache:
        return CacheNotComputable("its layers are those of an encoder, which generates no text")
    return Subject(
        facts=facts,
        task=task,
        spec=spec,
        policy=policy,
        architecture=architecture,
        attention=attention,
        weights=read_weights(facts, architecture),
    )


def _misfit(reason: Reason, **values: str) -> Misfit:
    return Misfit(reason=reason.value, values=tuple(sorted(values.items())))


def _plan(subject: Subject, inventory: Inventory, found: Survey) -> ServingPlan:
    fit, *others = found.fits
    return ServingPlan(
        resource=fit.group.resource,
        product=fit.group.product,
        count=fit.count,
        replicas_fit=replicas_fit(subject, fit, inventory),
        tensor_parallel=fit.tensor_parallel,
        pipeline_parallel=1,
        dtype=fit.served.dtype,
        max_model_len=fit.length,
        max_num_seqs=fit.batch.max_num_seqs,
        max_num_batched_tokens=fit.batch.max_num_batched_tokens,
        kv_cache_bytes=fit.cache_bytes,
        kv_tokens=fit.cache.tokens(fit.cache_bytes) if fit.cache else 0,
        concurrency=concurrency(fit),
        gpu_memory_utilization=_utilization(fit),
        memory=memory_of(fit),
        host_memory_gib=fit.host_bytes / GIB,
        shm_gib=shm_bytes(fit.tensor_parallel) / GIB,
        ephemeral_gib=ephemeral_bytes(subject.facts) / GIB,
        node_selector=tuple(sorted(fit.group.selector)),
        tolerations=fit.group.taints,
        explanation=explain(subject, fit),
        rejected=rejected(subject, fit, others, found.rejections),
    )


def _utilization(fit: Fit) -> float:
    return gpu_memory_utilization(fit.load.total, fit.overhead) if fit.overhead else 0.0
