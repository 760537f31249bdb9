"""Models in every state that a deployment tool can meet, as the API server shows them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from genmodel_operator.api.reasons import TABLE, AnyReason, Reason, Severity
from genmodel_operator.causes import Evidence
from genmodel_operator.status import OBSERVE, RESOLVE, StepFailure, World, summarise
from genmodel_runtime.contract import RuntimeReason
from tests.builders import a_model
from tests.builders_pods import REVISION, a_deployment, a_pod, a_ready_pod, container, in_server
from tests.situations.pods import PODS, PodSituation

NOW = "2026-11-26T10:00:00Z"
OLD = "aaaaaaaaaa"
URL = "http://mistral.team-a.svc/v1"
SERVING = World(
    current=REVISION, serving=REVISION, url=URL, deployments={REVISION: a_deployment()}, pods=[a_ready_pod()]
)
LOADING = in_server(container("server", running={}))


@dataclass(frozen=True)
class State:
    """A model as it is read, and what kstatus and Argo CD are to make of it."""

    id: str
    obj: Mapping[str, Any]
    want_kstatus: str
    want_argo: str


def shown(world: World, *, metadata: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A model with the status that the operator writes for a world."""
    model = a_model(**spec)
    status = summarise(model, world, NOW).model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"metadata": {"name": "mistral", "generation": 1, **(metadata or {})}, "status": status}


def _edited(obj: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


def states() -> Iterator[State]:
    """Yield them all: life, every failure of a step, every cause of a pod."""
    untouched = {"metadata": {"name": "mistral", "generation": 1}, "status": {"observedGeneration": -1}}
    serving, ending = shown(SERVING), {"deletionTimestamp": NOW}
    rolling = replace(
        SERVING, serving=OLD, pods=[a_ready_pod("o", revision=OLD), LOADING], deployments={OLD: a_deployment()}
    )
    yield State("just applied", untouched, "InProgress", "Progressing")
    yield State("serving", serving, "Current", "Healthy")
    yield State("edited, not looked at yet", _edited(serving, generation=2), "InProgress", "Progressing")
    yield State("being deleted", _edited(serving, **ending), "Terminating", "Progressing")
    yield State("scaled to zero", shown(replace(SERVING, pods=[]), replicas=0), "Current", "Suspended")
    yield State("suspended", shown(replace(SERVING, pods=[]), suspend=True), "Current", "Suspended")
    yield State("no pods yet", shown(replace(SERVING, pods=[])), "InProgress", "Progressing")
    yield State("finds no node", shown(replace(SERVING, pods=[_unplaced()])), "InProgress", "Progressing")
    both = replace(SERVING, pods=[a_ready_pod("a"), LOADING])
    yield State("one of two answers", shown(both, replicas=2), "InProgress", "Progressing")
    yield State("a successor loads", shown(rolling), "InProgress", "Progressing")
    yield from (_after_failure(reason) for reason in (*Reason, *RuntimeReason))
    yield from (_with_pod(situation) for situation in PODS)


def _unplaced() -> dict[str, Any]:
    return a_pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: x"}])


def _after_failure(reason: AnyReason) -> State:
    """A step that ended with this reason while an older revision serves."""
    stalled = TABLE[reason.value].severity is Severity.PERSON
    failure = StepFailure(RESOLVE if stalled else OBSERVE, reason, "what happened", stalled)
    obj = shown(replace(SERVING, failures=[failure]))
    return State(f"a step ends with {reason.value}", obj, *_wanted(needs_person=stalled))


def _with_pod(situation: PodSituation) -> State:
    """A pod as its kubelet found it."""
    pod = a_pod(**situation.status("10.244.0.9"))
    pod["status"]["conditions"].append({"type": "PodScheduled", "status": "True"})
    runtimes = {"mistral-a": situation.runtime}
    obj = shown(replace(SERVING, pods=[pod], runtimes=runtimes, evidence=Evidence()))
    return State(f"pod: {situation.id}", obj, *_wanted(needs_person=_is_stalled(situation)))


def _is_stalled(situation: PodSituation) -> bool:
    # What only an Event tells is not in the pod.
    return situation.needs_person and not situation.events


def _wanted(*, needs_person: bool) -> tuple[str, str]:
    return ("Failed", "Degraded") if needs_person else ("InProgress", "Progressing")
