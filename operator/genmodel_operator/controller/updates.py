"""Whether a frozen revision would be made differently now; nothing changes before its user says so."""

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.api.v1alpha1 import ConditionType, GenerativeModel
from genmodel_operator.controller.context import Context
from genmodel_operator.engines import engine_for
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources.pod_patch import PodTemplateError
from genmodel_operator.resources.rendering import fingerprint
from genmodel_operator.resources.revision import Revision
from genmodel_operator.settings import Settings
from genmodel_operator.status import Notice


async def tell_of_updates(ctx: Context) -> None:
    """Say that a newer engine or rendering can be had."""
    if ctx.current is None or ctx.is_new(ctx.current):
        return
    notice = update_notice(ctx.model, ctx.current, ctx.tools.settings)
    if notice is not None:
        ctx.notices.append(notice)


def update_notice(model: GenerativeModel, revision: Revision, settings: Settings) -> Notice | None:
    """Return what a new revision of the same wish would have that this one has not, None where it is the same."""
    place = {"name": model.metadata.name, "namespace": model.metadata.namespace}
    image = model.spec.engine.image or engine_for(revision.plan).image(settings)
    if image and image != revision.engine_image:
        message = explain(Reason.NEWER_ENGINE, before=revision.engine_image, after=image, **place)
        return Notice(ConditionType.UPDATE_AVAILABLE, Reason.NEWER_ENGINE, message)
    try:
        now = fingerprint(model, ServedTask(revision.model.task), revision.plan, settings)
    except PodTemplateError:
        # This release would refuse the same wish: there is nothing to be had.
        return None
    if now == revision.rendering:
        return None
    message = explain(Reason.NEWER_RENDERING, **place)
    return Notice(ConditionType.UPDATE_AVAILABLE, Reason.NEWER_RENDERING, message)
