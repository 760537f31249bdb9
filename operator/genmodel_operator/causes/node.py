"""What a pod's node does to it: lost, its devices unhealthy, the pod refused, evicted or not set up."""

import re

from genmodel_operator.api.reasons import Reason
from genmodel_operator.causes.cause import Cause, Object, because
from genmodel_operator.causes.evidence import Evidence, of_reasons, since_words
from genmodel_operator.causes.pods import condition, container_statuses, device_resources, is_over, node_name
from genmodel_operator.resources.volumes import CA_VOLUME, OWN_VOLUMES
from genmodel_runtime.contract import CA_KEY

_SETUP_FAILURES = of_reasons("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume")
_UNHEALTHY_DEVICES = "UnexpectedAdmissionError"
_DISK_LIMIT = re.compile(
    r'Usage of EmptyDir volume "(?P<volume>[^"]+)" exceeds the limit'
    r"|exceeded its local ephemeral storage limit|ephemeral local storage usage exceeds the total limit"
)
"""The kubelet's words for a pod that wrote more than it may, on a node that has room."""
_NO_AUTHORITIES = re.compile(
    rf'volume "{CA_VOLUME}" ?: .*configmap (?:"(?P<name>[^"]+)" not found|references non-existent)'
)
"""The kubelet's words for a ConfigMap that is not there, or lacks the key."""


def lost_place(pod: Object) -> Cause:
    """Return why the cluster took a pod away that it had placed before."""
    status, node = pod.get("status", {}), node_name(pod) or "?"
    reason, said = str(status.get("reason") or ""), str(status.get("message") or "")
    if reason == "NodeLost":
        return because(Reason.NODE_LOST, node=node, detail=said or "it does not answer")
    if is_over(pod) or reason:
        device = _refused_device(pod, reason, said)
        if device is not None:
            return because(Reason.DEVICE_UNHEALTHY, resource=device, node=node, detail=said)
        if reason == "Evicted" and (limit := _DISK_LIMIT.search(said)):
            change = _more_room(limit["volume"])
            return because(Reason.DISK_LIMIT_EXCEEDED, node=node, detail=said.strip().rstrip("."), change=change)
        return because(Reason.POD_EVICTED, node=node, detail=": ".join(part for part in (reason, said) if part))
    disrupted: Object = condition(pod, "DisruptionTarget") or {}
    words = (str(disrupted.get(field) or "") for field in ("reason", "message"))
    return because(Reason.POD_EVICTED, node=node, detail=": ".join(part for part in words if part))


def _more_room(volume: str | None) -> str:
    """Return what gives a pod more room; the volume of the weights has the size of the plan."""
    if volume in OWN_VOLUMES:
        return "put the weights on a claim with spec.cache.persistentVolumeClaim"
    if volume is not None:
        return f"raise spec.podTemplate.spec.volumes[{volume}].emptyDir.sizeLimit"
    return "raise limits.ephemeral-storage of the containers in spec.podTemplate"


def _refused_device(pod: Object, reason: str, said: str) -> str | None:
    """Return the device for whose lack the kubelet refused the pod, after the scheduler had counted it as free."""
    for resource in device_resources(pod):
        if reason == f"OutOf{resource}" or (reason == _UNHEALTHY_DEVICES and resource in said):
            return resource
    return None


def lost_node(pod: Object, evidence: Evidence) -> Cause | None:
    """Return that the pod's node does not answer any more, None where it does or nobody knows."""
    name = node_name(pod)
    if name is None or name not in evidence.nodes:
        return None
    node = evidence.nodes[name]
    if node is None:
        return because(Reason.NODE_LOST, node=name, detail="it was removed from the cluster")
    ready: Object = condition(node, "Ready") or {}
    if ready.get("status") == "True" or not ready:
        return None
    when = since_words(ready.get("lastTransitionTime"))
    said = str(ready.get("message") or ready.get("reason") or "no message").rstrip(".")
    return because(Reason.NODE_LOST, node=name, detail=f"it is not ready{f' {when}' if when else ''}: {said}")


def unhealthy_device(pod: Object, evidence: Evidence) -> Cause | None:
    """Return the device of the pod that is not healthy, as the kubelet or the node's device plugin says."""
    name = node_name(pod)
    for container in container_statuses(pod):
        for allocated in container.get("allocatedResourcesStatus") or []:
            bad = [r["resourceID"] for r in allocated.get("resources") or [] if r.get("health") == "Unhealthy"]
            if bad:
                detail = f"the device plugin reports {', '.join(bad)} as Unhealthy"
                return because(Reason.DEVICE_UNHEALTHY, resource=allocated["name"], node=name or "?", detail=detail)
    node = evidence.nodes.get(name or "")
    return _too_few_devices(pod, node) if node is not None else None


def _too_few_devices(pod: Object, node: Object) -> Cause | None:
    status = node.get("status", {})
    for resource, wanted in device_resources(pod).items():
        usable = int((status.get("allocatable") or {}).get(resource, 0))
        installed = int((status.get("capacity") or {}).get(resource, 0))
        if usable < wanted:
            detail = f"{usable} of its {installed} can be used, and the pod wants {wanted}"
            return because(Reason.DEVICE_UNHEALTHY, resource=resource, node=node["metadata"]["name"], detail=detail)
    return None


def _missing_authorities(pod: Object, said: str) -> Cause | None:
    """Return that the ConfigMap of the platform's certificate authorities is not in the model's namespace."""
    found = _NO_AUTHORITIES.search(said)
    if found is None:
        return None
    wanted = (v for v in pod.get("spec", {}).get("volumes") or [] if v["name"] == CA_VOLUME and "configMap" in v)
    name = found["name"] or next((volume["configMap"].get("name") for volume in wanted), "?")
    return because(Reason.AUTHORITIES_MISSING, name=name, key=CA_KEY, namespace=pod["metadata"]["namespace"])


def starting(pod: Object, evidence: Evidence) -> Cause:
    """Return what a node is at that has the pod and has started nothing of it."""
    node = node_name(pod) or "the node"
    failed = evidence.latest(pod, _SETUP_FAILURES)
    if failed is not None:
        said = str(failed.get("note") or failed["reason"])
        return _missing_authorities(pod, said) or because(Reason.POD_SETUP_FAILED, node=node, detail=said)
    pull = evidence.latest(pod, of_reasons("Pulling", "Pulled"))
    if pull is not None and pull["reason"] == "Pulling":
        note = str(pull.get("note") or "pulling an image").removeprefix("Pulling")
        return because(Reason.STARTING, detail=f"{node} pulls{note.removeprefix('pulling')}")
    return because(Reason.STARTING, detail=f"{node} prepares the pod")
