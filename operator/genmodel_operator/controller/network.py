"""The step that closes a model's pods to others before there are any."""

from genmodel_operator.controller import children
from genmodel_operator.controller.context import Context, Object
from genmodel_operator.controller.errors import StepError
from genmodel_operator.kube.errors import KubeError
from genmodel_operator.kube.kinds import NETWORK_POLICY
from genmodel_operator.resources.network import build_inspection_policies, build_network_policies
from genmodel_operator.resources.revision import Revision


async def protect(ctx: Context) -> None:
    """Write the policies that differ and remove those that nothing needs; without them no new pod is made."""
    wanted = _wanted(ctx)
    try:
        for policy in wanted:
            await children.write(ctx, NETWORK_POLICY, policy)
    except (StepError, KubeError):
        ctx.is_unprotected = True
        raise
    names = {policy["metadata"]["name"] for policy in wanted}
    # Without a desired revision it is not known who still downloads.
    if ctx.current is not None or not ctx.tools.settings.network.policies:
        for name in ctx.policies.keys() - names:
            await children.delete(ctx, NETWORK_POLICY, ctx.policies.pop(name))


def _wanted(ctx: Context) -> list[Object]:
    inspections = build_inspection_policies(ctx.model, ctx.tools.settings)
    revisions = _to_protect(ctx)
    if not revisions:
        return inspections
    policies = build_network_policies(
        ctx.model,
        ctx.tools.settings,
        servers_fetch=any(revision.servers_fetch for revision in revisions),
        jobs_fetch=any(revision.fetch is not None for revision in revisions),
    )
    return [*policies, *inspections]


def _to_protect(ctx: Context) -> list[Revision]:
    """Return the revisions that have pods, or get some in this run."""
    running = [revision for revision in ctx.revisions if revision.id in ctx.deployments]
    return [*running, *([ctx.current] if ctx.current is not None else [])]
