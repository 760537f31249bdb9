"""A plan is sticky, but for a model that never served: where its pods cannot be placed, it is planned anew.

Only where the new plan would be placed elsewhere does it take the old one's place; else a model that
waits for a node would be written again and again.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from genmodel_operator.causes import is_ready, is_unschedulable
from genmodel_operator.controller import children, steps
from genmodel_operator.controller.context import Context, Object
from genmodel_operator.controller.errors import StepError
from genmodel_operator.kube.errors import KubeError
from genmodel_operator.resources.revision import Revision
from genmodel_operator.sizing.plan import ServingPlan

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""How long pods must have found no node: right after a change the scheduler may not know the nodes yet."""
RETRY_SECONDS = 60.0
"""When it is tried again to plan anew, where that failed."""
_COMPLETED = "NewReplicaSetAvailable"
_PLACED_BY = (
    "resource",
    "product",
    "count",
    "tensor_parallel",
    "pipeline_parallel",
    "node_selector",
    "tolerations",
    "host_memory_gib",
    "ephemeral_gib",
)


async def reconsider(ctx: Context) -> None:
    """Plan the frozen revision anew where it never served and none of its pods finds a node."""
    stuck = ctx.current
    if stuck is None or not is_stuck(ctx, stuck):
        return
    ctx.lacks_nodes = True
    left = PATIENCE_SECONDS - _waited_seconds(ctx, stuck)
    if left > 0:
        ctx.may_replan = True
        ctx.look_again(left)
        return
    planned = await _plan(ctx, stuck)
    ctx.current = stuck
    if planned is None or is_placed_alike(planned.plan, stuck.plan):
        return
    await children.gather_live(ctx)
    if any(revision.id == stuck.id for revision in ctx.revisions) and is_stuck(ctx, stuck):
        log.info(
            "planned anew: it never served and found no node",
            extra={"model": f"{ctx.namespace}/{ctx.name}", "before": stuck.plan.product, "now": planned.plan.product},
        )
        ctx.replaced, ctx.current = stuck, planned


def is_stuck(ctx: Context, revision: Revision) -> bool:
    """Whether nothing of a revision ever answered, as far as is known, and none of its pods has a node."""
    pods = children.own_pods(ctx, revision.id)
    return bool(pods) and not _ever_served(ctx, revision, pods) and all(is_unschedulable(pod) for pod in pods)


def _ever_served(ctx: Context, revision: Revision, pods: Sequence[Object]) -> bool:
    """Whether there is any sign that the revision served; when in doubt it did."""
    before = ctx.model.status.revision
    if any(is_ready(pod) for pod in pods) or (before is not None and before.answered == revision.id):
        return True
    if ctx.model.status.measured is not None and before is not None and before.serving == revision.id:
        return True
    # The operator may have been away while it served; this condition stays when its pods are lost.
    found = ctx.deployments.get(revision.id, {}).get("status", {}).get("conditions", [])
    return any(condition.get("reason") == _COMPLETED for condition in found)


def _waited_seconds(ctx: Context, revision: Revision) -> float:
    """Return how long the last of its pods has been without a node."""
    times = [unplaced_since(pod) for pod in children.own_pods(ctx, revision.id)]
    return (datetime.fromisoformat(ctx.tools.now()) - max(times)).total_seconds()


def unplaced_since(pod: Object) -> datetime:
    """Return since when the scheduler has found no node for a pod."""
    found = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    return datetime.fromisoformat(found.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])


async def _plan(ctx: Context, stuck: Revision) -> Revision | None:
    """Return the revision that would be frozen now, or None where there can be none (yet)."""
    known = ctx.revisions
    ctx.current, ctx.revisions = None, [revision for revision in known if revision.id != stuck.id]
    try:
        planned = await _resolve_and_size(ctx)
    except (StepError, KubeError) as error:
        # What keeps it from serving is that it finds no node, and that is what status says.
        log.info("could not be planned anew: %s", error, extra={"model": f"{ctx.namespace}/{ctx.name}"})
        ctx.look_again(RETRY_SECONDS)
        return None
    finally:
        ctx.revisions = known
    return planned and replace(planned, number=1 + max(revision.number for revision in known))


async def _resolve_and_size(ctx: Context) -> Revision | None:
    await steps.resolve(ctx)
    await steps.size(ctx)
    return ctx.current


def is_placed_alike(first: ServingPlan, second: ServingPlan) -> bool:
    """Whether the scheduler would look for the same nodes."""
    return all(getattr(first, name) == getattr(second, name) for name in _PLACED_BY)
