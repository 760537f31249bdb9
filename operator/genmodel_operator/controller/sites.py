"""One node with the pods on it, as well as it may be known."""

from genmodel_operator.controller.context import Context, Object
from genmodel_operator.kube.errors import Forbidden
from genmodel_operator.kube.kinds import NODE, POD
from genmodel_operator.resources.described_site import described_site
from genmodel_operator.resources.placement import Site


async def site_of(ctx: Context, name: str) -> Site | None:
    """Return a node with everybody's pods on it, None where it is gone or nobody describes it.

    An operator of a few namespaces may not see others' pods, and knows the models' own. One that reads no nodes
    takes the node for what its pool says.
    """
    if not ctx.tools.settings.inventory.reads_nodes:
        inventory = await ctx.tools.inventory.read()
        group = next((group for group in inventory.groups if name in group.node_names), None)
        return described_site(group, name, _own_pods(ctx, name)) if group is not None else None
    nodes = await ctx.tools.client.list(NODE, field_selector=f"metadata.name={name}")
    try:
        pods = await ctx.tools.client.list(POD, field_selector=f"spec.nodeName={name}")
    except Forbidden:
        pods = _own_pods(ctx, name)
    return Site(nodes[0], pods) if nodes else None


def _own_pods(ctx: Context, name: str) -> list[Object]:
    return [pod for pod in ctx.tools.cache.all_of(POD) if pod["spec"].get("nodeName") == name]
