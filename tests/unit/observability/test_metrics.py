from typing import Any

import pytest

from genmodel_operator import __version__
from genmodel_operator.observability.metrics import Metrics
from genmodel_operator.sizing.plausibility import Error


def a_model(name: str = "mistral", *, replicas: int = 2, ready: int = 1, suspend: bool = False, **status: str) -> Any:
    return {
        "metadata": {"namespace": "team-a", "name": name},
        "spec": {"model": "a/b", "replicas": replicas, "suspend": suspend},
        "status": {
            "readyReplicas": ready,
            "conditions": [{"type": type_, "status": value} for type_, value in status.items()],
        },
    }


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def lines(metrics: Metrics, name: str) -> list[str]:
    return [line for line in metrics.render().decode().splitlines() if line.startswith(name)]


def test_every_metric_has_the_prefix_and_words(metrics: Metrics) -> None:
    text = metrics.render().decode()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    assert names
    assert all(name.startswith("genmodel_") for name in names)
    helped = [line for line in text.splitlines() if line.startswith("# HELP")]
    assert all(len(line.split(maxsplit=3)) == 4 for line in helped)


def test_the_version_is_a_label(metrics: Metrics) -> None:
    assert lines(metrics, "genmodel_info") == [f'genmodel_info{{version="{__version__}"}} 1.0']


def test_reconciles_are_counted_and_timed(metrics: Metrics) -> None:
    for result in ("success", "success", "error"):
        metrics.ran(result, waited_seconds=0.2, ran_seconds=1.5)
    assert 'genmodel_reconcile_total{result="success"} 2.0' in lines(metrics, "genmodel_reconcile_total")
    assert "genmodel_reconcile_duration_seconds_sum 4.5" in lines(metrics, "genmodel_reconcile_duration_seconds_sum")
    assert "genmodel_workqueue_wait_seconds_count 3.0" in lines(metrics, "genmodel_workqueue_wait_seconds_count")


def test_requests_are_counted_by_what_bounds_them(metrics: Metrics) -> None:
    metrics.kube_request("apply", "Deployment", "200", 0.01)
    metrics.kube_request("apply", "Deployment", "error", 30)
    metrics.hub_request("info", 429, 0.1)
    metrics.event("sent")
    want = 'genmodel_kube_requests_total{code="error",kind="Deployment",verb="apply"} 1.0'
    assert want in lines(metrics, "genmodel_kube_requests_total")
    assert lines(metrics, "genmodel_hub_requests_total") == ['genmodel_hub_requests_total{code="429"} 1.0']
    assert lines(metrics, "genmodel_events_total") == ['genmodel_events_total{result="sent"} 1.0']


def test_the_queue_is_read_when_asked(metrics: Metrics) -> None:
    numbers = {"depth": 3.0, "oldest": 1.5, "models": 7.0}
    metrics.watch_queue(
        depth=lambda: numbers["depth"], oldest_seconds=lambda: numbers["oldest"], models=lambda: numbers["models"]
    )
    assert lines(metrics, "genmodel_workqueue_depth") == ["genmodel_workqueue_depth 3.0"]
    numbers["depth"] = 4.0
    assert lines(metrics, "genmodel_workqueue_depth") == ["genmodel_workqueue_depth 4.0"]
    assert lines(metrics, "genmodel_workqueue_oldest_seconds") == ["genmodel_workqueue_oldest_seconds 1.5"]
    assert lines(metrics, "genmodel_models") == ["genmodel_models 7.0"]


def test_two_registries_do_not_share(metrics: Metrics) -> None:
    metrics.ran("success", waited_seconds=0, ran_seconds=0)
    assert lines(Metrics(), "genmodel_reconcile_total{") == []


BOUNDED = {
    "version": "one per process",
    "result": "words of the code",
    "verb": "words of the code",
    "kind": "kinds of the operator",
    "code": "HTTP statuses and names of errors",
    "figure": "words of the code",
    "direction": "low or high",
    "state": "words of the code",
    "type": "types of conditions",
    "status": "True, False or Unknown",
    "reason": "the enum of reasons",
    "product": "products of the cluster's nodes",
    "severity": "words of the code",
}
"""Labels whose values somebody has to bound, and what does it."""
OF_A_MODEL = {"namespace", "name", "repository", "commit"}
"""Labels that every model has one value of, and that go with it."""


def test_no_label_can_grow_without_bound(metrics: Metrics) -> None:
    described = {name: set(labels) for name, _, labels, _ in metrics.described()}
    assert len(described) > 15
    for name, labels in described.items():
        assert labels <= BOUNDED.keys() | OF_A_MODEL, name
        assert not labels & OF_A_MODEL or {"namespace", "name"} <= labels, name


