"""How many devices models have, and how many more they may."""

from collections.abc import Mapping
from typing import Any

from genmodel_operator.api.quantity import parse_quantity
from genmodel_operator.sizing.accelerators import vendor_of


def devices_of(deployment: Mapping[str, Any]) -> int:
    """Return the devices that the pods of a Deployment ask for together."""
    return devices_of_a_pod(deployment) * replicas_of(deployment)


def devices_of_a_pod(deployment: Mapping[str, Any]) -> int:
    """Return the devices that each pod of a Deployment asks for."""
    spec = deployment.get("spec") or {}
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or []
    return sum(
        int(parse_quantity(str(count)))
        for container in containers
        for resource, count in ((container.get("resources") or {}).get("limits") or {}).items()
        if vendor_of(resource)
    )


def replicas_of(deployment: Mapping[str, Any]) -> int:
    """Return how many pods a Deployment is to have."""
    return int((deployment.get("spec") or {}).get("replicas", 1))


def replicas_granted(*, limit: int, used: int, count: int, desired: int, running: int) -> int:
    """Return how many replicas of ``count`` devices may run beside ``used`` devices of other models.

    What runs already is never taken away.
    """
    room = max(0, limit - used) // count
    return min(desired, max(room, running))
