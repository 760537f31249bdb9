"""From running pods to the next plan: what they measured is judged, kept, and found again."""

import logging
from collections.abc import Callable
from dataclasses import replace

from genmodel_operator.api import labels
from genmodel_operator.causes import is_ready
from genmodel_operator.controller.context import Context, Object
from genmodel_operator.controller.measurements import RETRY_SECONDS, MeasurementStore
from genmodel_operator.resources.measurements import engine_options, estimate_of, measurement_from
from genmodel_operator.resources.revision import Revision, inputs_of
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.corrections import NONE, Corrections, corrections_for
from genmodel_operator.sizing.plausibility import Error, believable, errors
from genmodel_runtime.contract import Phase

log = logging.getLogger(__name__)

ErrorObserver = Callable[[Error], None]
RefusalObserver = Callable[[], None]


class Learning:
    """What the operator learns from pods; plans take it only when they are made anew."""

    def __init__(
        self, store: MeasurementStore, *, observe_error: ErrorObserver, observe_refusal: RefusalObserver
    ) -> None:
        """Take the store, who counts errors of estimates, and who counts figures that were not believed."""
        self._store = store
        self._observe_error = observe_error
        self._observe_refusal = observe_refusal

    async def corrections(self, ctx: Context, commit: str) -> Corrections:
        """Return what is known of servers of this model's commit with the same release, image and options."""
        settings, options = ctx.tools.settings, engine_options(inputs_of(ctx.model, commit))
        return corrections_for(
            await self._store.read(),
            commit=commit,
            engine_version=settings.engines.version,
            images=_images(ctx, settings),
            options=options,
        )

    async def learn(self, ctx: Context) -> None:
        """Keep what the pods that were just asked have measured."""
        await self._store.flush()
        for pod in ctx.pods:
            document = ctx.runtimes.get(pod["metadata"]["name"])
            revision = _revision(ctx, pod)
            if document is not None and revision is not None and _serves(pod, document):
                await self._learn_from(ctx, revision, document)
        if self._store.is_waiting:
            ctx.look_again(RETRY_SECONDS)

    async def _learn_from(self, ctx: Context, revision: Revision, document: Object) -> None:
        told = measurement_from(revision, document, now=ctx.tools.now())
        if told is None:
            return
        estimate = estimate_of(revision)
        figures, refused = believable(told.figures, estimate)
        for why in refused:
            log.warning(
                "a measurement was not believed: %s",
                why,
                extra={"model": f"{ctx.namespace}/{ctx.name}", "revision": revision.id},
            )
            self._observe_refusal()
        if figures.are_any and await self._store.keep(replace(told, figures=figures)):
            for error in errors(figures, estimate, measured_before=revision.plan.measured):
                self._observe_error(error)


async def learn(ctx: Context) -> None:
    """Keep what pods measured; nothing about it ever fails a reconcile."""
    if ctx.tools.learning is not None:
        await ctx.tools.learning.learn(ctx)


async def known_corrections(ctx: Context, commit: str) -> Corrections:
    """Return what a plan that is made now may use."""
    return NONE if ctx.tools.learning is None else await ctx.tools.learning.corrections(ctx, commit)


def _images(ctx: Context, settings: Settings) -> frozenset[str]:
    """Return the engine images that this model may be served with."""
    own = ctx.model.spec.engine.image
    engines = settings.engines
    return frozenset({own} if own else {engines.gpu_image, engines.rocm_image, engines.cpu_image} - {""})


def _revision(ctx: Context, pod: Object) -> Revision | None:
    wanted = pod["metadata"].get("labels", {}).get(labels.REVISION)
    known = [ctx.current] if ctx.current else []
    return next((found for found in (*known, *ctx.revisions) if found.id == wanted), None)


def _serves(pod: Object, document: Object) -> bool:
    return is_ready(pod) and document.get("phase") == Phase.SERVING.value
