"""The first cause over a revision's pods, and over one pod."""

from collections.abc import Mapping, Sequence

from genmodel_operator.api.reasons import Reason
from genmodel_operator.causes.cause import Cause, Object, because
from genmodel_operator.causes.evidence import NOTHING, Evidence, of_reasons
from genmodel_operator.causes.node import lost_node, lost_place, starting, unhealthy_device
from genmodel_operator.causes.placement import unplaced
from genmodel_operator.causes.pods import container_statuses, has_lost_its_place, is_ready
from genmodel_operator.causes.progress import member, progress
from genmodel_operator.causes.refusal import creation_refused
from genmodel_operator.causes.termination import termination_cause
from genmodel_runtime.contract import PREPARE_CONTAINER, SERVER_CONTAINER, Phase

PROBE_SECONDS = 30.0
"""How long an engine that answers may be not ready for the cluster; the kubelet asks each 5 s."""
_PULL_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}


def first_cause(
    deployment: Object | None,
    pods: Sequence[Object],
    runtimes: Mapping[str, Object],
    evidence: Evidence = NOTHING,
) -> Cause:
    """Return the most important cause over a revision's Deployment and pods.

    ``runtimes`` holds the runtime's status document by pod name, where it could be read.
    """
    lost = [pod for pod in pods if has_lost_its_place(pod)]
    waiting = [pod for pod in pods if pod not in lost and not is_ready(pod) and not _is_leaving(pod)]
    causes = [pod_cause(pod, runtimes.get(pod["metadata"]["name"], {}), evidence) for pod in waiting]
    refused = creation_refused(deployment)
    if refused is not None:
        causes.append(refused)
    found = min(causes, key=lambda cause: cause.rank, default=None)
    if lost and (found is None or found.says_little):
        # A successor that runs tells more than why it had to be made.
        return lost_place(lost[-1])
    return found or because(Reason.PODS_PENDING, detail="the pods are being created")


def _is_leaving(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def pod_cause(pod: Object, runtime: Object, evidence: Evidence = NOTHING) -> Cause:
    """Return why one pod does not answer."""
    if has_lost_its_place(pod):
        return lost_place(pod)
    found = unplaced(pod, evidence) or lost_node(pod, evidence) or unhealthy_device(pod, evidence)
    if found is not None:
        return found
    for container in container_statuses(pod):
        found = _container_cause(pod, container, runtime, evidence)
        if found is not None:
            return found
    return starting(pod, evidence)


def _container_cause(pod: Object, container: Object, runtime: Object, evidence: Evidence) -> Cause | None:
    state = container.get("state", {})
    if state.get("terminated", {}).get("exitCode") == 0 and container["name"] == PREPARE_CONTAINER:
        return None
    last = state.get("terminated") or container.get("lastState", {}).get("terminated")
    crashed = termination_cause(pod, container, last, evidence) if last else None
    if crashed is not None and (crashed.needs_person or "running" not in state):
        return crashed
    if "waiting" in state:
        return _waiting(container, state["waiting"])
    if "running" in state:
        return _unnoticed(pod, container, runtime, evidence) or progress(container, runtime, evidence)
    return None


def _waiting(container: Object, waiting: Object) -> Cause | None:
    reason, detail = waiting.get("reason", ""), waiting.get("message", "") or waiting.get("reason", "")
    if reason in _PULL_REASONS:
        return because(Reason.IMAGE_PULL_FAILED, image=container.get("image", "?"), detail=detail)
    if reason in _CONFIG_REASONS:
        return because(Reason.CONTAINER_CONFIG_FAILED, container=container["name"], detail=detail)
    return None


def _unnoticed(pod: Object, container: Object, runtime: Object, evidence: Evidence) -> Cause | None:
    """Return that an engine answers, but not to the kubelet; None in the first moments, and where it does not."""
    if container["name"] != SERVER_CONTAINER or runtime.get("phase") != Phase.SERVING.value:
        return None
    problem = member(runtime, "access").get("problem")
    if problem:
        return because(Reason.API_KEYS_UNUSABLE, detail=problem)
    waited = evidence.seconds_since(runtime.get("since"))
    if waited is None or waited < PROBE_SECONDS:
        return None
    seen = evidence.latest(pod, of_reasons("Unhealthy"))
    why = str(seen.get("note")) if seen else "the kubelet has not said why"
    detail = f"the engine answers, and the pod is not ready: {why}"
    return because(Reason.PROBE_FAILING, container=container["name"], detail=detail)
