"""The PodMonitor: which pods it finds, and what their series are called."""

from genmodel_operator.api import labels
from genmodel_operator.resources.monitor import build_pod_monitor
from genmodel_operator.settings import PodMonitorSettings
from tests.builders import a_model

SETTINGS = PodMonitorSettings(labels={"release": "prom", labels.MODEL: "other"}, interval_seconds=15)


def test_it_finds_the_server_pods_of_all_revisions_and_no_others() -> None:
    selector = build_pod_monitor(a_model(), SETTINGS)["spec"]["selector"]["matchLabels"]
    for revision in ("a" * 10, "b" * 10):
        assert selector.items() <= labels.revision_labels("mistral", revision, "0" * 40).items()
    assert not selector.items() <= labels.child_labels("mistral", labels.COMPONENT_FETCH).items()


def test_series_carry_model_and_namespace() -> None:
    (endpoint,) = build_pod_monitor(a_model(), SETTINGS)["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"], endpoint["interval"]) == ("runtime", "/metrics", "15s")
    named = {rule["targetLabel"]: rule["sourceLabels"] for rule in endpoint["relabelings"]}
    assert named == {
        "model": ["__meta_kubernetes_pod_label_genmodel_dev_model"],
        "namespace": ["__meta_kubernetes_namespace"],
    }


def test_labels_that_a_prometheus_chooses_by_come_beside_ours() -> None:
    found = build_pod_monitor(a_model(), SETTINGS)["metadata"]["labels"]
    assert found == labels.child_labels("mistral") | {"release": "prom"}
