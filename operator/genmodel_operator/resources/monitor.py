"""The PodMonitor: how a Prometheus finds a model's pods, and what it calls them."""

from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.resources.names import child_metadata
from genmodel_operator.settings import PodMonitorSettings
from genmodel_runtime.contract import RUNTIME_PORT_NAME

METRICS_PATH = "/metrics"
_POD_LABEL = "__meta_kubernetes_pod_label_" + labels.MODEL.replace(".", "_").replace("/", "_")


def build_pod_monitor(model: GenerativeModel, settings: PodMonitorSettings) -> dict[str, Any]:
    """Return the PodMonitor over the pods of all revisions of a model."""
    name = model.metadata.name
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        # Ours come last: by them the operator finds what it made.
        "metadata": child_metadata(model, name, settings.labels | labels.child_labels(name)),
        "spec": {
            "selector": {"matchLabels": labels.model_selector(name)},
            "podMetricsEndpoints": [
                {
                    "port": RUNTIME_PORT_NAME,
                    "path": METRICS_PATH,
                    "interval": f"{settings.interval_seconds}s",
                    "relabelings": [
                        {"sourceLabels": [_POD_LABEL], "targetLabel": "model"},
                        {"sourceLabels": ["__meta_kubernetes_namespace"], "targetLabel": "namespace"},
                    ],
                    # When each counter began is a third of the engine's series, and nobody reads it.
                    "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": ".+_created", "action": "drop"}],
                }
            ],
        },
    }
