"""The model's children: read what is ours, write what differs, never take what is not ours."""

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.reasons import Reason
from genmodel_operator.causes import is_ready
from genmodel_operator.controller.contest import SOMEBODY, writers_text
from genmodel_operator.controller.context import Context, Object
from genmodel_operator.controller.errors import Stalled, StepError, Waiting
from genmodel_operator.controller.repair import is_held_back, note_write
from genmodel_operator.controller.rollout import RolloutDecision, RolloutState, decide_rollout
from genmodel_operator.kube.apply import Ownership, is_applied, is_as_created, ownership
from genmodel_operator.kube.errors import AlreadyExists, Forbidden, Invalid, NotFound
from genmodel_operator.kube.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    NETWORK_POLICY,
    POD,
    SERVICE,
    Kind,
)
from genmodel_operator.resources.deployment import build_deployment
from genmodel_operator.resources.disruption import build_disruption_budget
from genmodel_operator.resources.hashing import with_desired_hash
from genmodel_operator.resources.revision import Revision, build_controller_revision, revision_from_object
from genmodel_operator.resources.service import build_service

log = logging.getLogger(__name__)

KEPT_REVISIONS = 2
"""ControllerRevisions without a Deployment that stay, for going back."""
CLEANUP_SECONDS = 2.0
SWITCH_SECONDS = 1.0
TERMINATING_SECONDS = 30.0


async def gather(ctx: Context) -> None:
    """Read our children; from the watch cache where that is enough, live at each resync."""
    ctx.revisions = _frozen(await _read(ctx, CONTROLLER_REVISION))
    ctx.deployments = {_revision_by_name(ctx, found): found for found in await _read(ctx, DEPLOYMENT)}
    services = [found for found in await _read(ctx, SERVICE) if found["metadata"]["name"] == ctx.name]
    ctx.service = services[0] if services else None
    ctx.serving = _serving(ctx.service)
    ctx.budget = next(iter(await _read(ctx, DISRUPTION_BUDGET)), None)
    ctx.policies = {str(found["metadata"]["name"]): found for found in await _read(ctx, NETWORK_POLICY)}
    ctx.jobs = {str(found["metadata"]["name"]): found for found in await _read(ctx, JOB)}
    pods = await _read(ctx, POD)
    ctx.pods = [pod for pod in pods if revision_of(pod)]
    ctx.fetchers = _of_component(pods, labels.COMPONENT_FETCH)
    ctx.inspectors = _of_component(pods, labels.COMPONENT_INSPECT)


async def gather_live(ctx: Context) -> None:
    """Read our children live, unless that was done: before something is taken from users."""
    if not ctx.resync:
        ctx.resync = True
        await gather(ctx)


def _frozen(objects: list[Object]) -> list[Revision]:
    """Return the revisions that can be read, newest first; one that cannot is left as it is."""
    revisions = []
    for found in objects:
        try:
            revisions.append(revision_from_object(found))
        except ValueError as error:
            log.warning("a ControllerRevision was passed over: %s", error)
    return sorted(revisions, key=lambda revision: revision.number, reverse=True)


async def _read(ctx: Context, kind: Kind) -> list[Object]:
    """Return our live objects of a kind: owned by this very model, not by an older one of its name."""
    if ctx.resync:
        selector = f"{labels.OWNED_SELECTOR},{labels.MODEL}={ctx.name}"
        found = await ctx.tools.client.list(kind, ctx.namespace, label_selector=selector)
        if kind is not POD:
            found += await _unlisted(ctx, kind, {item["metadata"]["name"] for item in found})
        ctx.tools.cache.replace(kind, ctx.namespace, ctx.name, found)
    else:
        found = ctx.tools.cache.of_model(kind, ctx.namespace, ctx.name)
    if kind is POD:
        return found
    uid = ctx.model.metadata.uid
    ours = [item for item in found if ownership(item, model_uid=uid, model_name=ctx.name) in _OURS]
    ctx.read |= {(kind.plural, item["metadata"]["name"]): item for item in ours}
    return ours


async def _unlisted(ctx: Context, kind: Kind, listed: set[str]) -> list[Object]:
    """Return what the cache knows and the list left out: its label was edited by hand, or it is gone."""
    found = []
    for item in ctx.tools.cache.of_model(kind, ctx.namespace, ctx.name):
        name = item["metadata"]["name"]
        if name not in listed:
            with contextlib.suppress(NotFound):
                found.append(await ctx.tools.client.get(kind, ctx.namespace, name))
    return found


_OURS = (Ownership.OURS, Ownership.LOST_OWNER)


def _revision_by_name(ctx: Context, found: Mapping[str, Any]) -> str:
    """Return the revision of a Deployment; unlike its labels, its name cannot be edited by hand."""
    return str(found["metadata"]["name"]).removeprefix(f"{ctx.name}-")


def revision_of(found: Mapping[str, Any]) -> str:
    """Return the revision of a pod, by its label."""
    return str(found["metadata"].get("labels", {}).get(labels.REVISION, ""))


