"""Labels and annotations of every object that the operator owns: the one place that spells them."""

from collections.abc import Mapping
from typing import Any

GROUP = "genmodel.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "GenerativeModel"
PLURAL = "generativemodels"

FIELD_MANAGER = "genmodel-operator"
MANAGED_BY = "genmodel-operator"

COMPONENT_SERVER = "server"
COMPONENT_FETCH = "fetch"
COMPONENT_INSPECT = "inspect"

MODEL = f"{GROUP}/model"
"""Name of the owning GenerativeModel; on every child and pod."""
REVISION = f"{GROUP}/revision"
"""First 10 hex digits of the inputs hash; on server pods and on revisions."""
COMMIT = f"{GROUP}/commit"
"""First 12 hex digits of the served Hub commit; on server pods and on revisions."""
CLAIM = f"{GROUP}/claim"
"""Claim that the weights are on, shortened where it is longer than a label; on pods, Jobs and revisions that use it."""
CLAIM_UID = f"{GROUP}/claim-uid"
"""On download Jobs: uid of the claim that was filled; one of the same name that was made later is empty."""
GENERATION = f"{GROUP}/generation"
"""On download Jobs: generation of the model for which it was made."""
FAILED_BEFORE = f"{GROUP}/failed-before"
"""On download Jobs: reason and message of the try before this one, as JSON."""

DESIRED_HASH = f"{GROUP}/desired-hash"
"""On children: hash of what was last applied; equal hash and equal fields mean no write."""
INPUTS_HASH = f"{GROUP}/inputs-hash"
"""On ControllerRevisions: the whole inputs hash that the revision's name abbreviates."""
PLAN = f"{GROUP}/plan"
"""On ControllerRevisions: the plan as JSON, for people and tools."""
SOURCE_REVISION = f"{GROUP}/source-revision"
"""On ControllerRevisions: the branch, tag or commit that was resolved to the pinned commit."""
UPDATE = f"{GROUP}/update"
"""On the model, set by its user: any new value accepts a newer rendering and engine."""

NAME_KEY = "app.kubernetes.io/name"
INSTANCE_KEY = "app.kubernetes.io/instance"
COMPONENT_KEY = "app.kubernetes.io/component"
MANAGED_BY_KEY = "app.kubernetes.io/managed-by"
PART_OF_KEY = "app.kubernetes.io/part-of"

OWNED_SELECTOR = f"{MANAGED_BY_KEY}={MANAGED_BY}"
"""Label selector of everything the operator owns; used for every watch and list of children."""


def child_labels(model: str, component: str = COMPONENT_SERVER) -> dict[str, str]:
    """Return the labels of every child of the model called ``model``."""
    return {
        NAME_KEY: "genmodel",
        INSTANCE_KEY: model,
        COMPONENT_KEY: component,
        MANAGED_BY_KEY: MANAGED_BY,
        PART_OF_KEY: "genmodel",
        MODEL: model,
    }


def revision_labels(model: str, revision: str, commit: str) -> dict[str, str]:
    """Return the labels of one revision's objects and server pods."""
    return child_labels(model) | {REVISION: revision, COMMIT: commit[:12]}


def model_selector(model: str) -> dict[str, str]:
    """Return what selects the server pods of all revisions of a model."""
    return {MODEL: model, COMPONENT_KEY: COMPONENT_SERVER}


def server_selector(model: str, revision: str) -> dict[str, str]:
    """Return what Service, Deployment and ``status.selector`` select."""
    return {MODEL: model, REVISION: revision, COMPONENT_KEY: COMPONENT_SERVER}


def owner_name(metadata: Mapping[str, Any]) -> str | None:
    """Return the name of the model that an object with this metadata belongs to, or None where it is not ours.

    The owner reference says it; a label can be edited by hand. Pods are owned by others and have the label alone.
    """
    found = metadata.get("labels") or {}
    if found.get(MANAGED_BY_KEY) != MANAGED_BY:
        return None
    owners = (owner for owner in metadata.get("ownerReferences") or [] if is_model(owner))
    name = next((owner.get("name") for owner in owners), None) or found.get(MODEL)
    return str(name) if name else None


def is_model(owner: Mapping[str, Any]) -> bool:
    """Whether an owner reference points to one of our models."""
    return owner.get("kind") == KIND and str(owner.get("apiVersion", "")).startswith(f"{GROUP}/")
