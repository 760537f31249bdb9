"""The namespace and the pod that the operator itself runs in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def own_namespace(configured: str, *, file: Path = SERVICE_ACCOUNT_NAMESPACE) -> str:
    """Return the configured namespace, else that of the pod; empty outside a pod."""
    if configured:
        return configured
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def own_pod(environ: Mapping[str, str]) -> dict[str, Any] | None:
    """Return as much of the operator's own pod as an Event about it needs, None outside a pod.

    The chart gives POD_NAME, POD_NAMESPACE and POD_UID by the downward API.
    """
    name, namespace = environ.get("POD_NAME"), environ.get("POD_NAMESPACE")
    if not name or not namespace:
        return None
    metadata = {"name": name, "namespace": namespace, "uid": environ.get("POD_UID", "")}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