def test_every_metric_is_described_by_the_name_that_is_scraped(metrics: Metrics) -> None:
    metrics.ran("success", waited_seconds=0, ran_seconds=0)
    described = {name: kind for name, kind, _, _ in metrics.described()}
    text = metrics.render().decode()
    scraped = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE"))
    scraped = {name: kind for name, kind in scraped.items() if not name.endswith("_created")}
    assert described == scraped


class TestModels:
    def test_conditions_and_replicas_follow_the_events(self, metrics: Metrics) -> None:
        metrics.models.observe(None, a_model(Ready="False", Planned="True"))
        metrics.models.observe("MODIFIED", a_model(Ready="True", Planned="True", ready=2))
        assert lines(metrics, "genmodel_condition{") == [
            'genmodel_condition{name="mistral",namespace="team-a",status="True",type="Ready"} 1.0',
            'genmodel_condition{name="mistral",namespace="team-a",status="True",type="Planned"} 1.0',
        ]
        assert lines(metrics, "genmodel_replicas{") == [
            'genmodel_replicas{name="mistral",namespace="team-a",state="desired"} 2.0',
            'genmodel_replicas{name="mistral",namespace="team-a",state="ready"} 2.0',
        ]

    def test_a_suspended_model_wants_no_replicas(self, metrics: Metrics) -> None:
        metrics.models.observe("ADDED", a_model(suspend=True, ready=0))
        want = 'genmodel_replicas{name="mistral",namespace="team-a",state="desired"} 0.0'
        assert want in lines(metrics, "genmodel_replicas{")

    def test_a_model_without_status_counts_too(self, metrics: Metrics) -> None:
        metrics.models.observe("ADDED", {"metadata": {"namespace": "n", "name": "m"}, "spec": {"model": "a/b"}})
        assert lines(metrics, "genmodel_condition{") == []
        assert 'genmodel_replicas{name="m",namespace="n",state="desired"} 1.0' in lines(metrics, "genmodel_replicas{")

    @pytest.mark.parametrize("how", [pytest.param("event", id="by its event"), pytest.param("forget", id="by a run")])
    def test_a_model_that_is_gone_leaves_no_series(self, metrics: Metrics, how: str) -> None:
        metrics.models.observe("ADDED", a_model(Ready="True"))
        if how == "event":
            metrics.models.observe("DELETED", a_model())
        else:
            metrics.models.forget("team-a", "mistral")
        assert [line for line in metrics.render().decode().splitlines() if "mistral" in line] == []
        metrics.models.forget("team-a", "mistral")

    def test_reason_devices_and_repository_are_those_of_the_status(self, metrics: Metrics) -> None:
        model = a_model()
        model["status"] = {
            "conditions": [
                {"type": "Planned", "status": "True", "reason": "Planned"},
                {"type": "Ready", "status": "False", "reason": "Downloading"},
            ],
            "model": {"commit": "0123456789abcdef0123456789abcdef01234567"},
            "plan": {"accelerator": {"resource": "nvidia.com/gpu", "product": "NVIDIA-L4", "count": 2}},
        }
        metrics.models.observe("MODIFIED", model)
        of = 'name="mistral",namespace="team-a"'
        assert lines(metrics, "genmodel_reason{") == [f'genmodel_reason{{{of},reason="Downloading"}} 1.0']
        assert lines(metrics, "genmodel_devices_per_replica{") == [
            f'genmodel_devices_per_replica{{{of},product="NVIDIA-L4"}} 2.0'
        ]
        assert lines(metrics, "genmodel_model_info{") == [
            f'genmodel_model_info{{commit="0123456789ab",{of},repository="a/b"}} 1.0'
        ]

    def test_a_reason_that_passed_leaves_no_series(self, metrics: Metrics) -> None:
        for reason in ("Downloading", "Loading", "Serving"):
            model = a_model()
            model["status"] = {"conditions": [{"type": "Ready", "status": "False", "reason": reason}]}
            metrics.models.observe("MODIFIED", model)
        (line,) = lines(metrics, "genmodel_reason{")
        assert 'reason="Serving"' in line


@pytest.mark.parametrize(
    ("error", "want"),
    [
        pytest.param(Error("weights", 15.0, 14.0), 'figure="weights"}', id="too much"),
        pytest.param(Error("KV cache", 3.0, 4.0), 'figure="kv_cache"}', id="a name of two words"),
    ],
)
def test_errors_of_estimates_are_told_in_bytes_by_figure_and_direction(
    metrics: Metrics, error: Error, want: str
) -> None:
    metrics.sizing_error(error)

    (line,) = lines(metrics, "genmodel_sizing_error_bytes_sum")
    direction = "high" if error.gib > 0 else "low"
    assert line == f'genmodel_sizing_error_bytes_sum{{direction="{direction}",{want} 1.073741824e+09'


def test_figures_that_were_not_believed_are_counted(metrics: Metrics) -> None:
    metrics.measurement_refused()

    assert lines(metrics, "genmodel_measurements_refused_total") == ["genmodel_measurements_refused_total 1.0"]
