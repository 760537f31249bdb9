"""Weights on a claim: the claim, one download Job for each commit, and what the pods that serve wait for."""

import logging
from datetime import datetime
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.reasons import Reason
from genmodel_operator.causes import Cause, is_ready
from genmodel_operator.causes.pods import container_status
from genmodel_operator.causes.weights import Weights, failed_before, last_failure, told_reason
from genmodel_operator.controller import children
from genmodel_operator.controller.context import Context, Object
from genmodel_operator.controller.errors import Stalled
from genmodel_operator.controller.inspection import is_inspection, source_claim
from genmodel_operator.controller.jobs import (
    SOON_SECONDS,
    annotation,
    condition_time,
    create_job,
    drop_job,
    is_complete,
    pods_of,
    seconds_since,
)
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.errors import NotFound
from genmodel_operator.kube.kinds import CLAIM, CONTROLLER_REVISION, DEPLOYMENT
from genmodel_operator.resources.job import build_job, job_name, with_failure, with_generation, with_in_use
from genmodel_operator.resources.revision import Revision, revision_from_object
from genmodel_operator.resources.storage import Claim, build_claim, claim_of, claim_problem, is_for_one_node
from genmodel_runtime.contract import PREPARE_CONTAINER, RuntimeReason

log = logging.getLogger(__name__)

RETRY_SECONDS = 300.0
"""How long after a failure the download is tried again where nobody changed anything."""
TOKEN_RETRY_SECONDS = 60.0
"""The same where a token was refused: a mended one is not seen otherwise, since Secrets are not watched."""


async def find_claim(ctx: Context) -> None:
    """Read the claim that a new revision will use: its access modes are part of the pods."""
    if ctx.current is None and ctx.model.spec.claim_source is None:
        ctx.claim = await _live_claim(ctx)


async def bring(ctx: Context) -> None:
    """Have the weights of the desired revision brought to its claim, and give up what nobody waits for."""
    await _collect(ctx)
    revision, source = ctx.current, ctx.model.spec.claim_source
    if revision is not None and source is not None:
        given, _ = await source_claim(ctx, source)
        ctx.weights = Weights(given.name, is_kept=False, is_complete=True, is_for_one_node=given.is_for_one_node)
        return
    if revision is None or revision.fetch is None or ctx.is_unprotected:
        return
    job = ctx.jobs.get(job_name(ctx.name, revision.model.commit))
    claim = claim_of(ctx.model)
    if claim is None:
        return
    live = await _claim(ctx, claim, revision)
    _refuse_sharing(ctx, claim_of(ctx.model, live) or claim)
    job = await _job(ctx, revision, job, str(live["metadata"].get("uid")))
    ctx.weights = Weights(
        claim.name,
        is_kept=claim.is_ours,
        is_complete=is_complete(job),
        is_for_one_node=is_for_one_node(revision.template),
        pods=_pods_of(ctx, job),
        failed_before=failed_before(job),
    )


def kept_claim(cache: ChildCache, namespace: str, model_name: str) -> Object | None:
    """Return the claim that a deleted model leaves, None where it had none of ours."""
    found = cache.of_model(CLAIM, namespace, model_name)
    return next((claim for claim in found if not claim["metadata"].get("deletionTimestamp")), None)


async def mend(ctx: Context) -> None:
    """Run the download again where a pod finds that the claim lost what the Job had brought."""
    revision = ctx.current
    if revision is None or ctx.weights is None or not ctx.weights.is_complete:
        return
    job = ctx.jobs.get(job_name(ctx.name, revision.model.commit))
    since = str((job or {}).get("status", {}).get("completionTime") or "")
    if job is not None and any(_misses_weights(ctx, pod, since) for pod in children.own_pods(ctx, revision.id)):
        await drop_job(ctx, job)
        ctx.look_again(SOON_SECONDS)


def _misses_weights(ctx: Context, pod: Object, since: str) -> bool:
    """Return whether a pod that started after the download looked for the weights in vain."""
    prepare = container_status(pod, PREPARE_CONTAINER)
    if prepare is None or is_ready(pod):
        return False
    failure = ctx.runtimes.get(pod["metadata"]["name"], {}).get("failure") or {}
    state = prepare.get("state", {})
    running, ended = state.get("running"), state.get("terminated") or prepare.get("lastState", {}).get("terminated")
    missing = RuntimeReason.WEIGHTS_INCOMPLETE.value
    if running and failure.get("reason") == missing:
        return str(running.get("startedAt") or "") > since
    return told_reason(ended) == missing and str((ended or {}).get("finishedAt") or "") > since


async def _live_claim(ctx: Context) -> Claim | None:
    """Return the claim as it is live, as we would create it where it is ours and not there yet."""
    claim = claim_of(ctx.model)
    if claim is None:
        return None
    try:
        live = await ctx.tools.client.get(CLAIM, ctx.namespace, claim.name)
    except NotFound:
        if claim.is_ours:
            return claim
        raise _not_found(ctx, claim, "does not exist") from None
    return claim_of(ctx.model, live)


