"""How entries of the lists in pods and Deployments are told apart, as in the Kubernetes schema."""

from collections.abc import Mapping, Sequence
from typing import Any

MERGE_KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "imagePullSecrets": (("name",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "ownerReferences": (("uid",),),
    "conditions": (("type",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "hostAliases": (("ip",),),
    "tolerations": (("key", "operator", "effect"),),
}
"""Lists whose entries belong to several writers, with the fields that tell entries apart.

As in the Kubernetes schema, so that an injected sidecar, variable or volume is no reason to write.
Tolerations are one list there; they are here so that a webhook that adds one is not fought for ever,
and so that a user's are added to ours.
"""

_DEFAULTS: Mapping[str, str] = {"protocol": "TCP", "operator": "Equal"}
"""What the server fills in for a merge key that we left out."""


def merge_keys(entries: Sequence[Any], field: str) -> tuple[str, ...] | None:
    """Return the fields that identify a list's entries, or None where the list is one value."""
    if not all(isinstance(entry, Mapping) for entry in entries):
        return None
    return next((keys for keys in MERGE_KEYS.get(field, ()) if all(keys[0] in entry for entry in entries)), None)


def identity(entry: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    """Return what tells an entry from the others of its list; the server stores an empty field by leaving it out."""
    return tuple(entry.get(key) or _DEFAULTS.get(key) for key in keys)
