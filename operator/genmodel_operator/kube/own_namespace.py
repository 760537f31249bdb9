"""The namespace that the operator itself runs in."""

from pathlib import Path

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def own_namespace(configured: str, *, file: Path = SERVICE_ACCOUNT_NAMESPACE) -> str:
    """Return the configured namespace, else that of the pod; empty outside a pod."""
    if configured:
        return configured
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
