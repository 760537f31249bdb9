"""A model on a claim that its user filled: a Job reads what it is, since the operator cannot mount volumes.

A Job goes when a revision is frozen of what it told. The folder is read again when one is needed that is not there.
"""

import asyncio

from genmodel_operator.api import labels
from genmodel_operator.api.reasons import Reason
from genmodel_operator.api.v1alpha1 import ClaimSource
from genmodel_operator.causes import Cause, Evidence
from genmodel_operator.causes.cause import because
from genmodel_operator.causes.evidence import parse_time
from genmodel_operator.causes.first import first_cause
from genmodel_operator.causes.pods import container_statuses
from genmodel_operator.causes.weights import Weights, failed_before, last_failure
from genmodel_operator.controller import children
from genmodel_operator.controller.context import Context, Object
from genmodel_operator.controller.errors import Stalled
from genmodel_operator.controller.evidence import news_in_seconds
from genmodel_operator.controller.jobs import (
    SOON_SECONDS,
    annotation,
    create_job,
    drop_job,
    ended_at,
    is_complete,
    pods_of,
    seconds_since,
)
from genmodel_operator.hub.facts import ModelFacts, Refused
from genmodel_operator.hub.inspection import facts_of_inspection, read_inspection
from genmodel_operator.kube.errors import NotFound
from genmodel_operator.kube.kinds import CLAIM, NETWORK_POLICY
from genmodel_operator.resources.job import with_failure, with_generation
from genmodel_operator.resources.network import build_inspection_policies
from genmodel_operator.resources.source import build_inspection_job
from genmodel_operator.resources.storage import Claim, claim_of, claim_problem
from genmodel_operator.status import RESOLVE, StepFailure
from genmodel_runtime.contract import RuntimeReason

RETRY_SECONDS = 300.0
"""How long after a vain look the folder is looked at again where nobody asked for it."""

_OF_THE_FILES = (Reason.METADATA_INVALID, Reason.NO_WEIGHTS, Reason.PICKLE_ONLY, Reason.GGUF_ONLY)
"""What is mended on the volume, not by the choice of another repository."""
_OVER = ("Failed", "Succeeded")


async def inspect(ctx: Context, source: ClaimSource) -> ModelFacts | None:
    """Return what the user's files are; None while that is not known, with the failure that says why.

    Raises ``Stalled`` where they cannot be served.
    """
    claim, uid = await source_claim(ctx, source)
    ctx.claim = claim
    for policy in build_inspection_policies(ctx.model, ctx.tools.settings):
        await children.write(ctx, NETWORK_POLICY, policy)
    wanted = build_inspection_job(ctx.model, ctx.tools.settings, source, claim, uid)
    for job in _jobs(ctx):
        if job["metadata"]["name"] != wanted["metadata"]["name"]:
            await drop_job(ctx, job)
    made = await _job(ctx, source, wanted)
    message = _last_words(ctx, made)
    if message is None:
        await _tell(ctx, made, source, claim)
        return None
    return await _facts(ctx, made, source, message)


async def source_claim(ctx: Context, source: ClaimSource) -> tuple[Claim, str]:
    """Return the live claim with a user's files, and its uid; raises ``Stalled`` where it cannot be used."""
    try:
        live = await ctx.tools.client.get(CLAIM, ctx.namespace, source.claim_name)
    except NotFound:
        raise _not_found(ctx, source, "does not exist") from None
    if (problem := claim_problem(live)) is not None:
        raise _not_found(ctx, source, problem)
    claim, replicas = claim_of(ctx.model, live), ctx.model.spec.desired_replicas
    if claim is None:
        raise ValueError("the model has no claim")
    if claim.is_for_one_pod and replicas > 1:
        raise Stalled(Reason.CLAIM_NOT_SHAREABLE, claim=claim.name, replicas=replicas)
    return claim, str(live["metadata"].get("uid"))


async def collect(ctx: Context) -> None:
    """Take away the Jobs whose result is frozen in a revision, or that nobody waits for any more."""
    is_frozen = ctx.current is not None and not ctx.is_new(ctx.current)
    if is_frozen or ctx.model.spec.claim_source is None:
        for job in _jobs(ctx):
            await drop_job(ctx, job)


def is_inspection(job: Object) -> bool:
    """Whether a Job of ours reads a user's claim."""
    return bool(job["metadata"].get("labels", {}).get(labels.COMPONENT_KEY) == labels.COMPONENT_INSPECT)


def _jobs(ctx: Context) -> list[Object]:
    return [job for job in ctx.jobs.values() if is_inspection(job)]


async def _job(ctx: Context, source: ClaimSource, wanted: Object) -> Object | None:
    """Return the Job; make it, or make it anew where it tells nothing of what is wished now."""
    name = wanted["metadata"]["name"]
    if is_complete(ctx.jobs.get(name)) and not pods_of(ctx.inspectors, ctx.jobs[name]):
        # That its pod is gone is believed of live reads alone: the watches of Jobs and pods know nothing of each other.
        await children.gather_live(ctx)
    job, told = ctx.jobs.get(name), with_generation(wanted, ctx.model.metadata.generation)
    if job is not None:
        if not _is_spent(ctx, source, job, wanted):
            return job
        if not _is_changed(ctx, job) and (before := _vain(ctx, source, job)) is not None:
            # Nobody changed the wish, so that it may find the same again: that stays the reason until it has looked.
            told = with_failure(told, before.reason.value, before.message)
        await drop_job(ctx, job)
    return await create_job(ctx, told)


