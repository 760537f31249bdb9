"""The planner: how a model is served on what the cluster has, or why it cannot be. Pure."""

from dataclasses import replace

from genmodel_operator.api.reasons import Reason
from genmodel_operator.api.v1alpha1 import GenerativeModelSpec, Precision
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.sizing.accelerators import Inventory
from genmodel_operator.sizing.answer import Memory, Misfit, RejectedCandidate, ServingPlan
from genmodel_operator.sizing.corrections import NONE, Corrections, measured_names
from genmodel_operator.sizing.explain import accelerator_display, explain, memory_of, rejected
from genmodel_operator.sizing.frozen import plan_from_json, plan_status, plan_to_json
from genmodel_operator.sizing.memory import GIB, ephemeral_bytes, shm_bytes
from genmodel_operator.sizing.misfit import no_candidates, no_fit
from genmodel_operator.sizing.on_gpus import passed_utilization
from genmodel_operator.sizing.precision import is_available
from genmodel_operator.sizing.ranking import Survey, replicas_fit, survey
from genmodel_operator.sizing.recent import sized_model
from genmodel_operator.sizing.shape.model import Unsizable
from genmodel_operator.sizing.subject import PlanPolicy, Subject
from genmodel_operator.sizing.tensors.agreement import Disagreement

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
    *,
    facts: ModelFacts,
    task: ServedTask,
    spec: GenerativeModelSpec,
    inventory: Inventory,
    policy: PlanPolicy,
    corrections: Corrections = NONE,
) -> ServingPlan | Misfit:
    """Return the best plan for one replica, or the reason and the smallest change that would help.

    The same inputs always give the same answer. Raises ``ValueError`` where ``policy`` names no
    engine release.
    """
    try:
        subject = _subject(facts, task, spec, policy, corrections)
    except Unsizable as refused:
        return _not_sized(facts, refused)
    wanted = spec.context.max_model_len
    if wanted is not None and wanted > facts.max_context:
        return _misfit(Reason.CONTEXT_TOO_LONG, wanted=str(wanted), limit=str(facts.max_context))
    if not is_available(facts, spec.precision, allows_fp8=policy.allows_fp8):
        return _misfit(Reason.PRECISION_NOT_AVAILABLE, wanted=spec.precision.value, stored=facts.stored_precision)
    found = survey(subject, inventory.groups)
    if not found.groups:
        return no_candidates(subject, inventory)
    if not found.fits and (narrowed := _narrowed(subject)) is not None:
        in_fp8 = survey(narrowed, inventory.groups)
        subject, found = (narrowed, in_fp8) if in_fp8.fits else (subject, found)
    if not found.fits:
        return no_fit(subject, inventory, found)
    return _plan(subject, inventory, found)


def _not_sized(facts: ModelFacts, refused: Unsizable) -> Misfit:
    if isinstance(refused, Disagreement):
        file = "model*.safetensors"
        return _misfit(Reason.METADATA_INVALID, repository=facts.repository, file=file, detail=refused.message)
    return _misfit(Reason.CACHE_NOT_COMPUTABLE, architecture=facts.architecture, detail=refused.message)


def _subject(
    facts: ModelFacts, task: ServedTask, spec: GenerativeModelSpec, policy: PlanPolicy, corrections: Corrections
) -> Subject:
    """Return what is to be planned; raises ``Unsizable`` where its memory cannot be computed."""
    model = sized_model(facts)
    model.check(policy.release)
    subject = Subject(facts, task, spec, policy, model, policy.release, corrections)
    if task is ServedTask.GENERATE and not subject.keeps_cache:
        detail = "its layers are those of an encoder, which generates no text"
        raise Unsizable("UnsupportedArchitecture", detail)
    return subject


def _narrowed(subject: Subject) -> Subject | None:
    """Return the subject with its weights in FP8, None where nobody allows that."""
    facts, policy = subject.facts, subject.policy
    if subject.spec.precision is not Precision.AUTO or facts.quantization is not None:
        return None
    if not is_available(facts, Precision.FP8, allows_fp8=policy.allows_fp8):
        return None
    spec = subject.spec.model_copy(update={"precision": Precision.FP8})
    return replace(subject, spec=spec, narrows_weights=True)


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
        pipeline_parallel=fit.attempt.server.layout.pipeline_parallel,
        dtype=fit.served.dtype,
        max_model_len=fit.length,
        max_num_seqs=fit.batch.max_num_seqs,
        max_num_batched_tokens=fit.batch.max_num_batched_tokens,
        kv_cache_bytes=fit.cache_bytes,
        kv_tokens=fit.tokens,
        concurrency=fit.concurrency,
        gpu_memory_utilization=passed_utilization(fit) if fit.count else 0.0,
        memory=memory_of(fit),
        host_memory_gib=fit.host_bytes / GIB,
        shm_gib=shm_bytes(fit.tensor_parallel) / GIB,
        ephemeral_gib=ephemeral_bytes(subject.facts) / GIB,
        node_selector=tuple(sorted(fit.group.selector)),
        tolerations=fit.group.taints,
        explanation=explain(subject, fit),
        rejected=rejected(subject, fit, others, found.rejections),
        measured=measured_names(fit.attempt.learnt),
        quantization=fit.served.quantization or "",
        kv_cache_dtype=fit.attempt.server.kv_cache_dtype or "",
    )
