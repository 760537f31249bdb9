"""A claim that a user filled with a model: how it is named, and the Job that looks at what is on it. Pure."""

from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.quantity import format_gib
from genmodel_operator.api.v1alpha1 import ClaimSource, GenerativeModel
from genmodel_operator.resources.containers import (
    PREPARE_CPU,
    PREPARE_MEMORY_GIB,
    PREPARE_MEMORY_LIMIT_GIB,
    container_defaults,
)
from genmodel_operator.resources.hashing import sha256_of
from genmodel_operator.resources.job import job_of
from genmodel_operator.resources.names import child_metadata
from genmodel_operator.resources.pod import beside_others_of, pod_security_context, pull_secrets
from genmodel_operator.resources.storage import Claim
from genmodel_operator.resources.volumes import LOGS_GIB, TMP_GIB, WEIGHTS_VOLUME, source_volume, tmp_volume
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import AMD_RESOURCE, NVIDIA_RESOURCE
from genmodel_runtime.contract import CONTRACT, MODELS_DIR, PREPARE_CONTAINER, TMP_DIR, Env, ExitCode

INSPECT_COMMAND = ("python3", "-m", "genmodel_runtime", "inspect")
TRIES = 3
KEY_LENGTH = 10
"""Hex digits of an inspection's key in its Job's name."""

_KEPT = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "imagePullSecrets",
    "serviceAccountName",
    "priorityClassName",
    "schedulerName",
)
"""What a user's part of the pod template says about where and as whom a pod runs."""


def inspection_key(model: GenerativeModel, source: ClaimSource) -> str:
    """Return the hash of which folder is read, and of when its user last asked for that."""
    update = model.metadata.annotations.get(labels.UPDATE, "")
    return sha256_of({"claim": source.claim_name, "path": source.path or "", "update": update})[:KEY_LENGTH]


def build_inspection_job(
    model: GenerativeModel, settings: Settings, source: ClaimSource, claim: Claim, claim_uid: str
) -> dict[str, Any]:
    """Return the Job that reads a user's claim, with the hash of itself; its pod has no token and asks nobody."""
    own_labels = labels.child_labels(model.metadata.name, labels.COMPONENT_INSPECT)
    name = f"{model.metadata.name}-{inspection_key(model, source)}"
    metadata = child_metadata(model, name, own_labels)
    metadata["annotations"] = {labels.CLAIM_UID: claim_uid}
    template = {
        "metadata": {"labels": own_labels | {labels.CLAIM: claim.label}},
        "spec": _pod_spec(model, settings, claim),
    }
    return job_of(metadata, template, tries=TRIES, hopeless=(ExitCode.NEEDS_A_PERSON,))


def _pod_spec(model: GenerativeModel, settings: Settings, claim: Claim) -> dict[str, Any]:
    """Return a pod that goes where the volume is: also to nodes that their devices keep others off."""
    affinity = {"affinity": {"podAffinity": beside_others_of(claim)}} if claim.is_for_one_node else {}
    users = model.spec.pod_template.spec
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": pod_security_context(),
        "containers": [_container(settings, claim)],
        "volumes": [source_volume(claim), tmp_volume()],
        "tolerations": [{"key": key, "operator": "Exists"} for key in (NVIDIA_RESOURCE, AMD_RESOURCE)],
        **affinity,
        **pull_secrets(settings.engines.image_pull_secrets),
        **{key: users[key] for key in _KEPT if users.get(key)},
    }


def _container(settings: Settings, claim: Claim) -> dict[str, Any]:
    environment = {Env.CONTRACT.value: str(CONTRACT), Env.SOURCE_PATH.value: claim.path, "HOME": TMP_DIR}
    return {
        "name": PREPARE_CONTAINER,
        "image": settings.runtime_image,
        "command": list(INSPECT_COMMAND),
        "env": [{"name": name, "value": value} for name, value in environment.items() if value],
        "resources": {
            "requests": {"cpu": PREPARE_CPU, "memory": format_gib(PREPARE_MEMORY_GIB), **_disk(LOGS_GIB)},
            "limits": {"memory": format_gib(PREPARE_MEMORY_LIMIT_GIB), **_disk(TMP_GIB + LOGS_GIB)},
        },
        "volumeMounts": [
            {"name": WEIGHTS_VOLUME, "mountPath": MODELS_DIR, "readOnly": True},
            {"name": tmp_volume()["name"], "mountPath": TMP_DIR},
        ],
        **container_defaults(settings),
    }


def _disk(gib: float) -> dict[str, str]:
    return {"ephemeral-storage": format_gib(gib)}
