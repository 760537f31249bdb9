"""Every metric of the operator, in one registry of its own."""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from genmodel_operator import __version__
from genmodel_operator.policy.document import AdvisorySeverity
from genmodel_operator.sizing.plausibility import Error

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_MIB = 1024**2
_ERROR_BUCKETS = tuple(_MIB * size for size in (16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384))
_RUN_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class ModelMetrics(Collector):
    """Conditions and replicas of each model, built when they are asked for.

    One series per model and condition; kept as short tuples, since a metric object each would take
    megabytes with a thousand models.
    """

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], tuple[tuple[tuple[str, str], ...], int, int]] = {}

    def observe(self, type_: str | None, model: Mapping[str, Any]) -> None:
        """Take a watch event of a model, with the status that was written last."""
        metadata, spec, status = model["metadata"], model.get("spec") or {}, model.get("status") or {}
        if type_ == "DELETED":
            self.forget(metadata["namespace"], metadata["name"])
            return
        conditions = tuple((sys.intern(c["type"]), sys.intern(c["status"])) for c in status.get("conditions") or [])
        desired = 0 if spec.get("suspend") else int(spec.get("replicas", 1))
        ready = int(status.get("readyReplicas") or 0)
        self._models[metadata["namespace"], metadata["name"]] = (conditions, desired, ready)

    def forget(self, namespace: str, name: str) -> None:
        """Drop a model that is gone."""
        self._models.pop((namespace, name), None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families with one sample per model and value."""
        condition = GaugeMetricFamily(
            "genmodel_condition",
            "1 for the present status of each condition.",
            labels=("namespace", "name", "type", "status"),
        )
        replicas = GaugeMetricFamily(
            "genmodel_replicas", "Replicas of each model.", labels=("namespace", "name", "state")
        )
        for (namespace, name), (conditions, desired, ready) in self._models.items():
            for type_, status in conditions:
                condition.add_metric((namespace, name, type_, status), 1)
            replicas.add_metric((namespace, name, "desired"), desired)
            replicas.add_metric((namespace, name, "ready"), ready)
        yield condition
        yield replicas


class AdvisoryMetrics(Collector):
    """How many known vulnerabilities the engines of all models have, by severity."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Mapping[AdvisorySeverity, int]] = {}

    def observe(self, namespace: str, name: str, counts: Mapping[AdvisorySeverity, int]) -> None:
        """Take what one model is open to."""
        self._counts[namespace, name] = counts

    def forget(self, namespace: str, name: str) -> None:
        """Drop a model that is gone."""
        self._counts.pop((namespace, name), None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one sample for each severity."""
        family = GaugeMetricFamily(
            "genmodel_runtime_advisories",
            "Known vulnerabilities that running models are open to, each counted once for each model.",
            labels=("severity",),
        )
        for severity in AdvisorySeverity:
            family.add_metric((severity.value,), sum(counts[severity] for counts in self._counts.values()))
        yield family


class Metrics:
    """What the operator counts. No label can grow without bound but with the models themselves."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.models = ModelMetrics()
        self.registry.register(self.models)
        self.advisories = AdvisoryMetrics()
        self.registry.register(self.advisories)
        self._make_policy_metrics()
        self._make_queue_metrics()
        self._make_request_metrics()
        self._make_sizing_metrics()
        self._info = Gauge("genmodel_info", "1, with the version of the operator.", ["version"], registry=self.registry)
        self._info.labels(version=__version__).set(1)

    def _make_queue_metrics(self) -> None:
        self._reconciles = Counter(
            "genmodel_reconcile_total", "Reconciles by result.", ["result"], registry=self.registry
        )
        self._reconcile_seconds = Histogram(
            "genmodel_reconcile_duration_seconds",
            "Duration of a reconcile.",
            buckets=_RUN_BUCKETS,
            registry=self.registry,
        )
        self._queue_wait_seconds = Histogram(
            "genmodel_workqueue_wait_seconds",
            "Time that a model waited for a worker.",
            buckets=_RUN_BUCKETS,
            registry=self.registry,
        )
        self._queue_depth = Gauge("genmodel_workqueue_depth", "Models that wait for a worker.", registry=self.registry)
        self._queue_oldest = Gauge(
            "genmodel_workqueue_oldest_seconds",
            "How long the model that waits longest for a worker has waited.",
            registry=self.registry,
        )
        self._watched = Gauge("genmodel_models", "Models that the operator knows.", registry=self.registry)

    def _make_policy_metrics(self) -> None:
        self._policy_valid = Gauge(
            "genmodel_policy_valid",
            "Whether the present policy document is valid and in force.",
            registry=self.registry,
        )
        self._policy_valid.set(1)
        self._policy_reloads = Counter(
            "genmodel_policy_reloads_total",
            "Policy documents that were read, by result: applied or refused.",
            ["result"],
            registry=self.registry,
        )

    def _make_request_metrics(self) -> None:
        self._kube_requests = Counter(
            "genmodel_kube_requests_total",
            "Requests to the API server, without watches.",
            ["verb", "kind", "code"],
            registry=self.registry,
        )
        self._kube_seconds = Histogram(
            "genmodel_kube_request_duration_seconds",
            "Duration of a request to the API server.",
            ["verb"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._hub_requests = Counter(
            "genmodel_hub_requests_total", "Requests to the Hub.", ["code"], registry=self.registry
        )
        self._hub_seconds = Histogram(
            "genmodel_hub_request_duration_seconds",
            "Duration of a request to the Hub.",
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._branch_checks = Counter(
            "genmodel_branch_checks_total",
            "Looks at the branches of served models, by result: unchanged, moved or failed.",
            ["result"],
            registry=self.registry,
        )
        self._events = Counter(
            "genmodel_events_total",
            "Kubernetes Events by what became of them.",
            ["result"],
            registry=self.registry,
        )

    def _make_sizing_metrics(self) -> None:
        self._sizing_error = Histogram(
            "genmodel_sizing_error_bytes",
            "Difference between an estimate of the plan and what the first server of its kind measured, per device; "
            "direction low: too little was estimated.",
            ["figure", "direction"],
            buckets=_ERROR_BUCKETS,
            registry=self.registry,
        )
        self._measurements_refused = Counter(
            "genmodel_measurements_refused_total",
            "Figures of running servers that were not believed.",
            registry=self.registry,
        )

    def sizing_error(self, error: Error) -> None:
        """Take how far an estimate was off; its figure is weights, activation or kv_cache."""
        direction = "low" if error.gib < 0 else "high"
        figure = error.figure.lower().replace(" ", "_")
        self._sizing_error.labels(figure=figure, direction=direction).observe(abs(error.gib) * 1024 * _MIB)

    def measurement_refused(self) -> None:
        """Count a figure that was not believed."""
        self._measurements_refused.inc()

    def ran(self, result: str, *, waited_seconds: float, ran_seconds: float) -> None:
        """Count a reconcile."""
        self._reconciles.labels(result=result).inc()
        self._queue_wait_seconds.observe(waited_seconds)
        self._reconcile_seconds.observe(ran_seconds)

    def kube_request(self, verb: str, kind: str, code: str, seconds: float) -> None:
        """Count a request to the API server."""
        self._kube_requests.labels(verb=verb, kind=kind, code=code).inc()
        self._kube_seconds.labels(verb=verb).observe(seconds)

    def hub_request(self, _kind: str, code: int | str, seconds: float) -> None:
        """Count a request to the Hub; ``code`` is an HTTP status or the name of an error."""
        self._hub_requests.labels(code=str(code)).inc()
        self._hub_seconds.observe(seconds)

    def branch_check(self, result: str) -> None:
        """Count a look at a branch: unchanged, moved or failed."""
        self._branch_checks.labels(result=result).inc()

    def policy(self, result: str) -> None:
        """Count a policy document that was applied or refused; the last one tells whether it is valid."""
        self._policy_valid.set(result == "applied")
        self._policy_reloads.labels(result=result).inc()

    def event(self, result: str) -> None:
        """Count an Event: sent, repeated, limited or failed."""
        self._events.labels(result=result).inc()

    def watch_queue(
        self, *, depth: Callable[[], float], oldest_seconds: Callable[[], float], models: Callable[[], float]
    ) -> None:
        """Read the queue's numbers when they are asked for."""
        self._queue_depth.set_function(depth)
        self._queue_oldest.set_function(oldest_seconds)
        self._watched.set_function(models)

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
