"""What was observed, as status: conditions, the summary ``Ready`` and the columns. Pure.

``Available``: the Service has a ready pod, of any revision. ``Ready``: the desired revision serves
at this generation. ``Stalled``: the desired revision cannot come up without a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from genmodel_operator.api import labels
from genmodel_operator.api.reasons import AnyReason, Reason, explain, while_another_serves
from genmodel_operator.api.v1alpha1 import (
    CacheStatus,
    Condition,
    ConditionStatus,
    ConditionType,
    DisplayStatus,
    DownloadStatus,
    EndpointStatus,
    GenerativeModel,
    GenerativeModelStatus,
    MeasuredStatus,
    ModelStatus,
    PlanStatus,
    RevisionStatus,
    UpstreamStatus,
)
from genmodel_operator.causes import Cause, Evidence, Object, first_cause, has_weights, is_ready
from genmodel_operator.causes.pods import is_over
from genmodel_operator.causes.progress import member, whole
from genmodel_operator.causes.weights import Weights

RESOLVE, SIZE, WEIGHTS, APPLY, OBSERVE = "resolve", "size", "weights", "apply", "observe"
MESSAGE_MAX_LENGTH = 4096
"""Conditions allow 32 KiB; nobody reads that much, and the object must stay small."""


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A step that could not go on; ``stalled`` says that a person must act."""

    step: str
    reason: AnyReason
    message: str
    stalled: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A condition that exists only while it is true, beside what serves."""

    type: ConditionType
    reason: AnyReason
    message: str
    status: ConditionStatus = ConditionStatus.TRUE
    """``Unknown`` where it may be true and nobody can tell."""


@dataclass(frozen=True, slots=True)
class World:
    """What one reconcile saw.

    Attributes:
        current: id of the desired revision, None where it is not known (yet).
        serving: id of the revision that the Service selects.
        model, plan: of the desired revision, else of the serving one.
        accelerator: the plan's accelerator in words.
        url: base URL of the endpoint, None before the Service exists.
        deployments: live Deployments by revision id.
        pods: live server pods of all revisions.
        weights: how far the weights of the desired revision are, where they are on a claim.
        runtimes: the runtime's status document by pod name, where it could be read.
        evidence: what was read beside, about pods in trouble.
        failures: steps that could not go on.
        serving_commit: commit of the revision that the Service selects.
        upstream: where the branch points, where that is not the pinned commit.
        drain_at: when the serving revision is stopped to make room, as RFC 3339; None where it is not.
        notices: conditions that say something about the model while it is true.
    """

    current: str | None = None
    serving: str | None = None
    model: ModelStatus | None = None
    plan: PlanStatus | None = None
    accelerator: str | None = None
    url: str | None = None
    deployments: Mapping[str, Object] = field(default_factory=dict)
    pods: Sequence[Object] = ()
    weights: Weights | None = None
    runtimes: Mapping[str, Object] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    failures: Sequence[StepFailure] = ()
    serving_commit: str | None = None
    upstream: UpstreamStatus | None = None
    drain_at: str | None = None
    notices: Sequence[Notice] = ()

    @property
    def stays(self) -> str | None:
        """The revision that answers in place of the desired one, None where there is none."""
        other = self.serving if self.serving != self.current else None
        return other if other and self.ready_pods(other) > 0 else None

    def pods_of(self, revision: str | None) -> list[Object]:
        """Return the pods of one revision."""
        return [pod for pod in self.pods if pod["metadata"].get("labels", {}).get(labels.REVISION) == revision]

    def ready_pods(self, revision: str | None) -> int:
        """Return how many pods of one revision are ready."""
        return sum(is_ready(pod) for pod in self.pods_of(revision))

    def failure(self, step: str) -> StepFailure | None:
        """Return the failure of one step."""
        return next((found for found in self.failures if found.step == step), None)

    def cause(self) -> Cause:
        """Return why the desired revision's pods do not answer."""
        if self.weights is not None and not self.weights.is_complete:
            return self.weights.cause(self.runtimes, self.evidence)
        revision = self.current or self.serving
        deployment = self.deployments.get(revision or "")
        found = first_cause(deployment, self.pods_of(revision), self.runtimes, self.evidence)
        return found if self.weights is None else self.weights.told_of(found)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """A condition without its bookkeeping."""

    type: ConditionType
    status: ConditionStatus
    reason: AnyReason
    message: str


