"""Why a model's pods do not answer yet: the first cause a person can act on. Pure.

Pods and Deployments are the API server's own objects as dicts; runtime documents are those of
``/status`` (see ``genmodel_runtime.contract``), where unknown fields are ignored.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genmodel_operator.api.reasons import AnyReason, Reason, Severity, explain, explain_runtime, info
from genmodel_runtime.contract import PREPARE_CONTAINER, SERVER_CONTAINER, Phase, RuntimeReason

Object = Mapping[str, Any]

_PULL_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why pods do not answer, with its full message."""

    reason: AnyReason
    message: str

    @property
    def needs_person(self) -> bool:
        """Whether the model cannot come up before somebody acts."""
        return info(self.reason).severity is Severity.PERSON

    @property
    def rank(self) -> int:
        """Order of importance: what a person must act on first, then what lacks room, then progress."""
        if self.needs_person:
            return 0
        return 1 if self.reason is Reason.UNSCHEDULABLE else 2

    @property
    def is_progress(self) -> bool:
        """Whether time alone is expected to help."""
        return self.rank == 2


def _cause(reason: AnyReason, **values: object) -> Cause:
    return Cause(reason, explain(reason, **values))


def is_ready(pod: Object) -> bool:
    """Return whether the pod counts as ready and is not on its way out."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def is_unschedulable(pod: Object) -> bool:
    """Return whether the scheduler has looked at the pod and found no node for it."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "PodScheduled" and c["status"] == "False" for c in conditions)


def has_weights(pod: Object) -> bool:
    """Return whether the pod's prepare container has finished: its weights are complete and verified."""
    statuses = pod.get("status", {}).get("initContainerStatuses", [])
    prepare = next((s for s in statuses if s["name"] == PREPARE_CONTAINER), None)
    if prepare is None:
        return is_ready(pod)
    return bool(prepare.get("state", {}).get("terminated", {}).get("exitCode") == 0)


def first_cause(deployment: Object | None, pods: Sequence[Object], runtimes: Mapping[str, Object]) -> Cause:
    """Return the most important cause over a revision's Deployment and pods.

    ``runtimes`` holds the runtime's status document by pod name, where it could be read.
    """
    waiting = [pod for pod in pods if not is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]
    causes = [pod_cause(pod, runtimes.get(pod["metadata"]["name"], {})) for pod in waiting]
    refused = _creation_refused(deployment)
    if refused is not None:
        causes.append(refused)
    if causes:
        return min(causes, key=lambda cause: cause.rank)
    return _cause(Reason.PODS_PENDING, detail="the pods are being created")


def _creation_refused(deployment: Object | None) -> Cause | None:
    conditions = (deployment or {}).get("status", {}).get("conditions", [])
    failure = next((c for c in conditions if c["type"] == "ReplicaFailure" and c["status"] == "True"), None)
    return failure and _cause(Reason.POD_CREATION_REFUSED, detail=failure.get("message", failure.get("reason", "")))


def pod_cause(pod: Object, runtime: Object) -> Cause:
    """Return why one pod does not answer."""
    status = pod.get("status", {})
    if status.get("reason") == "Evicted":
        return _cause(Reason.POD_EVICTED, detail=status.get("message", "no message"))
    if status.get("reason") == "NodeLost":
        return _cause(Reason.NODE_LOST, node=pod.get("spec", {}).get("nodeName", "?"))
    unplaced = _unplaced(status)
    if unplaced is not None:
        return unplaced
    for container in _container_statuses(status):
        found = _container_cause(pod, container, runtime)
        if found is not None:
            return found
    node = pod.get("spec", {}).get("nodeName", "the node")
    return _cause(Reason.STARTING, detail=f"{node} prepares the pod")


def _unplaced(status: Object) -> Cause | None:
    scheduled = next((c for c in status.get("conditions", []) if c["type"] == "PodScheduled"), None)
    if scheduled is None:
        return _cause(Reason.PODS_PENDING, detail="the pod waits for the scheduler")
    if scheduled["status"] == "True":
        return None
    return _cause(Reason.UNSCHEDULABLE, detail=scheduled.get("message", scheduled.get("reason", "")).rstrip("."))


