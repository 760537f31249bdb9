"""The rules of kstatus for a custom resource, ported from sigs.k8s.io/cli-utils (pkg/kstatus/status).

``Compute``: generic properties first (deletion, generation, Reconciling, Stalled), then the Ready condition; an
object that shows none of them counts as done.
"""

from collections.abc import Mapping
from typing import Any


def compute(obj: Mapping[str, Any]) -> str:
    """Return the status: Terminating, InProgress, Failed or Current."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = obj.get("status") or {}
    if "observedGeneration" in status and status["observedGeneration"] != obj["metadata"]["generation"]:
        return "InProgress"
    conditions = status.get("conditions") or []
    for condition in conditions:
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    ready = next((found for found in conditions if found["type"] == "Ready"), None)
    return "Current" if ready is None or ready["status"] == "True" else "InProgress"
