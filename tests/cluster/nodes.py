"""Node objects for kwok to play."""

from collections.abc import Mapping, Sequence
from typing import Any

ROOMY = {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "110"}


def kwok_node(
    name: str, *, labels: Mapping[str, str], allocatable: Mapping[str, str], taints: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """Return a fake node; `allocatable` (Kubernetes quantities) is laid over a roomy default."""
    resources = {**ROOMY, **allocatable}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "type": "kwok",
                **labels,
            },
        },
        "spec": {"taints": [dict(taint) for taint in taints]},
        "status": {"allocatable": resources, "capacity": dict(resources)},
    }
