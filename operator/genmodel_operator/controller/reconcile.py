"""One model, one run: read it live, run the steps, say in status what was found."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from genmodel_operator.api import labels
from genmodel_operator.api.reasons import AnyReason, Reason, explain
from genmodel_operator.api.v1alpha1 import (
    Condition,
    ConditionStatus,
    GenerativeModel,
    GenerativeModelStatus,
    ModelStatus,
)
from genmodel_operator.controller import children, inspection, network, steps, weights
from genmodel_operator.controller.admission import hold
from genmodel_operator.controller.branches import check, follow
from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.controller.dry_run import try_new
from genmodel_operator.controller.errors import Stalled, StepError, Waiting
from genmodel_operator.controller.evictions import tell_of_evictions
from genmodel_operator.controller.evidence import look_closer
from genmodel_operator.controller.learn import learn
from genmodel_operator.controller.monitors import apply_monitor
from genmodel_operator.controller.observe import observe
from genmodel_operator.controller.progress import PROGRESS_SECONDS, StatusPace
from genmodel_operator.controller.queue import Key, Outcome
from genmodel_operator.controller.replan import reconsider
from genmodel_operator.controller.room import make_room
from genmodel_operator.controller.updates import tell_of_updates
from genmodel_operator.controller.vulnerability import tell_of_vulnerabilities
from genmodel_operator.eventful import eventful_conditions
from genmodel_operator.kube.errors import KubeError, NotFound
from genmodel_operator.kube.events import EventRecorder
from genmodel_operator.kube.kinds import GENERATIVE_MODEL
from genmodel_operator.resources.names import service_url
from genmodel_operator.resources.revision import model_status
from genmodel_operator.sizing.plan import accelerator_display, plan_status
from genmodel_operator.status import APPLY, OBSERVE, RESOLVE, SIZE, WEIGHTS, StepFailure, World, summarise

log = logging.getLogger(__name__)

Step = Callable[[Context], Awaitable[None]]

STEPS: tuple[tuple[str, Step], ...] = (
    (RESOLVE, steps.match),
    (RESOLVE, follow),
    (SIZE, reconsider),
    (RESOLVE, steps.resolve),
    (WEIGHTS, weights.find_claim),
    (SIZE, steps.size),
    (APPLY, hold),
    (APPLY, try_new),
    (APPLY, network.protect),
    (WEIGHTS, weights.bring),
    (APPLY, make_room),
    (APPLY, children.apply),
    (APPLY, apply_monitor),
    (OBSERVE, observe),
    (OBSERVE, look_closer),
    (OBSERVE, tell_of_evictions),
    (WEIGHTS, weights.mend),
    (WEIGHTS, inspection.collect),
    (OBSERVE, learn),
    (OBSERVE, tell_of_updates),
    (OBSERVE, tell_of_vulnerabilities),
    (OBSERVE, check),
)
"""The steps in order. A failure of one that plans keeps those that follow from wishing for anything
new, but never from looking after what serves."""

_PLANNING = (RESOLVE, SIZE)


class Reconciler:
    """Brings one model at a time to its desired state; called by the queue's workers."""

    def __init__(self, *, tools: Tools, events: EventRecorder, pace: StatusPace, is_busy: Callable[[], bool]) -> None:
        """Take the steps' tools, the recorder of Events, the pace of status writes, and whether models wait."""
        self._tools = tools
        self._events = events
        self._pace = pace
        self._is_busy = is_busy
        self._watching_nodes: set[Key] = set()
        self._alive: set[Key] = set()

    async def __call__(self, key: Key, resync: bool) -> Outcome:  # noqa: FBT001 - the queue's signature
        """Reconcile one model; return when to look again.

        What the API server does not do now (time-out, conflict, overload) is an everyday answer: one line, and later
        again. Nothing is said in status, because nothing is known. Any other exception is a bug and goes up.
        """
        try:
            return await self._reconcile(key, resync=resync)
        except KubeError as error:
            log.warning("the API server did not do it, tried again: %s", error, extra={"model": "/".join(key)})
            return Outcome(retry=True)

    async def _reconcile(self, key: Key, *, resync: bool) -> Outcome:
        found = await self._get(key)
        if found is None:
            return self._forget(key)
        try:
            model = GenerativeModel.model_validate(found)
        except ValidationError as error:
            return await self._refuse(key, found, error)
        if model.metadata.deletion_timestamp:
            return self._forget(key)
        self._alive.add(key)
        ctx = Context(tools=self._tools, model=model, resync=resync)
        await self._run_steps(ctx)
        self._remember(key, ctx)
        status = summarise(model, world_of(ctx), self._tools.now())
        if hold_seconds := self._pace.hold_seconds(key, model.status, status, is_busy=self._is_busy()):
            ctx.look_again(hold_seconds)
        elif not await self._report(key, model, status):
            ctx.look_again(PROGRESS_SECONDS)
        for reason, message in ctx.event_notes:
            self._events.record(model, event_note(reason, message, self._tools.now()))
        return Outcome(retry=ctx.retry, after_seconds=ctx.after_seconds)

    async def _get(self, key: Key) -> dict[str, Any] | None:
        try:
            return await self._tools.client.get(GENERATIVE_MODEL, key.namespace, key.name)
        except NotFound:
            return None

    def _forget(self, key: Key) -> Outcome:
        self._watching_nodes.discard(key)
        self._pace.forget(key)
        if key in self._alive:
            self._alive.discard(key)
            self._tell_of_kept_claim(key)
        if self._tools.branches is not None:
            self._tools.branches.forget(key)
        if self._tools.devices is not None:
            self._tools.devices.forget(key)
        return Outcome(forget=True)

    def _tell_of_kept_claim(self, key: Key) -> None:
        """Say on the claim of a model that was just deleted that it stays; the model's own Events go with it."""
        claim = weights.kept_claim(self._tools.cache, key.namespace, key.name)
        if claim is not None:
            values = {"name": key.name, "namespace": key.namespace, "claim": claim["metadata"]["name"]}
            message = explain(Reason.WEIGHTS_KEPT, **values)
            self._events.record_about(claim, event_note(Reason.WEIGHTS_KEPT, message, self._tools.now()))

    async def _run_steps(self, ctx: Context) -> None:
        await children.gather(ctx)
        for name, step in STEPS:
            if name in _PLANNING and ctx.failures:
                continue
            await _run_step(ctx, name, step)

    def concerned_by_nodes(self) -> frozenset[Key]:
        """Return the models to be looked at again when nodes change: no node was found, or theirs may be in trouble."""
        return frozenset(self._watching_nodes)

    def _remember(self, key: Key, ctx: Context) -> None:
        lacking = ctx.lacks_nodes or any(failure.step == SIZE for failure in ctx.failures)
        (self._watching_nodes.add if lacking or ctx.evidence.nodes else self._watching_nodes.discard)(key)

    async def _refuse(self, key: Key, found: dict[str, Any], error: ValidationError) -> Outcome:
        """Say that a stored spec cannot be read: one that passed an older or newer schema."""
        metadata = found["metadata"]
        model = GenerativeModel.model_validate({"metadata": metadata, "spec": {"model": "unknown/unknown"}})
        message = explain(Reason.SPEC_INVALID, detail=_first_error(error))
        failure = StepFailure(RESOLVE, Reason.SPEC_INVALID, message, stalled=True)
        previous = GenerativeModelStatus.model_validate(found.get("status") or {})
        status = summarise(model.model_copy(update={"status": previous}), World(failures=[failure]), self._tools.now())
        await self._report(key, model.model_copy(update={"status": previous}), status)
        return Outcome(retry=True)

    async def _report(self, key: Key, model: GenerativeModel, status: GenerativeModelStatus) -> bool:
        """Write the status where it says something new, and one Event for each changed condition.

        Returns False where what is new has to wait for its turn.
        """
        if not self._pace.is_due(key, model.status, status):
            return status == model.status
        body = {
            "apiVersion": labels.API_VERSION,
            "kind": labels.KIND,
            "metadata": {"name": key.name, "namespace": key.namespace, "uid": model.metadata.uid},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        try:
            await self._tools.client.apply_status(GENERATIVE_MODEL, body)
        except NotFound:
            return True
        self._pace.wrote(key)
        for condition in eventful_conditions(model.status.conditions, status.conditions):
            log.info(
                "condition changed",
                extra={"model": f"{key.namespace}/{key.name}", "condition": condition.type, "reason": condition.reason},
            )
            self._events.record(model, condition)
        return True


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    return f"{path}: {first['msg']} (value: {str(first.get('input'))[:100]!r})"


async def _run_step(ctx: Context, name: str, step: Step) -> None:
    """Run a step; turn how it ended into a failure that status shows and into a wish for a retry."""
    try:
        await step(ctx)
    except Waiting as waiting:
        ctx.failures.append(StepFailure(name, waiting.reason, waiting.message, stalled=False))
        ctx.look_again(waiting.after_seconds)
    except Stalled as stalled:
        ctx.failures.append(StepFailure(name, stalled.reason, stalled.message, stalled=True))
        ctx.retry = True
    except StepError:
        raise
    except KubeError as error:
        log.warning("%s failed and is tried again: %s", name, error, extra={"model": f"{ctx.namespace}/{ctx.name}"})
        message = explain(Reason.RETRYING, step=name, detail=str(error))
        ctx.failures.append(StepFailure(name, Reason.RETRYING, message, stalled=False))
        ctx.retry = True


def event_note(reason: AnyReason, message: str, now: str) -> Condition:
    """Return what is told by an Event alone in the form of a condition, as the recorder takes it."""
    return Condition(
        type=reason.value, status=ConditionStatus.TRUE, last_transition_time=now, reason=reason.value, message=message
    )


def world_of(ctx: Context) -> World:
    """Return what the run found, as the summary wants it."""
    served = next((r for r in (*filter(None, [ctx.current]), *ctx.revisions) if r.id == ctx.serving), None)
    shown = ctx.current or served
    return World(
        current=ctx.current.id if ctx.current else None,
        serving=ctx.serving,
        model=_resolved(ctx) or (shown.model if shown else None),
        plan=plan_status(shown.plan, shown.overridden) if shown else None,
        accelerator=accelerator_display(shown.plan) if shown else None,
        url=service_url(ctx.name, ctx.namespace) if ctx.service else None,
        deployments=ctx.deployments,
        pods=ctx.pods,
        weights=ctx.weights,
        runtimes=ctx.runtimes,
        evidence=ctx.evidence,
        failures=ctx.failures,
        serving_commit=served.model.commit if served else None,
        upstream=ctx.upstream,
        drain_at=ctx.drain_at,
        notices=ctx.notices,
    )


def _resolved(ctx: Context) -> ModelStatus | None:
    """Return what the Hub said where no revision could be made of it (yet)."""
    if ctx.current is not None or ctx.facts is None or ctx.task is None:
        return None
    return model_status(ctx.facts, ctx.task)
