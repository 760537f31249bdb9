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

_MOST_REMEMBERED = 4096


class Updates:
    """Compares revisions with what would be made now; one for the process, since settings stay as they are.

    A rendering takes milliseconds, and a frozen revision and its wish never change: each is rendered once.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the settings that new revisions are made with."""
        self._settings = settings
        self._rendered: dict[tuple[str, str, int], str | None] = {}

    def notice(self, model: GenerativeModel, revision: Revision) -> Notice | None:
        """Return what a new revision of the same wish would have that this one has not, None where it is the same."""
        place = {"name": model.metadata.name, "namespace": model.metadata.namespace}
        image = model.spec.engine.image or engine_for(revision.plan).image(self._settings)
        if image and image != revision.engine_image:
            message = explain(Reason.NEWER_ENGINE, before=revision.engine_image, after=image, **place)
            return Notice(ConditionType.UPDATE_AVAILABLE, Reason.NEWER_ENGINE, message)
        if self._fingerprint(model, revision) in (None, revision.rendering):
            return None
        message = explain(Reason.NEWER_RENDERING, **place)
        return Notice(ConditionType.UPDATE_AVAILABLE, Reason.NEWER_RENDERING, message)

    def remember(self, model: GenerativeModel, revision: Revision) -> None:
        """Take in a revision that was made just now, which need not be rendered again for that."""
        self._keep(_key(model, revision), revision.rendering)

    def _fingerprint(self, model: GenerativeModel, revision: Revision) -> str | None:
        key = _key(model, revision)
        if key not in self._rendered:
            self._keep(key, _rendered(model, revision, self._settings))
        return self._rendered[key]

    def _keep(self, key: tuple[str, str, int], rendered: str | None) -> None:
        if len(self._rendered) >= _MOST_REMEMBERED:
            self._rendered.clear()
        self._rendered[key] = rendered


def _key(model: GenerativeModel, revision: Revision) -> tuple[str, str, int]:
    return (model.metadata.uid, revision.hash, revision.number)


async def tell_of_updates(ctx: Context) -> None:
    """Say that a newer engine or rendering can be had."""
    if ctx.current is None or ctx.tools.updates is None:
        return
    if ctx.is_new(ctx.current):
        ctx.tools.updates.remember(ctx.model, ctx.current)
        return
    notice = ctx.tools.updates.notice(ctx.model, ctx.current)
    if notice is not None:
        ctx.notices.append(notice)


def _rendered(model: GenerativeModel, revision: Revision, settings: Settings) -> str | None:
    """Return today's fingerprint, None where this release would refuse the same wish: then there is nothing new."""
    try:
        return fingerprint(model, ServedTask(revision.model.task), revision.plan, settings)
    except PodTemplateError:
        return None
