"""Every metric of the operator, in one registry of its own."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Model:
    """What is told of one model, as its status has it; ``devices`` are those of one replica."""

    conditions: tuple[tuple[str, str], ...]
    reason: str
    desired: int
    ready: int
    repository: str
    commit: str
    product: str
    devices: int


class ModelMetrics(Collector):
    """Conditions, replicas and plan of each model, built when they are asked for.

    Kept as short tuples, since a metric object for each series would take megabytes with a thousand models.
    """

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], _Model] = {}

    def observe(self, type_: str | None, model: Mapping[str, Any]) -> None:
        """Take a watch event of a model, with the status that was written last."""
        metadata = model["metadata"]
        if type_ == "DELETED":
            self.forget(metadata["namespace"], metadata["name"])
            return
        self._models[metadata["namespace"], metadata["name"]] = _told(model)

    def forget(self, namespace: str, name: str) -> None:
        """Drop a model that is gone."""
        self._models.pop((namespace, name), None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families with one sample per model and value."""
        condition, reason, replicas, devices, info = _model_families()
        for key, model in self._models.items():
            for type_, status in model.conditions:
                condition.add_metric((*key, type_, status), 1)
            replicas.add_metric((*key, "desired"), model.desired)
            replicas.add_metric((*key, "ready"), model.ready)
            info.add_metric((*key, model.repository, model.commit), 1)
            if model.reason:
                reason.add_metric((*key, model.reason), 1)
            if model.product:
                devices.add_metric((*key, model.product), model.devices)
        yield from (condition, reason, replicas, devices, info)


def _told(model: Mapping[str, Any]) -> _Model:
    spec, status = model.get("spec") or {}, model.get("status") or {}
    found = status.get("conditions") or []
    accelerator = (status.get("plan") or {}).get("accelerator") or {}
    return _Model(
        conditions=tuple((sys.intern(c["type"]), sys.intern(c["status"])) for c in found),
        reason=next((sys.intern(str(c.get("reason", ""))) for c in found if c["type"] == "Ready"), ""),
        desired=0 if spec.get("suspend") else int(spec.get("replicas", 1)),
        ready=int(status.get("readyReplicas") or 0),
        repository=str(spec.get("model", "")),
        commit=str((status.get("model") or {}).get("commit", ""))[:12],
        product=sys.intern(str(accelerator.get("product", ""))),
        devices=int(accelerator.get("count") or 0),
    )


def _model_families() -> tuple[GaugeMetricFamily, ...]:
    about = {
        "genmodel_condition": ("1 for the present status of each condition.", ("type", "status")),
        "genmodel_reason": ("1 for the present reason of the condition Ready.", ("reason",)),
        "genmodel_replicas": ("Replicas of each model; state is desired or ready.", ("state",)),
        "genmodel_devices_per_replica": (
            "Accelerators that one replica of the model takes, by the plan; 0 on CPU.",
            ("product",),
        ),
        "genmodel_model_info": ("1, with the repository and the commit of each model.", ("repository", "commit")),
    }
    return tuple(
        GaugeMetricFamily(name, text, labels=("namespace", "name", *more)) for name, (text, more) in about.items()
    )


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
        self._leader = Gauge(
            "genmodel_leader", "1 while this operator leads, 0 while it stands by.", registry=self.registry
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
        self._prices = Gauge(
            "genmodel_device_price_per_hour",
            "Price of one accelerator by the policy, in its currency.",
            ["product"],
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

    def prices(self, by_product: Mapping[str, float]) -> None:
        """Take the prices of the policy that is in force."""
        self._prices.clear()
        for product, price in by_product.items():
            self._prices.labels(product=product).set(price)

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

    def watch_leadership(self, is_leading: Callable[[], bool]) -> None:
        """Read who leads when it is asked for."""
        self._leader.set_function(is_leading)

    def described(self) -> list[tuple[str, str, tuple[str, ...], str]]:
        """Return name, type, labels and text of every metric, by name; also of those that have no series yet."""
        own = (self.models, self.advisories)
        collectors = [found for found in self.registry._collector_to_names if found not in own]
        families = [*_model_families(), *self.advisories.collect(), *collectors]
        return sorted(_description(family) for family in families)

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


def _description(family: Any) -> tuple[str, str, tuple[str, ...], str]:
    """Return what a family says of itself; the library has no public way to the names of its labels."""
    name = getattr(family, "_name", None) or family.name
    kind = getattr(family, "_type", None) or family.type
    words = getattr(family, "_documentation", None) or family.documentation
    return f"{name}_total" if kind == "counter" else name, kind, tuple(family._labelnames), words
