"""Volumes and claims for models, as a platform team makes them where no storage provider is at hand."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Object = dict[str, Any]
Kubectl = Callable[..., str]
SHARED = ("ReadWriteOnce", "ReadWriteMany")
SINGLE = ("ReadWriteOncePod",)
"""A volume that one pod at a time can use has no other mode."""


@contextmanager
def a_volume(
    kubectl: Kubectl, name: str, *, size: str = "20Gi", modes: Sequence[str] = SHARED, **source: Any
) -> Iterator[str]:
    """Yield the class of a PersistentVolume of its own, which one claim at a time can have; it goes at the end."""
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": list(modes),
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": name,
            **(source or {"hostPath": {"path": f"/nowhere/{name}"}}),
        },
    }
    kubectl("create", "-f", "-", input=json.dumps(volume))
    try:
        yield name
    finally:
        kubectl("delete", "pv", name, "--wait=false", "--ignore-not-found")


def a_claim(kubectl: Kubectl, namespace: str, name: str, *, storage_class: str, mode: str = "ReadWriteOnce") -> None:
    """Make a claim on the volume of a class."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "accessModes": [mode],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    kubectl("create", "-f", "-", input=json.dumps(claim))