def _revision(model: GenerativeModel, world: World) -> RevisionStatus:
    before = model.status.revision.answered if model.status.revision else None
    ready = (revision for revision in (world.current, world.serving) if revision and world.ready_pods(revision))
    return RevisionStatus(
        current=world.current,
        serving=world.serving,
        answered=next(ready, before),
        commit=world.serving_commit,
    )


def summarise(model: GenerativeModel, world: World, now: str) -> GenerativeModelStatus:
    """Return the whole status for what was observed; ``now`` is RFC 3339 and only stamps transitions."""
    serving = world.serving or world.current
    desired = model.spec.desired_replicas
    ready = world.ready_pods(serving)
    deployment = world.deployments.get(serving or "", {})
    name = model.metadata.name
    return GenerativeModelStatus(
        observed_generation=model.metadata.generation,
        conditions=_conditions(model, world, now),
        model=world.model,
        plan=world.plan,
        download=_download(world),
        cache=_cache(world),
        measured=_measured(model, world),
        endpoint=EndpointStatus(url=world.url, served_model_name=name) if world.url else None,
        revision=_revision(model, world) if serving else None,
        upstream=world.upstream,
        display=DisplayStatus(
            commit=world.model.commit[:7] if world.model else None,
            accelerator=world.accelerator,
            replicas=f"{ready}/{desired}",
        ),
        # The Deployment's controller counts its pods a moment after they answer.
        replicas=max(ready, deployment.get("status", {}).get("replicas", 0)),
        ready_replicas=ready,
        selector=_selector(name, serving) if serving else None,
    )


def _selector(name: str, revision: str) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.server_selector(name, revision).items())


def _conditions(model: GenerativeModel, world: World, now: str) -> list[Condition]:
    ready = _ready(model, world)
    verdicts = [
        ready,
        *_resolved(model, world),
        *_planned(world),
        *_weights(model, world),
        _available(model, world),
        *_progress(world, ready),
        *(_Verdict(found.type, found.status, found.reason, found.message) for found in world.notices),
    ]
    known = {condition.type: condition for condition in model.status.conditions}
    return [_stamp(verdict, known.get(verdict.type.value), model.metadata.generation, now) for verdict in verdicts]


def _stamp(verdict: _Verdict, before: Condition | None, generation: int, now: str) -> Condition:
    same = before is not None and before.status == verdict.status
    return Condition(
        type=verdict.type.value,
        status=verdict.status,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and same else now,
        reason=verdict.reason.value,
        message=verdict.message[:MESSAGE_MAX_LENGTH],
    )


def _failed(kind: ConditionType, failure: StepFailure) -> _Verdict:
    status = ConditionStatus.FALSE if failure.stalled else ConditionStatus.UNKNOWN
    return _Verdict(kind, status, failure.reason, failure.message)


def _resolved(model: GenerativeModel, world: World) -> list[_Verdict]:
    failure = world.failure(RESOLVE)
    if failure is not None:
        return [_failed(ConditionType.MODEL_RESOLVED, failure)]
    if world.model is None:
        return []
    message = explain(
        Reason.RESOLVED,
        repository=world.model.repository,
        revision=source.words if (source := model.spec.claim_source) else model.spec.revision,
        commit=world.model.commit,
    )
    return [_Verdict(ConditionType.MODEL_RESOLVED, ConditionStatus.TRUE, Reason.RESOLVED, message)]


