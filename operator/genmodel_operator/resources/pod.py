"""The pod template of a revision: two containers, their volumes, and where they may run.

Every value is written as the API server gives it back (canonical quantities, no empty values, no
zero where zero is the default), because what we wrote is compared with what is stored.
"""

from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.resources.containers import prepare_container, server_container
from genmodel_operator.resources.pod_inputs import PodInputs
from genmodel_operator.resources.storage import Claim
from genmodel_operator.resources.volumes import volumes
from genmodel_operator.sizing.accelerators import AMD, taint_key, vendor_of
from genmodel_operator.sizing.plan import ServingPlan
from genmodel_runtime.contract import (
    ENDPOINT_PROPAGATION_SECONDS,
    SERVER_CONTAINER,
    TEARDOWN_SECONDS,
    USER_ID,
)

__all__ = ["PodInputs", "build_pod_template"]

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
HOSTNAME_KEY = "kubernetes.io/hostname"


def build_pod_template(pod: PodInputs) -> dict[str, Any]:
    """Return the pod template; it satisfies the restricted Pod Security Standard."""
    own_labels = labels.revision_labels(pod.model.metadata.name, pod.revision_id, pod.facts.commit)
    if pod.claim is not None:
        own_labels[labels.CLAIM] = pod.claim.label
    return {
        "metadata": {"labels": own_labels, "annotations": {DEFAULT_CONTAINER: SERVER_CONTAINER}},
        "spec": {
            "automountServiceAccountToken": False,
            # A Service called vllm would set VLLM_PORT to an address, and the engine would not start.
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": grace_period_seconds(pod.settings.engines.drain_seconds),
            "securityContext": pod_security_context() | device_groups(pod),
            "initContainers": [prepare_container(pod)],
            "containers": [server_container(pod)],
            "volumes": volumes(pod),
            **placement(pod),
            **pull_secrets(pod.settings.engines.image_pull_secrets),
        },
    }


def grace_period_seconds(drain_seconds: int) -> int:
    """Return the time from SIGTERM to SIGKILL: endpoints propagate, streams finish, the engine ends."""
    return ENDPOINT_PROPAGATION_SECONDS + drain_seconds + TEARDOWN_SECONDS


def pod_security_context() -> dict[str, Any]:
    """Return who the pod's processes are."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "fsGroup": USER_ID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def device_groups(pod: PodInputs) -> dict[str, Any]:
    """Return the groups that own AMD's device files on the nodes, and nothing on other devices."""
    groups = pod.settings.engines.rocm_groups
    return {"supplementalGroups": list(groups)} if groups and vendor_of(pod.plan.resource) == AMD else {}


def pull_secrets(names: list[str]) -> dict[str, Any]:
    """Return the pull secrets, and nothing where there are none."""
    return {"imagePullSecrets": [{"name": name} for name in names]} if names else {}


def placement(pod: PodInputs) -> dict[str, Any]:
    """Return where the pod may run: the plan's nodes, replicas on different ones where possible."""
    spread = {
        "maxSkew": 1,
        "topologyKey": HOSTNAME_KEY,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels.server_selector(pod.model.metadata.name, pod.revision_id)},
    }
    placed: dict[str, Any] = {"topologySpreadConstraints": [spread]}
    affinity = {"nodeAffinity": node_affinity(pod.plan)} if pod.plan.node_selector else {}
    if pod.claim is not None and pod.claim.is_for_one_node:
        affinity["podAffinity"] = beside_others_of(pod.claim)
    if affinity:
        placed["affinity"] = affinity
    tolerated = tolerations(pod.plan)
    if tolerated:
        placed["tolerations"] = tolerated
    return placed


def node_affinity(plan: ServingPlan) -> dict[str, Any]:
    """Return the plan's node labels as a requirement, which node autoscalers understand too."""
    expressions = [
        {"key": key, "operator": "In", "values": [value]} if value else {"key": key, "operator": "DoesNotExist"}
        for key, value in plan.node_selector
    ]
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
    }


def beside_others_of(claim: Claim) -> dict[str, Any]:
    """Return that a pod goes where others of its claim are: a second node could not mount the volume.

    The first of them may go anywhere.
    """
    term = {"topologyKey": HOSTNAME_KEY, "labelSelector": {"matchLabels": {labels.CLAIM: claim.label}}}
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def tolerations(plan: ServingPlan) -> list[dict[str, Any]]:
    """Return what the pod tolerates: the plan's taints, and those that keep others off the devices."""
    tolerated: list[dict[str, Any]] = []
    own_key = taint_key(plan.resource) if plan.is_gpu else ""
    if own_key:
        tolerated.append({"key": own_key, "operator": "Exists"})
    for taint in plan.tolerations:
        if taint.key == own_key:
            continue
        matched = {"operator": "Equal", "value": taint.value} if taint.value else {"operator": "Exists"}
        tolerated.append({"key": taint.key, **matched, "effect": taint.effect})
    return tolerated