async def _claim(ctx: Context, claim: Claim, revision: Revision) -> Object:
    """Return the live claim; create ours, and put it right where it differs."""
    if claim.is_ours:
        live = await children.read_known(ctx, CLAIM, claim.name)
        live = await children.write(ctx, CLAIM, build_claim(ctx.model, revision.plan, live))
    else:
        try:
            live = await ctx.tools.client.get(CLAIM, ctx.namespace, claim.name)
        except NotFound:
            raise _not_found(ctx, claim, "does not exist") from None
    if (problem := claim_problem(live)) is not None:
        raise _not_found(ctx, claim, problem)
    return live


def _not_found(ctx: Context, claim: Claim, detail: str) -> Stalled:
    return Stalled(Reason.CLAIM_NOT_FOUND, claim=claim.name, detail=detail, namespace=ctx.namespace)


def _refuse_sharing(ctx: Context, claim: Claim) -> None:
    replicas = ctx.model.spec.desired_replicas
    if claim.is_for_one_pod and replicas > 1:
        raise Stalled(Reason.CLAIM_NOT_SHAREABLE, claim=claim.name, replicas=replicas)


async def _job(ctx: Context, revision: Revision, job: Object | None, claim_uid: str) -> Object | None:
    """Return the Job of the revision's commit; make it, or make it anew where it can do no more."""
    wanted = build_job(ctx.model, revision, claim_uid)
    before = None
    if job is not None:
        if not _is_spent(ctx, job, wanted):
            return job
        before = _failure_to_tell(ctx, job, wanted)
        await drop_job(ctx, job)
    told = with_in_use(wanted, await _in_use(ctx, revision, claim_uid))
    told = with_generation(told, ctx.model.metadata.generation)
    if before is not None:
        told = with_failure(told, before.reason.value, before.message)
    return await create_job(ctx, told)


def _failure_to_tell(ctx: Context, job: Object, wanted: Object) -> Cause | None:
    """Return why a Job failed that is made anew as it was: nobody changed anything, so that it may fail again."""
    is_same = annotation(job, labels.DESIRED_HASH) == annotation(wanted, labels.DESIRED_HASH)
    if not is_same or condition_time(job, "Failed") is None:
        return None
    return last_failure(_pods_of(ctx, job)) or failed_before(job)


def _is_spent(ctx: Context, job: Object, wanted: Object) -> bool:
    """Return whether a Job has to make place for another one of its name."""
    if is_complete(job):
        return annotation(job, labels.CLAIM_UID) != annotation(wanted, labels.CLAIM_UID)
    if annotation(job, labels.DESIRED_HASH) != annotation(wanted, labels.DESIRED_HASH):
        return True
    failed_at = condition_time(job, "Failed")
    if failed_at is None:
        return False
    cause = last_failure(_pods_of(ctx, job))
    denied = cause is not None and cause.reason is RuntimeReason.ACCESS_DENIED
    # Not what status has observed: a change may come between a pod's end and that of its Job.
    if annotation(job, labels.GENERATION) not in (None, str(ctx.model.metadata.generation)):
        return True
    left = (TOKEN_RETRY_SECONDS if denied else RETRY_SECONDS) - seconds_since(ctx, failed_at)
    if left > 0:
        ctx.look_again(left)
    return left <= 0


async def _in_use(ctx: Context, revision: Revision, claim_uid: str) -> dict[str, Any]:
    """Return which commits on the claim are used by any model of the namespace, as the sweep wants to know it."""
    as_of = int(datetime.fromisoformat(ctx.tools.now()).timestamp())
    label = (revision.fetch or {})["metadata"]["labels"][labels.CLAIM]
    of_claim = f"{labels.OWNED_SELECTOR},{labels.CLAIM}={label}"
    found = await ctx.tools.client.list(CONTROLLER_REVISION, ctx.namespace, label_selector=of_claim)
    deployments = await ctx.tools.client.list(DEPLOYMENT, ctx.namespace, label_selector=labels.OWNED_SELECTOR)
    running = {str(deployment["metadata"]["name"]) for deployment in deployments}
    serving: set[str] = {revision.model.commit}
    kept: set[str] = set()
    for item in found:
        try:
            commit = revision_from_object(item).model.commit
        except ValueError as error:
            log.warning("nothing is swept from the claim, since a ControllerRevision cannot be read: %s", error)
            as_of = 0
            continue
        (serving if item["metadata"]["name"] in running else kept).add(commit)
    return {"claim": claim_uid, "serving": sorted(serving), "kept": sorted(kept - serving), "asOf": as_of}


async def _collect(ctx: Context) -> None:
    """Take away Jobs of commits that no revision knows, and downloads that nobody waits for any more."""
    known = [revision for revision in (*ctx.revisions, ctx.current) if revision is not None and revision.fetch]
    names = {job_name(ctx.name, revision.model.commit) for revision in known}
    wanted = job_name(ctx.name, ctx.current.model.commit) if ctx.current is not None and ctx.current.fetch else None
    for name, job in [(name, job) for name, job in ctx.jobs.items() if not is_inspection(job)]:
        is_idle = ctx.current is not None and name != wanted and not is_complete(job)
        if is_idle or (ctx.current is not None and name not in names):
            await drop_job(ctx, job)


def _pods_of(ctx: Context, job: Object | None) -> list[Object]:
    return pods_of(ctx.fetchers, job)
