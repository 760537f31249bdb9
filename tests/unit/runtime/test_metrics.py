import pytest

from genmodel_runtime.contract import Phase
from genmodel_runtime.metrics import EngineSample, own_metrics, read_sample
from genmodel_runtime.state import Download, Measured, Snapshot

# Samples of vLLM 0.32.0.
PAGE = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="tiny"} 2.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="tiny"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="tiny",reason="capacity"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="tiny",reason="deferred"} 0.0
vllm:iteration_tokens_total_bucket{engine="0",le="1.0",model_name="tiny"} 40.0
vllm:iteration_tokens_total_count{engine="0",model_name="tiny"} 43.0
vllm:iteration_tokens_total_sum{engine="0",model_name="tiny"} 95.0
vllm:iteration_tokens_total_created{engine="0",model_name="tiny"} 1.7795e+09
"""

# What other releases, or other settings, leave out.
REST = """\
vllm:kv_cache_usage_perc{engine="0",model_name="tiny"} 0.25
vllm:generation_tokens_total{engine="0",model_name="tiny"} 42.0
vllm:prompt_tokens_total{engine="0",model_name="tiny"} 53.0
vllm:prompt_tokens_cached_total{engine="0",model_name="tiny"} 16.0
vllm:num_preemptions_total{engine="0",model_name="tiny"} 0.0
vllm:prefix_cache_queries_total{engine="0",model_name="tiny"} 53.0
"""

SECOND_ENGINE = """\
vllm:num_requests_running{engine="1",model_name="tiny"} 3.0
vllm:num_requests_waiting{engine="1",model_name="tiny"} 0.0
vllm:iteration_tokens_total_count{engine="1",model_name="tiny"} 1e+06
"""


@pytest.mark.parametrize(
    ("page", "want"),
    [
        pytest.param(PAGE, EngineSample(running=2, waiting=1, signs=(43,)), id="one engine"),
        pytest.param(PAGE + SECOND_ENGINE, EngineSample(running=5, waiting=1, signs=(1000043,)), id="two are summed"),
        pytest.param(
            PAGE.replace('model_name="tiny"', 'model_name="odd } \\"name"'),
            EngineSample(running=2, waiting=1, signs=(43,)),
            id="braces in a label",
        ),
        pytest.param("", None, id="empty page"),
        pytest.param("python_info 1.0\n", None, id="another program's page"),
        pytest.param(
            PAGE + REST, EngineSample(running=2, waiting=1, signs=(43, 42, 53, 0.25, 53, 0)), id="all signs of a step"
        ),
        pytest.param(
            REST + PAGE.replace("iteration_tokens_total_count", "gone"),
            EngineSample(running=2, waiting=1, signs=(42, 53, 0.25, 53, 0)),
            id="a sign is gone",
        ),
        pytest.param(PAGE.replace("iteration_tokens_total_count", "gone"), None, id="no sign at all"),
        pytest.param(PAGE.replace("num_requests_waiting", "gone"), None, id="a gauge is gone"),
        pytest.param(
            PAGE.replace("} 43.0", "} +Inf").replace("} 1.0", "} x"),
            EngineSample(running=2, waiting=0, signs=(0,)),
            id="values that are no numbers",
        ),
    ],
)
def test_the_engines_load(page: str, want: EngineSample | None) -> None:
    assert read_sample(page) == want


def lines_of(snapshot: Snapshot) -> list[str]:
    return [line for line in own_metrics(snapshot).splitlines() if not line.startswith("#")]


def test_exactly_one_phase_is_set() -> None:
    lines = [
        line for line in lines_of(Snapshot(Phase.LOADING, since=1.5)) if line.startswith("genmodel_runtime_phase{")
    ]

    assert len(lines) == len(Phase)
    assert [line for line in lines if line.endswith(" 1")] == ['genmodel_runtime_phase{phase="Loading"} 1']


def test_figures_appear_once_they_are_known() -> None:
    snapshot = Snapshot(
        Phase.SERVING,
        since=1000,
        measured=Measured(start_seconds=31.25),
        download=Download(bytes_done=5, bytes_total=9),
    )

    assert "genmodel_runtime_start_seconds" not in own_metrics(Snapshot(Phase.STARTING, since=1))
    assert {
        "genmodel_runtime_phase_since_seconds 1000",
        "genmodel_runtime_start_seconds 31.25",
        "genmodel_runtime_download_bytes 5",
        "genmodel_runtime_download_expected_bytes 9",
    } <= set(lines_of(snapshot))


def test_every_family_has_help_and_type() -> None:
    snapshot = Snapshot(Phase.SERVING, since=1, measured=Measured(start_seconds=1), download=Download(1, 2))
    page = own_metrics(snapshot).splitlines()

    families = {line.partition("{")[0].split()[0] for line in page if not line.startswith("#")}
    assert {line.split()[2] for line in page if line.startswith("# HELP")} == families
    assert {line.split()[2] for line in page if line.startswith("# TYPE")} == families
    assert own_metrics(snapshot).endswith("\n")
