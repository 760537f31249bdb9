"""What is with a model, in one word and one sentence. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from genmodel_operator.api.v1alpha1 import Condition, ConditionStatus, ConditionType, GenerativeModel
from genmodel_operator.causes import is_ready, pod_cause

Object = Mapping[str, Any]


class State(StrEnum):
    """What the reader is to make of it."""

    READY = "Ready"
    WORKING = "Working"
    STALLED = "Stalled"
    GOING = "Deleting"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The summary of a model's conditions."""

    state: State
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Download:
    """Progress of a download; ``bytes_per_second`` and ``seconds_left`` are None where not known."""

    bytes_done: int
    bytes_total: int
    bytes_per_second: float | None = None
    seconds_left: float | None = None


_EXPECTED = {ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED}
_GOOD_WHEN_TRUE = {
    ConditionType.MODEL_RESOLVED,
    ConditionType.PLANNED,
    ConditionType.WEIGHTS_READY,
    ConditionType.AVAILABLE,
}


def verdict_of(model: GenerativeModel) -> Verdict:
    """Return what is with a model at this generation of its spec."""
    if model.metadata.deletion_timestamp:
        return Verdict(State.GOING, "Deleting", "the model is being deleted, and everything of it")
    ready = condition(model, ConditionType.READY)
    if ready is None:
        return Verdict(State.WORKING, "Accepted", "waiting for the operator")
    if model.status.observed_generation != model.metadata.generation:
        return Verdict(State.WORKING, "Accepted", "the spec has changed; waiting for the operator")
    if ready.status is ConditionStatus.TRUE:
        return Verdict(State.READY, ready.reason, ready.message)
    stalled = condition(model, ConditionType.STALLED)
    is_stalled = stalled is not None and stalled.status is ConditionStatus.TRUE
    return Verdict(State.STALLED if is_stalled else State.WORKING, ready.reason, ready.message)


def condition(model: GenerativeModel, kind: ConditionType) -> Condition | None:
    """Return one condition, None where it is not set."""
    return next((found for found in model.status.conditions if found.type == kind.value), None)


def remarkable(model: GenerativeModel) -> list[Condition]:
    """Return the conditions that are not fine and that the verdict does not tell already."""
    ready = condition(model, ConditionType.READY)
    told = (ready.reason, ready.message) if ready else None
    return [
        found
        for found in model.status.conditions
        if found.type not in {kind.value for kind in _EXPECTED}
        and not _is_fine(found)
        and (found.reason, found.message) != told
    ]


def _is_fine(found: Condition) -> bool:
    good = found.type in {kind.value for kind in _GOOD_WHEN_TRUE}
    return found.status is (ConditionStatus.TRUE if good else ConditionStatus.FALSE)


def download_of(model: GenerativeModel, runtimes: Mapping[str, Object]) -> Download | None:
    """Return the progress of the slowest pod: from the pods themselves, else from status, None where none loads."""
    documents = [found["download"] for found in runtimes.values() if (found.get("download") or {}).get("bytesTotal")]
    loading = [one for one in documents if one.get("bytesDone", 0) < one["bytesTotal"]]
    if loading:
        least = min(loading, key=lambda one: one.get("bytesDone", 0) / one["bytesTotal"])
        rate = least.get("bytesPerSecond")
        return Download(least.get("bytesDone", 0), least["bytesTotal"], rate, least.get("secondsLeft"))
    said = model.status.download
    if said is None or documents or not said.bytes_total:
        return None
    left = said.seconds_left
    rate = (said.bytes_total - said.bytes_done) / left if left else None
    return Download(said.bytes_done, said.bytes_total, rate, left)


def pod_phase(pod: Object, runtime: Object) -> str:
    """Return what a pod is at, in one word; a download with its share."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if is_ready(pod):
        return "Serving"
    reason = pod_cause(pod, runtime).reason.value
    progress = runtime.get("download") or {}
    if reason == "Downloading" and progress.get("bytesTotal"):
        return f"{reason} {progress.get('bytesDone', 0) * 100 // progress['bytesTotal']} %"
    return str(reason)


def pod_restarts(pod: Object) -> int:
    """Return how often the pod's containers were restarted."""
    status = pod.get("status", {})
    statuses: Sequence[Object] = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return sum(int(one.get("restartCount", 0)) for one in statuses)
