"""The platform team's policy at work: what is new is refused, what runs is reported and never stopped.

The first two checks are part of ``steps.resolve``, so that also a branch that is followed has to pass them.
"""

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.api.v1alpha1 import ConditionType
from genmodel_operator.controller.children import gather_live
from genmodel_operator.controller.context import Context
from genmodel_operator.controller.errors import Stalled
from genmodel_operator.controller.queue import Key
from genmodel_operator.engines.protocol import Refusal
from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.policy.devices import devices_of, devices_of_a_pod, replicas_granted, replicas_of
from genmodel_operator.policy.document import Policy
from genmodel_operator.policy.rules import (
    Repository,
    limit_of,
    refuse,
    refuse_repository,
    refuse_wish,
    too_many_devices,
    words_of,
)
from genmodel_operator.resources.revision import Revision
from genmodel_operator.status import Notice

NOTHING_NEW = "nothing new is admitted until it can, and what runs goes on"


def admit_wish(ctx: Context) -> None:
    """Refuse what the policy refuses before the Hub is asked."""
    spec = ctx.model.spec
    _raise_first(refuse_wish(_policy(ctx), model=spec.model, image=spec.engine.image))


def admit_repository(ctx: Context, facts: ModelFacts) -> None:
    """Refuse what the policy refuses of a model when the Hub has told about it."""
    found = Repository(facts.repository, facts.license, facts.gated, facts.commit, facts.remote_code)
    _raise_first(refuse_repository(_policy(ctx), found, trusts_code=ctx.model.spec.trust.remote_code))


def admit_gated(ctx: Context) -> None:
    """Refuse a gated repository that tells nothing more of itself, where the policy allows none."""
    _raise_first(
        refuse_repository(
            Policy(allow_gated=_policy(ctx).allow_gated), Repository(ctx.model.spec.model, None, gated=True)
        )
    )


async def hold(ctx: Context) -> None:
    """Hold the desired revision to the policy of now, and its replicas to the devices of the namespace.

    That nothing runs, so that nothing may be started, is believed of live reads alone: the watch cache can miss what
    runs, and it would be stopped.
    """
    before = ctx.model, ctx.current
    try:
        _hold(ctx)
    except Stalled:
        if ctx.resync:
            raise
    else:
        if ctx.resync or ctx.model is before[0]:
            return
    ctx.model, ctx.current = before
    await gather_live(ctx)
    _hold(ctx)


def _hold(ctx: Context) -> None:
    revision = ctx.current
    if revision is None:
        _hold_what_serves(ctx)
        return
    is_new = _running(ctx, revision) == 0 and ctx.model.spec.desired_replicas > 0
    refused = [] if ctx.policy is None else _refused(ctx.policy, revision)
    if is_new and (refused or ctx.policy is None):
        _stop_at(ctx, revision, 0)
        _raise_first(refused)
        _policy(ctx)
    told = [*refused, *_limit_devices(ctx, revision)]
    if told:
        message = explain(Reason.NO_LONGER_ALLOWED, detail="; ".join(map(words_of, told)))
        ctx.notices.append(Notice(ConditionType.POLICY_VIOLATED, Reason.NO_LONGER_ALLOWED, message))


def _refused(policy: Policy, revision: Revision) -> list[Refusal]:
    model, spec = revision.model, revision.inputs["spec"]
    found = Repository(model.repository, model.license, model.gated, model.commit, model.remote_code or "")
    return refuse(
        policy,
        found,
        image=(spec.get("engine") or {}).get("image"),
        trusts_code=bool((spec.get("trust") or {}).get("remoteCode")),
    )


def _running(ctx: Context, revision: Revision) -> int:
    deployment = ctx.deployments.get(revision.id)
    return 0 if deployment is None else replicas_of(deployment)


def _limit(ctx: Context) -> int | None:
    """Return the limit of the namespace's devices, None where there is none."""
    if ctx.policy is None or ctx.tools.devices is None:
        return None
    return limit_of(ctx.policy, ctx.namespace)


def _granted(ctx: Context, limit: int, *, count: int, running: int) -> int:
    """Return how many replicas of ``count`` devices may run; at least those that do."""
    desired = ctx.model.spec.desired_replicas
    return replicas_granted(limit=limit, used=_used(ctx), count=count, desired=desired, running=running)


def _used(ctx: Context) -> int:
    return 0 if ctx.tools.devices is None else ctx.tools.devices.used_by_others(_key(ctx))


def _limit_devices(ctx: Context, revision: Revision) -> list[Refusal]:
    """Take what the namespace has room for; return the refusal where more than that runs already.

    Raises ``Stalled`` where fewer replicas than wanted may run.
    """
    count, desired, limit = revision.plan.count, ctx.model.spec.desired_replicas, _limit(ctx)
    if limit is None or not count:
        _account(ctx, count * desired)
        return []
    # A revision takes the place of the one before it, with the devices of that.
    held = max(map(devices_of, ctx.deployments.values()), default=0)
    granted = _granted(ctx, limit, count=count, running=max(_running(ctx, revision), held // count))
    used = _used(ctx)
    refusal = too_many_devices(namespace=ctx.namespace, limit=limit, used=used, count=count, replicas=desired)
    if granted < desired:
        _stop_at(ctx, revision, granted)
        if ctx.tools.devices is not None:
            ctx.tools.devices.wait(_key(ctx))
        _raise_first([refusal])
    _account(ctx, count * granted)
    return [refusal] if used + count * granted > limit and granted else []


def _stop_at(ctx: Context, revision: Revision, replicas: int) -> None:
    """Let so many replicas of a revision run; where another one serves, that one stays and this one is not made."""
    if _another_serves(ctx, revision) or not (replicas or ctx.serving == revision.id):
        ctx.current = None
        _hold_what_serves(ctx)
        return
    _set_replicas(ctx, replicas)
    _account(ctx, revision.plan.count * replicas)


def _another_serves(ctx: Context, revision: Revision) -> bool:
    return ctx.serving != revision.id and ctx.serving in ctx.deployments


def _hold_what_serves(ctx: Context) -> None:
    """Keep what serves in place of the desired revision within the limit; scaling it is no way around."""
    deployment = ctx.deployments.get(ctx.serving or "")
    count = 0 if deployment is None else devices_of_a_pod(deployment)
    limit = _limit(ctx)
    if limit is not None and count and deployment is not None:
        _set_replicas(ctx, _granted(ctx, limit, count=count, running=replicas_of(deployment)))
    _account(ctx, count * ctx.model.spec.desired_replicas)


def _set_replicas(ctx: Context, replicas: int) -> None:
    """Have so many replicas applied; what the user wished stays what status is measured by."""
    if ctx.model.spec.desired_replicas:
        spec = ctx.model.spec.model_copy(update={"replicas": replicas})
        ctx.model = ctx.model.model_copy(update={"spec": spec})


def _account(ctx: Context, devices: int) -> None:
    if ctx.tools.devices is not None:
        ctx.tools.devices.grant(_key(ctx), devices)


def _policy(ctx: Context) -> Policy:
    """Return the policy; raises ``Stalled`` where none could be read since the operator started."""
    if ctx.policy is None:
        problem = ctx.tools.policy.problem if ctx.tools.policy else ""
        raise Stalled(Reason.POLICY_INVALID, detail=problem, effect=NOTHING_NEW)
    return ctx.policy


def _raise_first(refusals: list[Refusal]) -> None:
    for refusal in refusals:
        raise Stalled(Reason(refusal.reason), **dict(refusal.values))


def _key(ctx: Context) -> Key:
    return Key(ctx.namespace, ctx.name)
