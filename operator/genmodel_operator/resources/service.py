"""The Service: the model's one stable address, pointed at the revision that serves."""

from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.resources.monitor import METRICS_PATH
from genmodel_operator.resources.names import CLUSTER_PORT, child_metadata
from genmodel_runtime.contract import HTTP_PORT_NAME, RUNTIME_PORT

NO_REVISION = "none"
"""Selects no pod: the address exists before anything serves."""


SCRAPED = {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": str(RUNTIME_PORT),
    "prometheus.io/path": METRICS_PATH,
}
"""For a Prometheus without its operator. On the Service, since a pod's annotations are frozen with its revision."""


def build_service(model: GenerativeModel, revision_id: str | None) -> dict[str, Any]:
    """Return the Service that selects the pods of a revision; of none where it is None."""
    name = model.metadata.name
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": child_metadata(model, name, labels.child_labels(name)) | {"annotations": dict(SCRAPED)},
        "spec": {
            "type": "ClusterIP",
            "ports": [
                {"name": HTTP_PORT_NAME, "port": CLUSTER_PORT, "protocol": "TCP", "targetPort": HTTP_PORT_NAME},
            ],
            "selector": labels.server_selector(name, revision_id or NO_REVISION),
        },
    }