def _planned(world: World) -> list[_Verdict]:
    failure = world.failure(SIZE)
    if failure is not None:
        return [_failed(ConditionType.PLANNED, failure)]
    if world.plan is None or world.current is None:
        return []
    message = explain(Reason.PLANNED, explanation=world.plan.explanation)
    return [_Verdict(ConditionType.PLANNED, ConditionStatus.TRUE, Reason.PLANNED, message)]


def _on_claim(world: World, weights: Weights) -> _Verdict:
    if weights.is_complete:
        more = "; it stays when the model is deleted" if weights.is_kept else ""
        message = explain(Reason.WEIGHTS_ON_CLAIM, claim=weights.claim, more=more)
        return _Verdict(ConditionType.WEIGHTS_READY, ConditionStatus.TRUE, Reason.WEIGHTS_ON_CLAIM, message)
    cause = weights.cause(world.runtimes, world.evidence)
    return _Verdict(ConditionType.WEIGHTS_READY, ConditionStatus.FALSE, cause.reason, cause.message)


def _weights(model: GenerativeModel, world: World) -> list[_Verdict]:
    failure = world.failure(WEIGHTS)
    if failure is not None:
        return [_failed(ConditionType.WEIGHTS_READY, failure)]
    if world.weights is not None:
        return [_on_claim(world, world.weights)]
    pods = [
        pod for pod in world.pods_of(world.current) if not pod["metadata"].get("deletionTimestamp") and not is_over(pod)
    ]
    if not pods or model.spec.desired_replicas == 0:
        return []
    if all(has_weights(pod) for pod in pods):
        return [
            _Verdict(
                ConditionType.WEIGHTS_READY, ConditionStatus.TRUE, Reason.WEIGHTS_READY, explain(Reason.WEIGHTS_READY)
            )
        ]
    lacking = [pod for pod in pods if not has_weights(pod)]
    cause = first_cause(None, lacking, world.runtimes, world.evidence)
    return [_Verdict(ConditionType.WEIGHTS_READY, ConditionStatus.FALSE, cause.reason, cause.message)]


def _available(model: GenerativeModel, world: World) -> _Verdict:
    ready, desired = world.ready_pods(world.serving), model.spec.desired_replicas
    if ready > 0:
        return _Verdict(ConditionType.AVAILABLE, ConditionStatus.TRUE, Reason.SERVING, _serving(world, ready, desired))
    if desired == 0:
        return _Verdict(ConditionType.AVAILABLE, ConditionStatus.FALSE, Reason.SUSPENDED, _suspended(world))
    reason, message = _hindrance(world)
    return _Verdict(ConditionType.AVAILABLE, ConditionStatus.FALSE, reason, message)


def _hindrance(world: World) -> tuple[AnyReason, str]:
    """Return what keeps the desired revision from serving: a failed step, else its pods' first cause."""
    failure = min(world.failures, key=lambda found: not found.stalled, default=None)
    if failure is not None:
        return failure.reason, failure.message
    cause = world.cause()
    return cause.reason, cause.message


def _ready(model: GenerativeModel, world: World) -> _Verdict:
    desired = model.spec.desired_replicas
    if not world.failures and desired == 0:
        return _at_rest(world)
    ready = world.ready_pods(world.current)
    at_home = world.current is not None and world.current == world.serving
    if not world.failures and at_home and ready >= desired:
        return _Verdict(ConditionType.READY, ConditionStatus.TRUE, Reason.SERVING, _serving(world, ready, desired))
    return _not_ready(world, ready, desired)


def _at_rest(world: World) -> _Verdict:
    """Return that all is as wished with nothing to serve, unless weights that are brought all the same cannot come."""
    is_waited_for = world.weights is not None and not world.weights.is_complete
    if is_waited_for and (cause := world.cause()).needs_person:
        return _Verdict(ConditionType.READY, ConditionStatus.FALSE, cause.reason, cause.message)
    return _Verdict(ConditionType.READY, ConditionStatus.TRUE, Reason.SUSPENDED, _suspended(world))


