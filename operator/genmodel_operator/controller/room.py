"""Whether the revision that serves makes room for its successor, and when.

Only where the successor's pods find no node, where those of the old revision hold just what they lack,
and after a while in which an autoscaler could have added a node. Until then status says when.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from genmodel_operator.causes import is_unschedulable, lacks_only_room
from genmodel_operator.controller import children
from genmodel_operator.controller.context import Context, Object
from genmodel_operator.controller.replan import unplaced_since
from genmodel_operator.controller.sites import site_of
from genmodel_operator.resources.placement import room_is_made


async def make_room(ctx: Context) -> None:
    """Decide whether what serves is stopped now, or say when it will be."""
    lacking = _lacking(ctx)
    # Nobody is drained for pods that may be planned onto other nodes in a moment.
    if not lacking or ctx.may_replan or not await _would_help(ctx, lacking):
        return
    at = _drain_at(ctx, lacking)
    left = (at - datetime.fromisoformat(ctx.tools.now())).total_seconds()
    if left > 0:
        ctx.drain_at = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        ctx.look_again(left)
        return
    await children.gather_live(ctx)
    lacking = _lacking(ctx)
    ctx.makes_room = bool(lacking) and await _would_help(ctx, lacking)


def _lacking(ctx: Context) -> list[Object]:
    """Return the desired revision's pods that find no node while another revision serves."""
    if ctx.current is None or ctx.serving in (None, ctx.current.id) or ctx.serving not in ctx.deployments:
        return []
    if ctx.model.spec.desired_replicas == 0:
        return []
    return [pod for pod in children.own_pods(ctx, ctx.current.id) if is_unschedulable(pod)]


def _drain_at(ctx: Context, lacking: Sequence[Object]) -> datetime:
    patience = timedelta(seconds=ctx.tools.settings.drain_patience_seconds)
    return max(unplaced_since(pod) for pod in lacking) + patience


async def _would_help(ctx: Context, lacking: Sequence[Object]) -> bool:
    if ctx.current is None:
        return False
    if not (ctx.tools.settings.inventory.reads_nodes or all(map(lacks_only_room, lacking))):
        return False
    old = [pod for pod in ctx.pods if children.revision_of(pod) == ctx.serving and pod["spec"].get("nodeName")]
    leaving = {pod["metadata"]["uid"] for pod in old}
    sites = [await site_of(ctx, name) for name in sorted({pod["spec"]["nodeName"] for pod in old})]
    seen = [site for site in sites if site is not None]
    return room_is_made(seen, leaving=leaving, spec=ctx.current.template["spec"], count=len(lacking))