def _is_spent(ctx: Context, source: ClaimSource, job: Object, wanted: Object) -> bool:
    """Return whether a Job has to make place for another one of its name."""
    if annotation(job, labels.DESIRED_HASH) != annotation(wanted, labels.DESIRED_HASH):
        return True
    ended = ended_at(job)
    if ended is None:
        return False
    if is_complete(job) and not pods_of(ctx.inspectors, job):
        return True
    is_due = _is_changed(ctx, job) or seconds_since(ctx, ended) >= RETRY_SECONDS
    return is_due and (_vain(ctx, source, job) is not None or _last_words(ctx, job) is None)


def _is_changed(ctx: Context, job: Object) -> bool:
    return annotation(job, labels.GENERATION) != str(ctx.model.metadata.generation)


def _vain(ctx: Context, source: ClaimSource, job: Object) -> Cause | None:
    """Return why the files cannot be served as the Job found them, None where they can, or nobody knows."""
    message = _last_words(ctx, job)
    if message is None:
        return last_failure(pods_of(ctx.inspectors, job)) or failed_before(job)
    try:
        _read(ctx, source, message)
    except Stalled as stalled:
        return Cause(stalled.reason, stalled.message)
    return None


def _last_words(ctx: Context, job: Object | None) -> str | None:
    """Return what the Job's pod left when it had read the folder, None where none has (yet)."""
    for pod in pods_of(ctx.inspectors, job):
        for container in container_statuses(pod):
            ended = container.get("state", {}).get("terminated")
            if ended and ended.get("exitCode") == 0:
                return str(ended.get("message") or "")
    return None


async def _facts(ctx: Context, job: Object | None, source: ClaimSource, message: str) -> ModelFacts:
    try:
        # In a thread: a hundred thousand tensors take the better part of a second.
        return await asyncio.to_thread(_read, ctx, source, message)
    except Stalled:
        _come_back(ctx, job)
        raise


def _read(ctx: Context, source: ClaimSource, message: str) -> ModelFacts:
    """Return the facts that were told; raises ``Stalled`` where the files cannot be served."""
    try:
        return facts_of_inspection(ctx.model.spec.model, read_inspection(message))
    except Refused as refused:
        if refused.reason not in _OF_THE_FILES:
            raise Stalled(refused.reason, **refused.values) from refused
        raise _invalid(source, str(refused)) from refused
    except ValueError as error:
        raise _invalid(source, str(error)) from error


def _come_back(ctx: Context, job: Object | None) -> None:
    """Look again when the folder is to be read once more."""
    ended = ended_at(job) if job is not None else None
    if ended is not None:
        ctx.look_again(max(SOON_SECONDS, RETRY_SECONDS - seconds_since(ctx, ended)))


async def _tell(ctx: Context, job: Object | None, source: ClaimSource, claim: Claim) -> None:
    """Say how far the Job is, or why it does not go on, and come back when there may be news of it."""
    pods = pods_of(ctx.inspectors, job)
    alive = [pod for pod in pods if pod.get("status", {}).get("phase") not in _OVER]
    evidence = await _evidence(ctx, alive)
    cause = _now(claim, alive, evidence) or last_failure(pods, evidence) or failed_before(job)
    cause = cause or because(Reason.INSPECTING, folder=source.words)
    ctx.failures.append(StepFailure(RESOLVE, cause.reason, cause.message, stalled=cause.needs_person))
    if is_complete(job):
        # Its pod may be told of a moment later than the Job itself.
        ctx.look_again(SOON_SECONDS)
    else:
        _come_back(ctx, job)
    for pod in alive:
        if (seconds := news_in_seconds(pod, parse_time(ctx.tools.now()))) is not None:
            ctx.look_again(seconds)


def _now(claim: Claim, alive: list[Object], evidence: Evidence) -> Cause | None:
    """Return what keeps the pods that live from reading, None where nothing does."""
    on_claim = Weights(claim.name, is_kept=False, is_complete=False, is_for_one_node=claim.is_for_one_node)
    found = on_claim.told_of(first_cause(None, alive, {}, evidence)) if alive else None
    return None if found is None or found.is_progress else found


async def _evidence(ctx: Context, alive: list[Object]) -> Evidence:
    if ctx.tools.evidence is None or not alive:
        return Evidence()
    return await ctx.tools.evidence.read(alive, {}, now=ctx.tools.now())


def _not_found(ctx: Context, source: ClaimSource, detail: str) -> Stalled:
    return Stalled(Reason.SOURCE_CLAIM_NOT_FOUND, claim=source.claim_name, detail=detail, namespace=ctx.namespace)


def _invalid(source: ClaimSource, detail: str) -> Stalled:
    return Stalled(RuntimeReason.SOURCE_INVALID, message=f"{source.words}: {detail}")