def _suspended(world: World) -> str:
    """Return that nothing is to serve, with what becomes of weights on a claim, which are brought all the same."""
    told = explain(Reason.SUSPENDED)
    return told if world.weights is None else f"{told}; {_on_claim(world, world.weights).message}"


def _serving(world: World, ready: int, desired: int) -> str:
    """Return how many replicas answer; those that are on their way out are not told as too many."""
    return explain(Reason.SERVING, ready=min(ready, desired) or ready, desired=desired or ready, url=world.url)


def _not_ready(world: World, ready: int, desired: int) -> _Verdict:
    """Return ``Ready=False``; what a person must act on, or what lacks room, is named before any progress."""
    reason, message = _hindrance(world)
    rolling = _between_revisions(world)
    if rolling is not None:
        message = explain(
            rolling, revision=world.current, serving=world.serving, detail=message, **_when(rolling, world)
        )
        return _Verdict(ConditionType.READY, ConditionStatus.FALSE, rolling, message)
    if not world.failures and 0 < ready < desired:
        message = explain(Reason.SCALING, ready=ready, desired=desired, detail=message)
        reason = Reason.SCALING if world.cause().is_progress else reason
    if world.stays is not None:
        message = while_another_serves(message, world.stays)
    return _Verdict(ConditionType.READY, ConditionStatus.FALSE, reason, message)


def _between_revisions(world: World) -> Reason | None:
    """Return how one revision takes the place of another, None where none does or something keeps it from that."""
    if world.failures or world.current is None or world.serving in (None, world.current):
        return None
    if world.drain_at is not None:
        return Reason.MAKING_ROOM
    return Reason.ROLLING_OUT if world.cause().is_progress else None


def _when(reason: Reason, world: World) -> dict[str, object]:
    return {"time": world.drain_at} if reason is Reason.MAKING_ROOM else {}


def _progress(world: World, ready: _Verdict) -> list[_Verdict]:
    """Return ``Stalled`` or ``Reconciling`` while the model is not ready, else nothing (kstatus)."""
    if ready.status is ConditionStatus.TRUE:
        return []
    failed = any(found.stalled for found in world.failures)
    stalled = failed or (not world.failures and world.cause().needs_person)
    kind = ConditionType.STALLED if stalled else ConditionType.RECONCILING
    return [_Verdict(kind, ConditionStatus.TRUE, ready.reason, ready.message)]


def _download(world: World) -> DownloadStatus | None:
    """Return the progress of the pod that has least, or None where nothing is downloaded."""
    told = [
        member(world.runtimes.get(pod["metadata"]["name"], {}), "download")
        for pod in (*world.pods_of(world.current), *(world.weights.pods if world.weights else ()))
        if not has_weights(pod)
    ]
    found = [
        DownloadStatus(
            bytes_done=whole(download, "bytesDone") or 0,
            bytes_total=total,
            bytes_per_second=whole(download, "bytesPerSecond"),
            seconds_left=whole(download, "secondsLeft"),
        )
        for download in told
        if (total := whole(download, "bytesTotal"))
    ]
    return min(found, key=lambda download: download.bytes_done, default=None)


def _cache(world: World) -> CacheStatus | None:
    weights = world.weights
    return CacheStatus(claim_name=weights.claim, kept=weights.is_kept) if weights else None


def _measured(model: GenerativeModel, world: World) -> MeasuredStatus | None:
    """Return what a ready pod of the serving revision measured; what is known of it stays."""
    for pod in world.pods_of(world.serving):
        document = world.runtimes.get(pod["metadata"]["name"], {})
        measured = document.get("measured")
        if measured and is_ready(pod):
            engine = document.get("engine") or {}
            return MeasuredStatus.model_validate({**measured, "engineVersion": engine.get("version")})
    before = model.status.revision
    same = before is not None and before.serving is not None and before.serving == world.serving
    return model.status.measured if same else None