def _container_statuses(status: Object) -> Iterable[Object]:
    """Yield the containers in the order in which they run, up to the one that matters now."""
    yield from status.get("initContainerStatuses", [])
    yield from status.get("containerStatuses", [])


def _container_cause(pod: Object, container: Object, runtime: Object) -> Cause | None:
    state = container.get("state", {})
    if state.get("terminated", {}).get("exitCode") == 0 and container["name"] == PREPARE_CONTAINER:
        return None
    last = state.get("terminated") or container.get("lastState", {}).get("terminated")
    crashed = _termination(pod, container, last) if last else None
    if crashed is not None and (crashed.needs_person or "running" not in state):
        return crashed
    if "waiting" in state:
        return _waiting(container, state["waiting"])
    if "running" in state:
        return _progress(container["name"], runtime)
    return None


def _waiting(container: Object, waiting: Object) -> Cause | None:
    reason, detail = waiting.get("reason", ""), waiting.get("message", "") or waiting.get("reason", "")
    if reason in _PULL_REASONS:
        return _cause(Reason.IMAGE_PULL_FAILED, image=container.get("image", "?"), detail=detail)
    if reason in _CONFIG_REASONS:
        return _cause(Reason.CONTAINER_CONFIG_FAILED, container=container["name"], detail=detail)
    return None


def _termination(pod: Object, container: Object, terminated: Object) -> Cause:
    """Return the cause behind a container's end: the runtime's own words where it left some."""
    if terminated.get("reason") == "OOMKilled":
        limit = _memory_limit(pod, container["name"])
        return _cause(Reason.OUT_OF_MEMORY, container=container["name"], limit=limit)
    said = parse_termination(terminated.get("message", ""))
    if said is not None:
        return said
    return _cause(
        Reason.POD_CRASHED,
        container=container["name"],
        code=terminated.get("exitCode", "?"),
        restarts=container.get("restartCount", 0),
        detail=_last_line(terminated.get("message", "")) or terminated.get("reason", "no message"),
        namespace=pod["metadata"]["namespace"],
        pod=pod["metadata"]["name"],
    )


def parse_termination(text: str) -> Cause | None:
    """Return the cause that the runtime wrote to its termination log, or None where it is not one of ours."""
    try:
        document = json.loads(text)
        reason = RuntimeReason(document["reason"])
        return Cause(reason, explain_runtime(reason, str(document["message"])))
    except (ValueError, KeyError, TypeError):
        return None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _memory_limit(pod: Object, name: str) -> str:
    spec = pod.get("spec", {})
    containers = [*spec.get("initContainers", []), *spec.get("containers", [])]
    found: Object = next((c for c in containers if c["name"] == name), {})
    return str(found.get("resources", {}).get("limits", {}).get("memory", "unknown size"))


def _progress(container: str, runtime: Object) -> Cause:
    """Return what a running container is at; without the runtime's word only its name tells."""
    failure = runtime.get("failure")
    if failure:
        said = parse_termination(json.dumps(failure))
        if said is not None:
            return said
    phase = runtime.get("phase")
    if container == SERVER_CONTAINER:
        if phase in (Phase.WARMING_UP.value, Phase.COMPILING.value):
            return _cause(Reason.WARMING_UP)
        return _cause(Reason.LOADING)
    if phase == Phase.VERIFYING.value:
        return _cause(Reason.VERIFYING)
    return _cause(Reason.DOWNLOADING, progress=describe_download(runtime.get("download")))


def describe_download(download: Object | None) -> str:
    """Return the progress of a download in words, such as ``1.2 of 14.2 GiB (8 %), 95 s left``."""
    total = (download or {}).get("bytesTotal")
    if not download or not total:
        return "asking the Hub for the list of files"
    done = download.get("bytesDone", 0)
    text = f"{_amount(done)} of {_amount(total)} ({done * 100 // total} %)"
    left = download.get("secondsLeft")
    return text if left is None else f"{text}, {left:.0f} s left"


def _amount(count_bytes: int) -> str:
    return f"{count_bytes / _GIB:.1f} GiB" if count_bytes >= _GIB else f"{count_bytes / 1024**2:.1f} MiB"
