"""A new revision is shown to the API server before anything is replaced by it."""

from dataclasses import replace
from typing import NoReturn

from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.children import refusal
from genmodel_operator.controller.context import Context
from genmodel_operator.controller.errors import Stalled
from genmodel_operator.kube.errors import AlreadyExists, Forbidden, Invalid, KubeError
from genmodel_operator.kube.kinds import DEPLOYMENT
from genmodel_operator.resources.deployment import build_deployment
from genmodel_operator.resources.pod_paths import as_stored, refused_field
from genmodel_operator.resources.revision import Revision

_SUFFIX = "-check"
"""The real name may be taken, by what a plan made anew replaces; nothing of this name is ever stored."""


async def try_new(ctx: Context) -> None:
    """Let the API server judge a revision that is not frozen yet; a refusal leaves what serves alone.

    Where a user had a part in its pods, they are frozen as the server would keep them: else a quantity
    written in another way would look like an edit by hand for ever.
    """
    new = ctx.current
    if new is None or not ctx.is_new(new):
        return
    is_patched = "podTemplate" in new.inputs["spec"]
    if not is_patched and ctx.serving is None:
        return
    wanted = build_deployment(ctx.model, new, ctx.model.spec.desired_replicas)
    wanted["metadata"] = {**wanted["metadata"], "name": wanted["metadata"]["name"] + _SUFFIX}
    try:
        found = await ctx.tools.client.dry_run(DEPLOYMENT, wanted)
    except AlreadyExists:
        return  # somebody's own of that name; the server looks at the content first
    except KubeError as error:
        ctx.current = None
        _raise(ctx, new, error, is_patched=is_patched)
    if is_patched:
        ctx.current = replace(new, template=as_stored(new.template, found["spec"]["template"]))


def _raise(ctx: Context, new: Revision, error: KubeError, *, is_patched: bool) -> NoReturn:
    if isinstance(error, Invalid) and is_patched:
        path, detail = refused_field(error.message, new.template)
        raise Stalled(Reason.POD_TEMPLATE_REFUSED, path=path, detail=detail) from error
    if isinstance(error, Invalid | Forbidden):
        raise refusal(ctx, DEPLOYMENT, build_deployment(ctx.model, new, 0), error) from error
    raise error