def _of_component(pods: list[Object], component: str) -> list[Object]:
    return [pod for pod in pods if pod["metadata"].get("labels", {}).get(labels.COMPONENT_KEY) == component]


def _serving(service: Object | None) -> str | None:
    selector = (service or {}).get("spec", {}).get("selector") or {}
    revision = selector.get(labels.REVISION)
    return str(revision) if revision else None


async def apply(ctx: Context) -> None:
    """Write the children that differ: the frozen revision first, then what runs, then the Service."""
    await _give_up_replaced(ctx)
    decision = await _decide(ctx)
    runnable = {revision.id: revision for revision in ctx.revisions}
    if ctx.current is not None:
        runnable[ctx.current.id] = ctx.current
        await write(ctx, CONTROLLER_REVISION, build_controller_revision(ctx.model, ctx.current))
    for revision_id, replicas in decision.replicas.items():
        if revision_id in runnable and not ctx.has_to_wait(runnable[revision_id]):
            await _apply_deployment(ctx, runnable[revision_id], replicas)
    if decision.service is not None:
        ctx.service = await write(ctx, SERVICE, build_service(ctx.model, decision.service))
        if decision.service != ctx.serving:
            # Nothing tells us of our own write: what the switch leaves over goes in a run of its own.
            ctx.look_again(SWITCH_SECONDS)
        ctx.serving = decision.service
    await _apply_budget(ctx)
    await _remove(ctx, decision)


async def _give_up_replaced(ctx: Context) -> None:
    """Take away a revision that never served and whose place another plan takes, Deployment first.

    After a crash in between, the next run finds either the old revision or none, and plans again.
    """
    old = ctx.replaced
    if old is None:
        return
    deployment = ctx.deployments.pop(old.id, None)
    if deployment is not None:
        # A pod that came up since it was read has changed its Deployment, and then it stays.
        version = deployment["metadata"].get("resourceVersion")
        await delete(ctx, DEPLOYMENT, deployment, resource_version=version)
    await delete(ctx, CONTROLLER_REVISION, build_controller_revision(ctx.model, old))
    ctx.pods = [pod for pod in ctx.pods if revision_of(pod) != old.id]


def own_pods(ctx: Context, revision: str) -> list[Object]:
    """Return the pods of a revision's Deployment that are to stay.

    One that is older than the Deployment was left over by another of its name, and is collected soon.
    """
    deployment = ctx.deployments.get(revision)
    if deployment is None:
        return []
    since = deployment["metadata"].get("creationTimestamp", "")
    return [
        pod
        for pod in ctx.pods
        if revision_of(pod) == revision
        and not pod["metadata"].get("deletionTimestamp")
        and pod["metadata"].get("creationTimestamp", since) >= since
    ]


async def _decide(ctx: Context) -> RolloutDecision:
    """Decide on the rollout; what takes something away from users is decided on live reads alone."""
    decision = decide_rollout(_state(ctx))
    switches = ctx.serving is not None and decision.service != ctx.serving
    if ctx.resync or not (decision.remove or switches):
        return decision
    await gather_live(ctx)
    return decide_rollout(_state(ctx))


async def _apply_deployment(ctx: Context, revision: Revision, replicas: int) -> None:
    desired = build_deployment(ctx.model, revision, replicas)
    ctx.deployments[revision.id] = await write(ctx, DEPLOYMENT, desired)


async def _apply_budget(ctx: Context) -> None:
    desired = build_disruption_budget(ctx.model)
    if desired is not None:
        ctx.budget = await write(ctx, DISRUPTION_BUDGET, desired)
    elif ctx.budget is not None:
        await delete(ctx, DISRUPTION_BUDGET, ctx.budget)
        ctx.budget = None


def _state(ctx: Context) -> RolloutState:
    current = ctx.current.id if ctx.current else None
    ready = dict.fromkeys(ctx.deployments, 0)
    for pod in ctx.pods:
        revision = revision_of(pod)
        if revision in ready and is_ready(pod):
            ready[revision] += 1
    return RolloutState(
        current=current,
        serving=ctx.serving,
        desired_replicas=ctx.model.spec.desired_replicas,
        ready=ready,
        makes_room=ctx.makes_room,
    )


async def write(ctx: Context, kind: Kind, desired: Object) -> Object:
    """Return the live object after making it what we mean; no request at all where it is already."""
    wanted = with_desired_hash(desired)
    live = await read_known(ctx, kind, desired["metadata"]["name"])
    if live is not None and (is_applied(live, wanted) or is_held_back(ctx, kind, wanted, live)):
        return live
    try:
        written = await _put(ctx, kind, wanted, live)
    except (Invalid, Forbidden) as error:
        raise refusal(ctx, kind, desired, error) from error
    ctx.tools.cache.put(kind, written)
    return written


