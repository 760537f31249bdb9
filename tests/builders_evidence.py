"""Builders of what is read beside pods in trouble: Events and nodes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from genmodel_operator.causes import Evidence

NOW = "2026-11-26T18:40:00Z"


def an_event(reason: str, note: str, *, at: str = "2026-11-26T18:39:50Z", by: str = "kubelet") -> dict[str, Any]:
    """An Event as ``events.k8s.io/v1`` shows one that a component wrote by the older API."""
    return {
        "metadata": {"creationTimestamp": at},
        "eventTime": None,
        "deprecatedLastTimestamp": at,
        "deprecatedSource": {"component": by},
        "reportingController": by,
        "reason": reason,
        "note": note,
    }


def a_node(name: str = "node-1", *, ready: str = "True", message: str = "", **devices: str) -> dict[str, Any]:
    """A node; ``devices`` holds allocatable and capacity of its devices."""
    condition = {
        "type": "Ready",
        "status": ready,
        "message": message,
        "lastTransitionTime": "2026-11-26T18:31:05Z",
    }
    resource = "nvidia.com/gpu"
    return {
        "metadata": {"name": name},
        "status": {
            "conditions": [condition],
            "allocatable": {resource: devices.get("allocatable", "8")},
            "capacity": {resource: devices.get("capacity", "8")},
        },
    }


def evidence(
    *events: dict[str, Any], pod: str = "mistral-a", nodes: Mapping[str, dict[str, Any] | None] | None = None
) -> Evidence:
    """What was read about one pod at ``NOW``."""
    return Evidence(events={pod: list(events)}, nodes=nodes or {}, now=datetime.fromisoformat(NOW))
