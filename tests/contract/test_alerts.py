"""The rules in real promtool: each alert fires when it should and only then; recordings survive renamed metrics."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from genmodel_operator.api.reasons import TABLE
from genmodel_operator.api.v1alpha1_status import ConditionType
from scripts.generate.monitoring.alerts import ALERTS, RUNBOOKS
from scripts.generate.monitoring.recording import FIGURES
from scripts.generate.outputs import CHART, ROOT
from tests.prometheus_tools import PrometheusTools, prometheus_tools

RULES = CHART / "files" / "genmodel.rules.yaml"
OF_MODEL = {"namespace": "team-a", "name": "m"}
OF_ENGINE = {"namespace": "team-a", "model": "m"}
M = 'namespace="team-a",name="m"'
E = 'namespace="team-a",model_name="m",engine="0",instance="10.0.0.1:8001",pod="m-0"'
WATCHED = 'namespace="team-a",model="m",model_name="m",instance="10.0.0.1:8001"'


@pytest.fixture(scope="module")
def tools() -> PrometheusTools:
    return prometheus_tools()


@dataclass(frozen=True)
class Case:
    """Series, and what an alert makes of them at a time; no ``fires``: it must keep quiet."""

    alert: str
    series: dict[str, str]
    at: str
    fires: dict[str, str] | None = None
    summary: str = ""
    description: str = ""


def with_reason(reason: str) -> dict[str, str]:
    return {f'genmodel_reason{{{M},reason="{reason}"}}': "1x400"}


def first_tokens(late_per_minute: int, in_time_per_minute: int) -> dict[str, str]:
    every = late_per_minute + in_time_per_minute
    return {
        f'vllm:time_to_first_token_seconds_bucket{{{E},le="5.0"}}': f"0+{in_time_per_minute}x400",
        f"vllm:time_to_first_token_seconds_count{{{E}}}": f"0+{every}x400",
    }


STALLED = {f'genmodel_condition{{{M},type="Stalled",status="True"}}': "1x400"}
UNREADY = {f'genmodel_condition{{{M},type="Ready",status="False"}}': "1x400"}
FIRING = {
    "stalled for ten minutes": Case(
        "GenModelNotReady",
        {**STALLED, **UNREADY, **with_reason("ModelGated")},
        "11m",
        {**OF_MODEL, "severity": "warning", "state": "stalled"},
        "Model team-a/m needs a person",
        "It cannot come up by itself. Reason: ModelGated. kubectl describe gm says what to do.",
    ),
    "still coming up after three quarters of an hour": Case(
        "GenModelNotReady",
        {**UNREADY, **with_reason("Downloading")},
        "46m",
        {**OF_MODEL, "severity": "warning", "state": "waiting"},
        "Model team-a/m is not ready for 45 minutes",
        "It is still being brought up. Reason: Downloading. kubectl describe gm says what it waits for.",
    ),
    "its last replica is lost": Case(
        "GenModelUnavailable",
        {
            f'genmodel_replicas{{{M},state="ready"}}': "1x9 0x60",
            f'genmodel_replicas{{{M},state="desired"}}': "1x70",
            **with_reason("NodeLost"),
        },
        "16m",
        {**OF_MODEL, "severity": "critical"},
        "Model team-a/m answered within the last hour and does not any more",
        "No replica answers. Reason: NodeLost. Its clients get errors.",
    ),
    "a file is not what was published": Case(
        "GenModelIntegrityFailed",
        with_reason("IntegrityFailed"),
        "1m",
        {**OF_MODEL, "severity": "critical"},
        "Weights of team-a/m are not what the Hub published",
        "A file was fetched twice and differs from its hash both times: something on the way changes it.",
    ),
    "an advisory covers its engine": Case(
        "GenModelRuntimeVulnerable",
        {f'genmodel_condition{{{M},type="RuntimeVulnerable",status="True"}}': "1x20"},
        "6m",
        {**OF_MODEL, "severity": "warning"},
        "The engine of team-a/m has a known vulnerability",
        "An advisory covers this release of the engine as it is run here. kubectl describe gm names it.",
    ),
    "requests and no step": Case(
        "GenModelEngineStalled",
        {f"vllm:num_requests_running{{{E}}}": "2x20", f"vllm:iteration_tokens_total_count{{{E}}}": "7x20"},
        "9m",
        {**OF_ENGINE, "instance": "10.0.0.1:8001", "pod": "m-0", "severity": "critical"},
        "A server of team-a/m holds requests and makes no step",
        "m-0 (10.0.0.1:8001) should have been restarted by its own watchdog, and was not.",
    ),
    "more wait than are worked on": Case(
        "GenModelQueueHigh",
        {f"vllm:num_requests_running{{{E}}}": "8x30", f"vllm:num_requests_waiting{{{E}}}": "12x30"},
        "15m",
        {**OF_ENGINE, "severity": "warning"},
        "More requests wait for team-a/m than it works on",
        "12 requests wait. More replicas, or fewer requests, make the queue shorter.",
    ),
    "no room in the cache": Case(
        "GenModelKVCacheSaturated",
        {f"vllm:kv_cache_usage_perc{{{E}}}": "0.99x30", f"vllm:num_requests_waiting{{{E}}}": "3x30"},
        "15m",
        {**OF_ENGINE, "severity": "warning"},
        "The KV cache of team-a/m is full and requests wait",
        "99% of it is used: requests wait for memory, not for arithmetic.",
    ),
    "the objective's budget burns fast": Case(
        "GenModelTTFTSLOBurn",
        first_tokens(9, 1),
        "12m",
        {**OF_ENGINE, "severity": "critical", "window": "1h"},
        "First tokens of team-a/m come late",
        "90% of the last hour's requests waited longer than 5 s.",
    ),
    "the objective's budget burns slowly": Case(
        "GenModelTTFTSLOBurn",
        first_tokens(4, 6),
        "390m",
        {**OF_ENGINE, "severity": "warning", "window": "6h"},
        "First tokens of team-a/m come late",
        "40% of the last 6 hours' requests waited longer than 5 s.",
    ),
    "a quarter of the answers are errors": Case(
        "GenModelRequestErrors",
        {
            f'http_requests_total{{{WATCHED},method="POST",handler="/v1/completions",status="5xx"}}': "0+60x30",
            f'http_requests_total{{{WATCHED},method="POST",handler="/v1/completions",status="2xx"}}': "0+180x30",
        },
        "20m",
        {**OF_ENGINE, "severity": "warning"},
        "Requests to team-a/m fail",
        "25% of its answers are server errors (5xx).",
    ),
    "nothing of the operator is scraped": Case(
        "GenModelOperatorDown",
        {'genmodel_info{version="1"}': "1x9 stale"},
        "16m",
        {"severity": "critical"},
        "The genmodel operator is not there",
        "Nothing of it is scraped. Models that serve go on; nothing new is served and nothing is mended.",
    ),
    "a bug in a reconcile": Case(
        "GenModelReconcileErrors",
        {'genmodel_reconcile_total{result="error"}': "0+60x40"},
        "30m",
        {"severity": "warning"},
        "Reconciles of the genmodel operator fail",
        "1 per second end in an error that it was not written for. Its log has them.",
    ),
    "the Hub does not answer": Case(
        "GenModelHubUnreachable",
        {
            'genmodel_hub_requests_total{code="ConnectError"}': "0+30x60",
            'genmodel_hub_requests_total{code="502"}': "0+15x60",
            'genmodel_hub_requests_total{code="200"}': "0+15x60",
        },
        "45m",
        {"severity": "warning"},
        "The operator does not reach the Hub",
        "75% of its requests get no answer or a server error. Models that serve go on; new ones and new commits wait.",
    ),
}
QUIET = {
    "stalled for a moment": Case("GenModelNotReady", {**STALLED, **UNREADY}, "9m"),
    "coming up for half an hour": Case("GenModelNotReady", UNREADY, "30m"),
    "suspended": Case(
        "GenModelUnavailable",
        {
            f'genmodel_replicas{{{M},state="ready"}}': "1x9 0x60",
            f'genmodel_replicas{{{M},state="desired"}}': "1x9 0x60",
        },
        "20m",
    ),
    "never answered": Case(
        "GenModelUnavailable",
        {f'genmodel_replicas{{{M},state="ready"}}': "0x60", f'genmodel_replicas{{{M},state="desired"}}': "1x60"},
        "20m",
    ),
    "another reason": Case("GenModelIntegrityFailed", with_reason("Downloading"), "10m"),
    "other conditions": Case("GenModelRuntimeVulnerable", UNREADY, "10m"),
    "slow but going on": Case(
        "GenModelEngineStalled",
        {f"vllm:num_requests_running{{{E}}}": "2x20", f"vllm:iteration_tokens_total_count{{{E}}}": "0+1x20"},
        "9m",
    ),
    "idle": Case(
        "GenModelEngineStalled",
        {f"vllm:num_requests_running{{{E}}}": "0x20", f"vllm:iteration_tokens_total_count{{{E}}}": "7x20"},
        "9m",
    ),
    "busy, with a short queue": Case(
        "GenModelQueueHigh",
        {f"vllm:num_requests_running{{{E}}}": "8x30", f"vllm:num_requests_waiting{{{E}}}": "3x30"},
        "20m",
    ),
    "a full cache that nobody waits for": Case(
        "GenModelKVCacheSaturated",
        {f"vllm:kv_cache_usage_perc{{{E}}}": "0.99x30", f"vllm:num_requests_waiting{{{E}}}": "0x30"},
        "20m",
    ),
    "within the objective": Case("GenModelTTFTSLOBurn", first_tokens(1, 30), "390m"),
    "no requests at all": Case("GenModelTTFTSLOBurn", first_tokens(0, 0), "390m"),
    "wrong requests": Case(
        "GenModelRequestErrors",
        {
            f'http_requests_total{{{WATCHED},method="POST",handler="/v1/completions",status="4xx"}}': "0+60x30",
            f'http_requests_total{{{WATCHED},method="POST",handler="/v1/completions",status="2xx"}}': "0+180x30",
        },
        "20m",
    ),
    "the operator is there": Case("GenModelOperatorDown", {'genmodel_info{version="1"}': "1x60"}, "30m"),
    "retries": Case("GenModelReconcileErrors", {'genmodel_reconcile_total{result="retry"}': "0+60x40"}, "30m"),
    "the Hub refuses": Case(
        "GenModelHubUnreachable",
        {
            'genmodel_hub_requests_total{code="403"}': "0+30x60",
            'genmodel_hub_requests_total{code="200"}': "0+15x60",
        },
        "45m",
    ),
}


def unit(case: Case) -> dict[str, Any]:
    expected = []
    if case.fires is not None:
        annotations = {
            "summary": case.summary,
            "description": case.description,
            "runbook_url": f"{RUNBOOKS}/{case.alert}",
        }
        expected = [{"exp_labels": case.fires, "exp_annotations": annotations}]
    asked = {"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}
    return {**fed(case.series), "alert_rule_test": [asked]}


def fed(series: dict[str, str]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
    }


def recording(series: dict[str, str], at: str, *wanted: tuple[str, str, float]) -> dict[str, Any]:
    """Return a test in which each of these recordings has one series: its name, the labels, the value."""
    expected = [
        {"expr": record, "eval_time": at, "exp_samples": [{"labels": f"{record}{{{labels}}}", "value": value}]}
        for record, labels, value in wanted
    ]
    return {**fed(series), "promql_expr_test": expected}


def verdict(tools: PrometheusTools, folder: Path, *units: dict[str, Any], interval: str = "1m") -> str:
    """Return what promtool holds against the rules; empty where all is as wanted."""
    document = {"rule_files": [str(RULES)], "evaluation_interval": interval, "tests": list(units)}
    done = tools.test_rules(folder, document)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("case", FIRING.values(), ids=FIRING)
def test_alerts_fire(tools: PrometheusTools, tmp_path: Path, case: Case) -> None:
    assert verdict(tools, tmp_path, unit(case)) == ""


@pytest.mark.parametrize("case", QUIET.values(), ids=QUIET)
def test_alerts_keep_quiet(tools: PrometheusTools, tmp_path: Path, case: Case) -> None:
    assert verdict(tools, tmp_path, unit(case)) == ""


def test_promtool_would_notice(tools: PrometheusTools, tmp_path: Path) -> None:
    never = Case("GenModelOperatorDown", {'genmodel_info{version="1"}': "1x60"}, "30m", {"severity": "critical"})
    assert "GenModelOperatorDown" in verdict(tools, tmp_path, unit(never))


def test_every_alert_is_seen_firing_and_quiet() -> None:
    named = {(alert.name, alert.severity) for alert in ALERTS}
    assert {(case.alert, (case.fires or {})["severity"]) for case in FIRING.values()} == named
    assert {case.alert for case in QUIET.values()} == {alert.name for alert in ALERTS}


def test_the_file_is_one_that_prometheus_loads(tools: PrometheusTools) -> None:
    done = tools.check_rules(RULES)
    assert done.returncode == 0, done.stdout + done.stderr


RENAMED = {figure.record: figure for figure in FIGURES if len(figure.engine_names) > 1}


@pytest.mark.parametrize("record", RENAMED)
def test_a_figure_outlives_a_new_name_of_the_engine(tools: PrometheusTools, tmp_path: Path, record: str) -> None:
    """One server has the old name, one the new one, one both, as in a rollout to a release that renames."""
    figure = RENAMED[record]
    new, old = figure.engine_names
    le = ',le="1.0"' if figure.labels else ""
    is_rate = figure.how == "rate"
    series = {server: f'namespace="team-a",model_name="m",instance="{server}"{le}' for server in ("old", "new", "both")}
    values = "0+60x20" if is_rate else "0.5x20"
    found = [f"{old}{{{series['old']}}}", f"{new}{{{series['new']}}}"]
    found += [f"{name}{{{series['both']}}}" for name in (new, old)]
    labels = f'{le.lstrip(",") + "," if le else ""}model="m",namespace="team-a"'
    test = recording(dict.fromkeys(found, values), "15m", (record, labels, 3 if is_rate else 0.5))
    assert verdict(tools, tmp_path, test) == ""


def test_devices_and_their_cost_are_those_of_all_replicas(tools: PrometheusTools, tmp_path: Path) -> None:
    series = {
        'genmodel_devices_per_replica{namespace="a",name="m",product="NVIDIA-L4"}': "2x20",
        'genmodel_devices_per_replica{namespace="b",name="m",product="NVIDIA-L4"}': "1x20",
        'genmodel_replicas{namespace="a",name="m",state="desired"}': "3x20",
        'genmodel_replicas{namespace="a",name="m",state="ready"}': "1x20",
        'genmodel_replicas{namespace="b",name="m",state="desired"}': "1x20",
        'genmodel_replicas{namespace="b",name="m",state="ready"}': "0x20",
    }
    # Two operators tell the same price.
    series |= {f'genmodel_device_price_per_hour{{product="NVIDIA-L4",pod="{pod}"}}': "0.5x20" for pod in ("a", "b")}
    wanted = {"genmodel:devices_planned": 7, "genmodel:devices_serving": 2, "genmodel:cost_per_hour": 3.5}
    test = recording(series, "10m", *((record, 'product="NVIDIA-L4"', value) for record, value in wanted.items()))
    assert verdict(tools, tmp_path, test) == ""


def test_answers_are_told_by_model_however_they_are_scraped(tools: PrometheusTools, tmp_path: Path) -> None:
    monitored = 'http_requests_total{namespace="team-a",model="m",instance="1",method="POST",status="2xx"}'
    annotated = 'http_requests_total{namespace="team-a",genmodel_dev_model="m",instance="2",method="POST",status="2xx"}'
    others = 'http_requests_total{namespace="team-a",instance="3",method="POST",status="2xx"}'
    wanted = ("genmodel:http_requests:rate5m", 'model="m",namespace="team-a",status="2xx"', 2)
    test = recording(dict.fromkeys((monitored, annotated, others), "0+60x20"), "15m", wanted)
    assert verdict(tools, tmp_path, test) == ""


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    rules = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule
    ]
    pages = {path.stem: path.read_text() for path in (ROOT / "docs" / "runbooks").glob("*.md") if path.stem != "README"}
    assert {rule["alert"] for rule in rules} == set(pages)
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"{RUNBOOKS}/{rule['alert']}"
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
    for name, text in pages.items():
        assert text.startswith(f"# {name}\n"), name
        assert re.findall(r"^## (.*)$", text, re.M) == ["What it means", "How to see it", "What to do"], name
        assert set(re.findall(r"`([A-Z][A-Za-z]+)`", text)) <= set(TABLE) | {*ConditionType, "RuntimeVulnerable"}, name
        assert "kubectl" in text.partition("## How to see it")[2].partition("## What to do")[0], name
