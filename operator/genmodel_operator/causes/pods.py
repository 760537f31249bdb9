"""What a pod's own status tells without any judgement."""

from collections.abc import Iterator
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.causes.cause import Object
from genmodel_runtime.contract import PREPARE_CONTAINER, SERVER_CONTAINER

_JOBS = (labels.COMPONENT_FETCH, labels.COMPONENT_INSPECT)


def is_ready(pod: Object) -> bool:
    """Return whether the pod answers and is not on its way out; one that is over keeps its conditions.

    The pod of a Job has no probe: the kubelet calls it ready as soon as it runs, and it never answers anybody.
    """
    if (pod["metadata"].get("labels") or {}).get(labels.COMPONENT_KEY) in _JOBS:
        return False
    if pod["metadata"].get("deletionTimestamp") or pod.get("status", {}).get("phase") in ("Failed", "Succeeded"):
        return False
    return (condition(pod, "Ready") or {}).get("status") == "True"


def is_unschedulable(pod: Object) -> bool:
    """Return whether the scheduler has looked at the pod and found no node for it."""
    return (condition(pod, "PodScheduled") or {}).get("status") == "False"


def lacks_only_room(pod: Object) -> bool:
    """Return whether a pod lacks resources by the scheduler's word, and no node that it looked at is kept from pods.

    Who may not read nodes learns in no other way that one is cordoned or away.
    """
    said = str((condition(pod, "PodScheduled") or {}).get("message") or "")
    return "Insufficient" in said and not any(words in said for words in ("were unschedulable", "node.kubernetes.io/"))


def has_weights(pod: Object) -> bool:
    """Return whether the pod's prepare container has finished: its weights are complete and verified."""
    prepare = container_status(pod, PREPARE_CONTAINER)
    if prepare is None:
        return is_ready(pod)
    return bool(prepare.get("state", {}).get("terminated", {}).get("exitCode") == 0)


def is_over(pod: Object) -> bool:
    """Return whether the pod has failed for good; its Deployment makes another one, and this one stays behind."""
    return bool(pod.get("status", {}).get("phase") == "Failed")


def has_lost_its_place(pod: Object) -> bool:
    """Return whether the cluster itself took the pod away: evicted, preempted, refused by its node."""
    disrupted = (condition(pod, "DisruptionTarget") or {}).get("status") == "True"
    leaving = bool(pod["metadata"].get("deletionTimestamp"))
    return is_over(pod) or _was_lost(pod) or (disrupted and leaving)


def _was_lost(pod: Object) -> bool:
    return pod.get("status", {}).get("reason") in ("Evicted", "NodeLost")


def has_started(pod: Object) -> bool:
    """Return whether any container of the pod has ever run."""
    return any(
        not found.get("state", {}).get("waiting") or found.get("restartCount") or found.get("lastState")
        for found in container_statuses(pod)
    )


def container_statuses(pod: Object) -> Iterator[Object]:
    """Yield the containers' statuses in the order in which they run."""
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def container_status(pod: Object, name: str) -> Object | None:
    """Return the status of one container, None where the kubelet has not told yet."""
    return next((found for found in container_statuses(pod) if found["name"] == name), None)


def runs(pod: Object, name: str) -> bool:
    """Return whether one container runs now."""
    return "running" in (container_status(pod, name) or {}).get("state", {})


def was_ready(pod: Object) -> bool:
    """Return whether all containers were ready when the kubelet last told, and the cluster says that the pod is not."""
    server = container_status(pod, SERVER_CONTAINER)
    return bool(server and server.get("ready") and not is_ready(pod))


def condition(obj: Object, kind: str) -> Object | None:
    """Return one condition of a pod, a node or a Job; None where it has none of the kind."""
    conditions = obj.get("status", {}).get("conditions") or []
    return next((found for found in conditions if found["type"] == kind), None)


def node_name(pod: Object) -> str | None:
    """Return the node that the pod is bound to."""
    found: Any = pod.get("spec", {}).get("nodeName")
    return str(found) if found else None


def containers(pod: Object) -> list[Object]:
    """Return the specs of all containers."""
    spec = pod.get("spec", {})
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def requested(pod: Object, resource: str) -> str | None:
    """Return the most that one container asks for of a resource, as it is written; None where none does."""
    for container in containers(pod):
        resources = container.get("resources") or {}
        for side in ("requests", "limits"):
            amount = (resources.get(side) or {}).get(resource)
            if amount is not None:
                return str(amount)
    return None


def device_resources(pod: Object) -> dict[str, int]:
    """Return the devices that the pod asks for: extended resources, which are whole numbers."""
    found: dict[str, int] = {}
    for container in containers(pod):
        for name, amount in ((container.get("resources") or {}).get("limits") or {}).items():
            if "/" in name and str(amount).isdigit():
                found[name] = max(found.get(name, 0), int(amount))
    return found
