"""The claim that a model's weights are on, where they are on one. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.quantity import canonical_quantity, format_gib
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.sizing.plan import ServingPlan

READ_WRITE_ONCE = "ReadWriteOnce"
READ_WRITE_ONCE_POD = "ReadWriteOncePod"
ROOM_FOR_COMMITS = 2
"""The one that serves and the one that takes its place; what is kept for going back goes where there is no room."""
_LABEL_MAX_LENGTH = 63


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as pods use it.

    Attributes:
        name: of the PersistentVolumeClaim.
        is_ours: the operator creates it.
        access_modes: what its volume allows.
        is_source: a user filled it with the model's files; nothing is ever written to it.
        path: the folder of a source with the model's files; empty: the volume's root.
    """

    name: str
    is_ours: bool
    access_modes: tuple[str, ...] = (READ_WRITE_ONCE,)
    is_source: bool = False
    path: str = ""

    @property
    def label(self) -> str:
        """Value of the label by which its users are found: the name, shortened where it is too long for one."""
        if len(self.name) <= _LABEL_MAX_LENGTH:
            return self.name
        digest = hashlib.sha256(self.name.encode()).hexdigest()[:16]
        return f"{self.name[: _LABEL_MAX_LENGTH - 17]}-{digest}"

    @property
    def is_for_one_node(self) -> bool:
        """Whether all pods that use it must be on the same node."""
        return not any(mode in ("ReadWriteMany", "ReadOnlyMany") for mode in self.access_modes)

    @property
    def is_for_one_pod(self) -> bool:
        """Whether the cluster lets only one pod use it at a time."""
        return self.access_modes == (READ_WRITE_ONCE_POD,)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod has its weights: on a claim or, without one, on a disk of its own; and whether it brings them."""

    claim: Claim | None = None
    fetches: bool = True


OWN_DISK = Place()


def serving_place(claim: Claim | None) -> Place:
    """Return where pods that serve have their weights: what is on a claim is never fetched by them."""
    return Place(claim, fetches=claim is None)


def claim_name(model: GenerativeModel) -> str | None:
    """Return the name of the claim that weights are brought to, None where there is none."""
    wanted = model.spec.cache.persistent_volume_claim if model.spec.cache else None
    if wanted is None:
        return None
    return wanted.claim_name or f"{model.metadata.name}-weights"


def claim_of(model: GenerativeModel, live: Mapping[str, Any] | None = None) -> Claim | None:
    """Return the model's claim with the access modes of the live one; without it, those that we would ask for."""
    modes = tuple((live or {}).get("spec", {}).get("accessModes") or (READ_WRITE_ONCE,))
    source = model.spec.claim_source
    if source is not None:
        return Claim(source.claim_name, is_ours=False, access_modes=modes, is_source=True, path=source.path or "")
    wanted = model.spec.cache.persistent_volume_claim if model.spec.cache else None
    name = claim_name(model)
    if wanted is None or name is None:
        return None
    return Claim(name, wanted.claim_name is None, modes)


def is_for_one_node(template: Mapping[str, Any]) -> bool:
    """Return whether pods of this template go only where others of their claim are."""
    rule = (template["spec"].get("affinity") or {}).get("podAffinity") or {}
    terms = rule.get("requiredDuringSchedulingIgnoredDuringExecution") or []
    return any(labels.CLAIM in term.get("labelSelector", {}).get("matchLabels", {}) for term in terms)


def build_claim(model: GenerativeModel, plan: ServingPlan, live: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the claim that we create, without an owner: what was downloaded outlives the model.

    Its size is the user's, else what it has, else room for two commits: a cluster may not let claims grow.
    """
    wanted = model.spec.cache.persistent_volume_claim if model.spec.cache else None
    if wanted is None:
        raise ValueError("the model has no claim")
    found = (live or {}).get("spec", {}).get("resources", {}).get("requests", {}).get("storage")
    size = wanted.size or found or format_gib(ceil(ROOM_FOR_COMMITS * plan.ephemeral_gib))
    spec: dict[str, Any] = {
        "accessModes": [READ_WRITE_ONCE],
        "resources": {"requests": {"storage": canonical_quantity(size)}},
    }
    if wanted.storage_class_name is not None:
        spec["storageClassName"] = wanted.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": f"{model.metadata.name}-weights",
            "namespace": model.metadata.namespace,
            "labels": labels.child_labels(model.metadata.name, labels.COMPONENT_FETCH),
        },
        "spec": spec,
    }


def claim_problem(live: Mapping[str, Any]) -> str | None:
    """Return what keeps pods from using a claim that exists, None where nothing does."""
    if live["metadata"].get("deletionTimestamp"):
        return "is being deleted, and is gone when no pod uses it any more"
    if live.get("status", {}).get("phase") == "Lost":
        return "has lost its volume"
    return None
