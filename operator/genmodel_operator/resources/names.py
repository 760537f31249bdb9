"""Names, addresses and owners of a model's children."""

from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel

CLUSTER_PORT = 80
"""Port of the Service; the default of http, so that the address needs none."""


def child_name(model_name: str, revision: str) -> str:
    """Return the name of a revision's Deployment and ControllerRevision."""
    return f"{model_name}-{revision}"


def service_url(name: str, namespace: str) -> str:
    """Return the OpenAI-compatible base URL of a model inside the cluster."""
    return f"http://{name}.{namespace}.svc/v1"


def served_names(model: GenerativeModel) -> tuple[str, str]:
    """Return the names that requests may use; the first is the one in answers and metrics."""
    return model.metadata.name, model.spec.model


def owner_reference(model: GenerativeModel) -> dict[str, Any]:
    """Return the reference by which the cluster removes a child together with its model."""
    return {
        "apiVersion": labels.API_VERSION,
        "kind": labels.KIND,
        "name": model.metadata.name,
        "uid": model.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def child_metadata(model: GenerativeModel, name: str, own_labels: dict[str, str]) -> dict[str, Any]:
    """Return the metadata that every child has."""
    return {
        "name": name,
        "namespace": model.metadata.namespace,
        "labels": own_labels,
        "ownerReferences": [owner_reference(model)],
    }
