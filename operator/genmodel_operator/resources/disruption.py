"""The PodDisruptionBudget: a drain of nodes takes one replica of a model at a time."""

from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.resources.names import child_metadata

LEAST_REPLICAS = 2
"""With one replica a budget could only forbid the drain of its node."""


def build_disruption_budget(model: GenerativeModel) -> dict[str, Any] | None:
    """Return the budget over the pods of all revisions, None where there are too few replicas for one."""
    if model.spec.desired_replicas < LEAST_REPLICAS:
        return None
    name = model.metadata.name
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": child_metadata(model, name, labels.child_labels(name)),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": labels.model_selector(name)},
            # A pod that does not answer keeps nobody served, and must not keep its node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
