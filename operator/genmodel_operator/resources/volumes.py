"""Volumes of a model's pod and where its containers mount them."""

from typing import Any

from genmodel_operator.api.quantity import format_gib
from genmodel_operator.resources.pod_inputs import PodInputs
from genmodel_operator.resources.storage import Claim
from genmodel_runtime.contract import (
    CA_DIR,
    CA_KEY,
    CACHE_DIR,
    KEYS_DIR,
    MODELS_DIR,
    RUNTIME_DIR,
    SHM_DIR,
    TMP_DIR,
    TOKEN_DIR,
    TOKEN_KEY,
)

RUNTIME_GIB = 1 / 16
CACHE_GIB = 10
"""Compiled kernels and graphs of one model."""
TMP_GIB = 2
LOGS_GIB = 1
READABLE_BY_GROUP = 0o440
KEYS_VOLUME = "api-keys"
CA_VOLUME = "ca"
WEIGHTS_VOLUME = "weights"
OWN_VOLUMES = ("runtime", WEIGHTS_VOLUME, KEYS_VOLUME)
"""Volumes that a user's part of the pod template cannot change."""


def volumes(pod: PodInputs) -> list[dict[str, Any]]:
    """Return the pod's volumes; every emptyDir has a limit, so that no pod fills its node."""
    found = [
        _empty_dir("runtime", RUNTIME_GIB),
        _weights(pod),
        _empty_dir("cache", CACHE_GIB),
        tmp_volume(),
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": format_gib(pod.plan.shm_gib)}},
        *_key_volumes(pod),
    ]
    return [*found, *_way_to_the_hub(pod)] if pod.fetches else found


def _way_to_the_hub(pod: PodInputs) -> list[dict[str, Any]]:
    return [{"name": "token", "secret": _token_secret(pod)}, *_authorities(pod)]


def _weights(pod: PodInputs) -> dict[str, Any]:
    if pod.claim is None:
        return _empty_dir(WEIGHTS_VOLUME, pod.plan.ephemeral_gib)
    return source_volume(pod.claim) if pod.claim.is_source else _claim_volume(pod.claim)


def _claim_volume(claim: Claim) -> dict[str, Any]:
    return {"name": WEIGHTS_VOLUME, "persistentVolumeClaim": {"claimName": claim.name}}


def source_volume(claim: Claim) -> dict[str, Any]:
    """Return the volume of a claim that a user filled; read-only, so that the kubelet changes no owner on it."""
    return {"name": WEIGHTS_VOLUME, "persistentVolumeClaim": {"claimName": claim.name, "readOnly": True}}


def _weights_mount(pod: PodInputs) -> dict[str, Any]:
    """Return where the weights are: all commits of a volume, or a user's own folder in the place of one."""
    if pod.claim is None or not pod.claim.is_source:
        return {"name": WEIGHTS_VOLUME, "mountPath": MODELS_DIR}
    folder = {"subPath": pod.claim.path} if pod.claim.path else {}
    return {"name": WEIGHTS_VOLUME, "mountPath": f"{MODELS_DIR}/{pod.facts.commit}", **folder}


def asks_for_keys(pod: PodInputs) -> bool:
    """Return whether clients need an API key."""
    return pod.model.spec.access.api_keys_secret_ref is not None


def tmp_volume() -> dict[str, Any]:
    """Return the volume of temporary files."""
    return _empty_dir("tmp", TMP_GIB)


def _empty_dir(name: str, size_gib: float) -> dict[str, Any]:
    return {"name": name, "emptyDir": {"sizeLimit": format_gib(size_gib)}}


def _token_secret(pod: PodInputs) -> dict[str, Any]:
    """Return the Hub token's Secret; optional, because open models need none."""
    hub = pod.model.spec.source.hub if pod.model.spec.source else None
    ref = hub.token_secret_ref if hub else None
    return {
        "secretName": ref.name if ref else pod.settings.hub.token_secret_name,
        "optional": True,
        "defaultMode": READABLE_BY_GROUP,
        "items": [{"key": ref.key if ref else TOKEN_KEY, "path": TOKEN_KEY}],
    }


def _key_volumes(pod: PodInputs) -> list[dict[str, Any]]:
    """Return the Secret of the API keys where they are asked for; without it the pod does not start."""
    ref = pod.model.spec.access.api_keys_secret_ref
    if ref is None:
        return []
    return [{"name": KEYS_VOLUME, "secret": {"secretName": ref.name, "defaultMode": READABLE_BY_GROUP}}]


def _authorities(pod: PodInputs) -> list[dict[str, Any]]:
    """Return the certificate authorities' ConfigMap; without it the pod waits, and says for what."""
    name = pod.settings.hub.ca_config_map
    items = [{"key": CA_KEY, "path": CA_KEY}]
    return [{"name": CA_VOLUME, "configMap": {"name": name, "items": items}}] if name else []


def prepare_mounts(pod: PodInputs) -> list[dict[str, Any]]:
    """Return the mounts of ``prepare``: the only container that sees the token, where it fetches."""
    weights = _weights_mount(pod)
    return [
        {"name": "runtime", "mountPath": RUNTIME_DIR},
        weights if pod.fetches else {**weights, "readOnly": True},
        {"name": "tmp", "mountPath": TMP_DIR},
        *(_hub_mounts(pod) if pod.fetches else []),
    ]


def _hub_mounts(pod: PodInputs) -> list[dict[str, Any]]:
    """Return what is read on the way to the Hub: the token, and certificate authorities where the platform has any."""
    token = {"name": "token", "mountPath": TOKEN_DIR, "readOnly": True}
    authorities = {"name": CA_VOLUME, "mountPath": CA_DIR, "readOnly": True}
    return [token, authorities] if pod.settings.hub.ca_config_map else [token]


def server_mounts(pod: PodInputs) -> list[dict[str, Any]]:
    """Return the mounts of ``server``: what was verified cannot be changed."""
    keys = [{"name": KEYS_VOLUME, "mountPath": KEYS_DIR, "readOnly": True}] if asks_for_keys(pod) else []
    return [
        {"name": "runtime", "mountPath": RUNTIME_DIR, "readOnly": True},
        {**_weights_mount(pod), "readOnly": True},
        {"name": "cache", "mountPath": CACHE_DIR},
        {"name": "tmp", "mountPath": TMP_DIR},
        {"name": "shm", "mountPath": SHM_DIR},
        *keys,
    ]


def ephemeral_request_gib(pod: PodInputs) -> float:
    """Return the disk of its node that the pod needs from its first minute: its weights, and a little."""
    return _weights_gib(pod) + LOGS_GIB


def _weights_gib(pod: PodInputs) -> float:
    return pod.plan.ephemeral_gib if pod.claim is None else 0.0


def ephemeral_limit_gib(pod: PodInputs) -> float:
    """Return the disk above which the pod is evicted: all its volumes full, and its logs."""
    return _weights_gib(pod) + RUNTIME_GIB + CACHE_GIB + TMP_GIB + LOGS_GIB
