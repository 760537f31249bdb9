"""The Deployment of one revision. Its template never changes: another template is another revision."""

from math import ceil
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.resources.names import child_metadata, child_name
from genmodel_operator.resources.revision import Revision
from genmodel_runtime.contract import SERVER_CONTAINER

DOWNLOAD_BYTES_PER_SECOND = 20_000_000
"""Slow way to the Hub; the time that large weights add before the Deployment calls itself stuck."""
SCHEDULING_SECONDS = 600
"""For placing the pod, for a new node and for pulling an engine image of many GiB."""


def build_deployment(model: GenerativeModel, revision: Revision, replicas: int) -> dict[str, Any]:
    """Return the Deployment of a revision with this many pods, from its frozen template alone."""
    name = model.metadata.name
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": child_metadata(
            model,
            child_name(name, revision.id),
            labels.revision_labels(name, revision.id, revision.model.commit),
        ),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels.server_selector(name, revision.id)},
            # Pods are replaced only where somebody changed the template by hand and it is put back.
            # The devices of the old pod are those of the new one: no surge.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            # Going back is done by ControllerRevisions, never by old ReplicaSets.
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": progress_deadline_seconds(revision),
            "template": revision.template,
        },
    }


def progress_deadline_seconds(revision: Revision) -> int:
    """Return how long a pod may take from its creation to readiness before that is called a failure."""
    containers = revision.template["spec"]["containers"]
    probe = next(c["startupProbe"] for c in containers if c["name"] == SERVER_CONTAINER)
    start_seconds = int(probe["periodSeconds"]) * int(probe["failureThreshold"])
    download_seconds = ceil((revision.model.weights_bytes or 0) / DOWNLOAD_BYTES_PER_SECOND)
    return start_seconds + download_seconds + SCHEDULING_SECONDS