async def _put(ctx: Context, kind: Kind, wanted: Object, live: Object | None) -> Object:
    """Create or apply; what somebody made meanwhile is seen before it is written."""
    if live is None:
        is_held_back(ctx, kind, wanted, None)
        written = await _create(ctx, kind, wanted)
        if written is not None:
            return note_write(ctx, kind, wanted, written)
        live = await read_live(ctx, kind, wanted["metadata"]["name"])
        if live is not None and (is_applied(live, wanted) or is_held_back(ctx, kind, wanted, live)):
            return live
    return note_write(ctx, kind, wanted, await _apply(ctx, kind, wanted, live))


async def _create(ctx: Context, kind: Kind, wanted: Object) -> Object | None:
    """Return the object after creating it, None where the name is taken: by us, or by somebody else.

    A create never touches what is there, so nothing has to be read first; an apply would.
    """
    try:
        return await ctx.tools.client.create(kind, wanted)
    except AlreadyExists:
        return None


async def _apply(ctx: Context, kind: Kind, wanted: Object, live: Object | None) -> Object:
    if live is not None and is_as_created(live):
        await ctx.tools.client.take_over(kind, ctx.namespace, wanted["metadata"]["name"])
    try:
        return await ctx.tools.client.apply(kind, wanted)
    except Invalid:
        if live is None or "spec" not in wanted:
            raise
        # Somebody's edit and our fields cannot both be: a second port of the same name, two kinds of probe.
        written = await ctx.tools.client.replace_spec(kind, wanted, uid=live["metadata"]["uid"])
        return written if is_applied(written, wanted) else await ctx.tools.client.apply(kind, wanted)


async def read_known(ctx: Context, kind: Kind, name: str) -> Object | None:
    """Return our object of this name as the cache has it, live at a resync; None where there is none."""
    cached = ctx.tools.cache.get(kind, ctx.namespace, name, read=ctx.read.get((kind.plural, name)))
    if ctx.resync or (cached is not None and not _check_owner(ctx, kind, cached)):
        return await read_live(ctx, kind, name)
    return cached


async def read_live(ctx: Context, kind: Kind, name: str) -> Object | None:
    """Return our live object of this name; raise where somebody else's has it."""
    try:
        live = await ctx.tools.client.get(kind, ctx.namespace, name)
    except NotFound:
        return None
    _check_owner(ctx, kind, live, raising=True)
    return live


def _check_owner(ctx: Context, kind: Kind, live: Object, *, raising: bool = False) -> bool:
    owner = ownership(live, model_uid=ctx.model.metadata.uid, model_name=ctx.name)
    if owner in _OURS:
        return True
    if not raising:
        return False
    name = live["metadata"]["name"]
    if owner is Ownership.OLDER_OWNER:
        raise Waiting(Reason.WAITING_FOR_CLEANUP, after_seconds=CLEANUP_SECONDS, kind=kind.kind, name=name)
    raise Stalled(Reason.NAME_CONFLICT, kind=kind.kind, name=name, owner=_owner_words(live))


def _owner_words(live: Object) -> str:
    owners = live["metadata"].get("ownerReferences") or []
    if owners:
        return f"{owners[0]['kind']} {owners[0]['name']}"
    # All of them: the newest may be a controller that only noted something on it.
    writers = writers_text(live)
    return f"{SOMEBODY} (written by {writers})" if writers != SOMEBODY else SOMEBODY


def refusal(ctx: Context, kind: Kind, desired: Object, error: Invalid | Forbidden) -> StepError:
    """Return why a write was refused: missing rights of the operator and an admission refusal are both 403."""
    message = error.message
    if isinstance(error, Forbidden) and "is being terminated" in message:
        return Waiting(Reason.NAMESPACE_TERMINATING, after_seconds=TERMINATING_SECONDS, namespace=ctx.namespace)
    if "cannot patch resource" in message or "cannot create resource" in message:
        return Stalled(Reason.OPERATOR_FORBIDDEN, verb="patch", kind=kind.kind, detail=message)
    return Stalled(Reason.REFUSED_BY_CLUSTER, kind=kind.kind, name=desired["metadata"]["name"], detail=message)


async def _remove(ctx: Context, decision: RolloutDecision) -> None:
    """Delete Deployments that nothing needs, then frozen revisions beyond those kept."""
    for revision_id in decision.remove:
        await delete(ctx, DEPLOYMENT, ctx.deployments.pop(revision_id))
    current = ctx.current.id if ctx.current else None
    idle = [r for r in ctx.revisions if r.id not in ctx.deployments and r.id != current]
    for revision in idle[KEPT_REVISIONS:]:
        stale = build_controller_revision(ctx.model, revision)
        await delete(ctx, CONTROLLER_REVISION, stale)


async def delete(ctx: Context, kind: Kind, found: Object, *, resource_version: str | None = None) -> None:
    """Delete one of our objects; the uid keeps a successor of the same name safe, the version a changed one."""
    metadata = found["metadata"]
    with contextlib.suppress(NotFound):
        await ctx.tools.client.delete(
            kind, ctx.namespace, metadata["name"], uid=metadata.get("uid"), resource_version=resource_version
        )
    ctx.tools.cache.drop(kind, ctx.namespace, metadata["name"])
    ctx.tools.contests.forget(kind, found)
