"""The alerts: what each means, when it fires, and where its runbook is."""

from dataclasses import dataclass
from typing import Any

from scripts.generate.monitoring.recording import SLOW_SECONDS, SLOW_SHARE, by_model

RUNBOOKS = "https://genmodel.dev/docs/runbooks"
"""Where the runbooks are published; the chart replaces it by `metrics.prometheusRule.runbookUrl`."""

_OF_MODEL = "{{ $labels.namespace }}/{{ $labels.name }}"
_OF_ENGINE = "{{ $labels.namespace }}/{{ $labels.model }}"
_REASON = (
    "{{ with printf `genmodel_reason{namespace=%q,name=%q}` $labels.namespace $labels.name | query }}"
    "Reason: {{ . | first | label `reason` }}. {{ end }}"
)
FAST_BURN, SLOW_BURN = 14.4, 6
"""Speeds at which the objective's budget for 30 days is gone: in 2 days, and in 5."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; ``labels`` beside the severity tell rules of the same name apart."""

    name: str
    expression: str
    wait: str
    severity: str
    summary: str
    description: str
    labels: tuple[tuple[str, str], ...] = ()

    def rule(self) -> dict[str, Any]:
        """Return the rule as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": self.wait,
            "labels": {"severity": self.severity, **dict(self.labels)},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOKS}/{self.name}",
            },
        }


_STALLED = 'max by (namespace, name) (genmodel_condition{type="Stalled",status="True"}) == 1'
_RUNNING = by_model(("vllm:num_requests_running",), "{name}", "sum", ("instance", "pod"))
_STEPS = by_model(("vllm:iteration_tokens_total_count",), "rate({name}[2m])", "sum", ("instance", "pod"))


def _burn(factor: float, long: str, short: str) -> str:
    limit = f"{factor * SLOW_SHARE:g}"
    late = "genmodel:first_token_late:ratio_rate"
    return f"{late}{long} > {limit} and {late}{short} > {limit}"


_BURN_SUMMARY = f"First tokens of {_OF_ENGINE} come late"

MODEL_ALERTS = (
    Alert(
        "GenModelNotReady",
        _STALLED,
        "10m",
        "warning",
        f"Model {_OF_MODEL} needs a person",
        f"It cannot come up by itself. {_REASON}kubectl describe gm says what to do.",
        (("state", "stalled"),),
    ),
    Alert(
        "GenModelNotReady",
        'max by (namespace, name) (genmodel_condition{type="Ready",status!="True"}) == 1 '
        f"unless on (namespace, name) ({_STALLED})",
        "45m",
        "warning",
        f"Model {_OF_MODEL} is not ready for 45 minutes",
        f"It is still being brought up. {_REASON}kubectl describe gm says what it waits for.",
        (("state", "waiting"),),
    ),
    Alert(
        "GenModelUnavailable",
        'sum by (namespace, name) (genmodel_replicas{state="ready"}) == 0 '
        'and sum by (namespace, name) (genmodel_replicas{state="desired"}) > 0 '
        'and sum by (namespace, name) (max_over_time(genmodel_replicas{state="ready"}[1h])) > 0',
        "5m",
        "critical",
        f"Model {_OF_MODEL} answered within the last hour and does not any more",
        f"No replica answers. {_REASON}Its clients get errors.",
    ),
    Alert(
        "GenModelIntegrityFailed",
        'max by (namespace, name) (genmodel_reason{reason="IntegrityFailed"}) == 1',
        "0m",
        "critical",
        f"Weights of {_OF_MODEL} are not what the Hub published",
        "A file was fetched twice and differs from its hash both times: something on the way changes it.",
    ),
    Alert(
        "GenModelRuntimeVulnerable",
        'max by (namespace, name) (genmodel_condition{type="RuntimeVulnerable",status="True"}) == 1',
        "5m",
        "warning",
        f"The engine of {_OF_MODEL} has a known vulnerability",
        "An advisory covers this release of the engine as it is run here. kubectl describe gm names it.",
    ),
)
ENGINE_ALERTS = (
    Alert(
        "GenModelEngineStalled",
        f"{_RUNNING} > 0 and {_STEPS} == 0",
        "3m",
        "critical",
        f"A server of {_OF_ENGINE} holds requests and makes no step",
        "{{ $labels.pod }} ({{ $labels.instance }}) should have been restarted by its own watchdog, and was not.",
    ),
    Alert(
        "GenModelQueueHigh",
        "genmodel:requests_waiting > genmodel:requests_running",
        "10m",
        "warning",
        f"More requests wait for {_OF_ENGINE} than it works on",
        "{{ $value | humanize }} requests wait. More replicas, or fewer requests, make the queue shorter.",
    ),
    Alert(
        "GenModelKVCacheSaturated",
        "genmodel:kv_cache_usage:max > 0.95 and on (namespace, model) genmodel:requests_waiting > 0",
        "10m",
        "warning",
        f"The KV cache of {_OF_ENGINE} is full and requests wait",
        "{{ $value | humanizePercentage }} of it is used: requests wait for memory, not for arithmetic.",
    ),
    Alert(
        "GenModelTTFTSLOBurn",
        _burn(FAST_BURN, "1h", "5m"),
        "2m",
        "critical",
        _BURN_SUMMARY,
        f"{{{{ $value | humanizePercentage }}}} of the last hour's requests waited longer than {SLOW_SECONDS} s.",
        (("window", "1h"),),
    ),
    Alert(
        "GenModelTTFTSLOBurn",
        _burn(SLOW_BURN, "6h", "30m"),
        "15m",
        "warning",
        _BURN_SUMMARY,
        f"{{{{ $value | humanizePercentage }}}} of the last 6 hours' requests waited longer than {SLOW_SECONDS} s.",
        (("window", "6h"),),
    ),
    Alert(
        "GenModelRequestErrors",
        'sum by (namespace, model) (genmodel:http_requests:rate5m{status="5xx"}) '
        "/ sum by (namespace, model) (genmodel:http_requests:rate5m) > 0.05",
        "10m",
        "warning",
        f"Requests to {_OF_ENGINE} fail",
        "{{ $value | humanizePercentage }} of its answers are server errors (5xx).",
    ),
)
OPERATOR_ALERTS = (
    Alert(
        "GenModelOperatorDown",
        "absent(genmodel_info)",
        "5m",
        "critical",
        "The genmodel operator is not there",
        "Nothing of it is scraped. Models that serve go on; nothing new is served and nothing is mended.",
    ),
    Alert(
        "GenModelReconcileErrors",
        'sum(rate(genmodel_reconcile_total{result="error"}[10m])) > 0',
        "10m",
        "warning",
        "Reconciles of the genmodel operator fail",
        "{{ $value | humanize }} per second end in an error that it was not written for. Its log has them.",
    ),
    Alert(
        "GenModelHubUnreachable",
        'sum(rate(genmodel_hub_requests_total{code!~"[1-4][0-9][0-9]"}[15m])) '
        "/ sum(rate(genmodel_hub_requests_total[15m])) > 0.5",
        "15m",
        "warning",
        "The operator does not reach the Hub",
        "{{ $value | humanizePercentage }} of its requests get no answer or a server error. "
        "Models that serve go on; new ones and new commits wait.",
    ),
)
ALERTS = (*MODEL_ALERTS, *ENGINE_ALERTS, *OPERATOR_ALERTS)


def alert_groups() -> list[dict[str, Any]]:
    """Return the groups of all alerts."""
    parts = {"models": MODEL_ALERTS, "engines": ENGINE_ALERTS, "operator": OPERATOR_ALERTS}
    return [{"name": f"genmodel.{name}", "rules": [alert.rule() for alert in part]} for name, part in parts.items()]
