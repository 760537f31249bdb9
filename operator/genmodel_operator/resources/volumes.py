"""Volumes of a model's pod and where its containers mount them."""

from typing import Any

from genmodel_operator.api.quantity import format_gib
from genmodel_operator.resources.pod_inputs import PodInputs
from genmodel_runtime.contract import (
    CACHE_DIR,
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


def volumes(pod: PodInputs) -> list[dict[str, Any]]:
    """Return the pod's volumes; every emptyDir has a limit, so that no pod fills its node."""
    found = [
        _empty_dir("runtime", RUNTIME_GIB),
        _weights(pod),
        _empty_dir("cache", CACHE_GIB),
        _empty_dir("tmp", TMP_GIB),
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": format_gib(pod.plan.shm_gib)}},
    ]
    return [*found, {"name": "token", "secret": _token_secret(pod)}] if pod.fetches else found


def _weights(pod: PodInputs) -> dict[str, Any]:
    if pod.claim is None:
        return _empty_dir("weights", pod.plan.ephemeral_gib)
    return {"name": "weights", "persistentVolumeClaim": {"claimName": pod.claim.name}}


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


def prepare_mounts(pod: PodInputs) -> list[dict[str, Any]]:
    """Return the mounts of ``prepare``: the only container that sees the token, where it fetches."""
    weights = {"name": "weights", "mountPath": MODELS_DIR}
    token = {"name": "token", "mountPath": TOKEN_DIR, "readOnly": True}
    return [
        {"name": "runtime", "mountPath": RUNTIME_DIR},
        weights if pod.fetches else {**weights, "readOnly": True},
        {"name": "tmp", "mountPath": TMP_DIR},
        *([token] if pod.fetches else []),
    ]


def server_mounts() -> list[dict[str, Any]]:
    """Return the mounts of ``server``: what was verified cannot be changed."""
    return [
        {"name": "runtime", "mountPath": RUNTIME_DIR, "readOnly": True},
        {"name": "weights", "mountPath": MODELS_DIR, "readOnly": True},
        {"name": "cache", "mountPath": CACHE_DIR},
        {"name": "tmp", "mountPath": TMP_DIR},
        {"name": "shm", "mountPath": SHM_DIR},
    ]


def ephemeral_request_gib(pod: PodInputs) -> float:
    """Return the disk of its node that the pod needs from its first minute: its weights, and a little."""
    return _weights_gib(pod) + LOGS_GIB


def _weights_gib(pod: PodInputs) -> float:
    return pod.plan.ephemeral_gib if pod.claim is None else 0.0


def ephemeral_limit_gib(pod: PodInputs) -> float:
    """Return the disk above which the pod is evicted: all its volumes full, and its logs."""
    return _weights_gib(pod) + RUNTIME_GIB + CACHE_GIB + TMP_GIB + LOGS_GIB
