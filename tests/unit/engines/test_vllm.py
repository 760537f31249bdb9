"""The engines' command lines and environments."""

import json
from pathlib import Path

import pytest

from genmodel_operator.engines import engine_for
from genmodel_operator.engines.environment import stall_seconds, startup_seconds
from genmodel_operator.engines.vllm_cpu import kv_cache_gib
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.settings import EngineSettings, Settings
from genmodel_operator.sizing.plan import ServingPlan
from genmodel_runtime.contract import CACHE_DIR
from tests.builders import A_COMMIT, a_cpu_plan, a_gpu_plan, some_facts

NAMES = ("mistral", "mistralai/Mistral-7B-Instruct-v0.3")
KNOWN_FLAGS = set(json.loads(Path(__file__).with_name("vllm-0.32.0-flags.json").read_text())["flags"])
GIB = 1024**3


def command_line(plan: ServingPlan, task: ServedTask = ServedTask.GENERATE) -> list[str]:
    return engine_for(plan).args(some_facts(), plan, NAMES, task=task).around(["--user"])


def value_of(args: list[str], flag: str) -> str:
    assert args.count(flag) == 1
    return args[args.index(flag) + 1]


def test_gpu_command_line() -> None:
    assert command_line(a_gpu_plan(tensor_parallel=2, count=2)) == [
        "--max-num-seqs",
        "64",
        "--max-num-batched-tokens",
        "2048",
        "--disable-access-log-for-endpoints",
        "/health,/metrics",
        "--gpu-memory-utilization",
        "0.9",
        "--user",
        "--model",
        f"/models/{A_COMMIT}",
        "--served-model-name",
        "mistral",
        "mistralai/Mistral-7B-Instruct-v0.3",
        "--host",
        "0.0.0.0",
        "--port",
        "8000",
        "--max-model-len",
        "16384",
        "--dtype",
        "bfloat16",
        "--load-format",
        "safetensors",
        "--runner",
        "generate",
        "--disable-fastapi-docs",
        "--tensor-parallel-size",
        "2",
        "--kv-cache-memory-bytes",
        "4294967296",
    ]


def test_cpu_command_line_has_no_gpu_flags() -> None:
    args = command_line(a_cpu_plan())
    assert "--enforce-eager" in args
    absent = {"--gpu-memory-utilization", "--kv-cache-memory-bytes", "--tensor-parallel-size"}
    assert not absent & set(args)
    assert value_of(args, "--max-model-len") == "512"


@pytest.mark.parametrize("plan", [pytest.param(a_gpu_plan(), id="GPU"), pytest.param(a_cpu_plan(), id="CPU")])
@pytest.mark.parametrize("task", list(ServedTask))
def test_every_flag_exists_in_the_shipped_engine(plan: ServingPlan, task: ServedTask) -> None:
    flags = {argument for argument in command_line(plan, task) if argument.startswith("--")} - {"--user"}
    assert flags <= KNOWN_FLAGS


@pytest.mark.parametrize("plan", [pytest.param(a_gpu_plan(), id="GPU"), pytest.param(a_cpu_plan(), id="CPU")])
def test_embedding_runs_the_pooling_runner(plan: ServingPlan) -> None:
    args = command_line(plan, ServedTask.EMBED)
    assert value_of(args, "--runner") == "pooling"
    assert value_of(args, "--convert") == "embed"


def test_a_model_without_a_cache_gets_no_cache_flag() -> None:
    assert "--kv-cache-memory-bytes" not in command_line(a_gpu_plan(kv_cache_bytes=0))


@pytest.mark.parametrize(
    ("plan", "want"),
    [
        pytest.param(a_gpu_plan(), {}, id="nothing is narrowed"),
        pytest.param(a_gpu_plan(kv_cache_dtype="fp8"), {"--kv-cache-dtype": "fp8"}, id="the cache"),
        pytest.param(
            a_gpu_plan(quantization="fp8", kv_cache_dtype="fp8"),
            {"--quantization": "fp8", "--kv-cache-dtype": "fp8"},
            id="weights and cache",
        ),
    ],
)
def test_formats_are_passed_only_where_something_is_narrowed(plan: ServingPlan, want: dict[str, str]) -> None:
    args = command_line(plan)
    found = {flag: value_of(args, flag) for flag in ("--quantization", "--kv-cache-dtype") if flag in args}
    assert found == want
    assert set(found) <= KNOWN_FLAGS


def test_pipeline_stages_are_passed_where_there_are_any() -> None:
    assert "--pipeline-parallel-size" not in command_line(a_gpu_plan())
    assert value_of(command_line(a_gpu_plan(pipeline_parallel=2)), "--pipeline-parallel-size") == "2"


@pytest.mark.parametrize(
    ("kv_cache_bytes", "want_gib"),
    [
        pytest.param(0, 1, id="encoder without a cache"),
        pytest.param(GIB // 2, 1, id="half a GiB is rounded up"),
        pytest.param(GIB, 1, id="exactly one"),
        pytest.param(GIB + 1, 2, id="one byte more"),
        pytest.param(40 * GIB, 40, id="forty"),
    ],
)
def test_cpu_cache_is_whole_gib(kv_cache_bytes: int, want_gib: int) -> None:
    plan = a_cpu_plan(kv_cache_bytes=kv_cache_bytes)
    assert kv_cache_gib(plan) == want_gib
    assert engine_for(plan).env(some_facts(), plan, Settings())["VLLM_CPU_KVCACHE_SPACE"] == str(want_gib)


@pytest.mark.parametrize(
    ("threads", "want"), [pytest.param(0, None, id="the engine decides"), pytest.param(3, "3", id="set")]
)
def test_cpu_threads(threads: int, want: str | None) -> None:
    settings = Settings(engines=EngineSettings(cpu_threads=threads))
    env = engine_for(a_cpu_plan()).env(some_facts(), a_cpu_plan(), settings)
    assert env.get("OMP_NUM_THREADS") == want
    assert env["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"


def test_gpu_environment_has_nothing_of_the_cpu_engine() -> None:
    env = engine_for(a_gpu_plan()).env(some_facts(), a_gpu_plan(), Settings())
    assert not [name for name in env if "CPU" in name or name.startswith("OMP")]


@pytest.mark.parametrize("plan", [pytest.param(a_gpu_plan(), id="GPU"), pytest.param(a_cpu_plan(), id="CPU")])
def test_everything_the_engine_writes_is_on_the_cache_volume(plan: ServingPlan) -> None:
    env = engine_for(plan).env(some_facts(), plan, Settings())
    paths = {name: value for name, value in env.items() if value.startswith("/")}
    assert {"HOME", "XDG_CACHE_HOME", "HF_HOME", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR"} <= set(paths)
    assert all(value == CACHE_DIR or value.startswith(CACHE_DIR + "/") for value in paths.values())
    assert env["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize(
    ("weights_bytes", "want_seconds"),
    [
        pytest.param(0, 1800, id="the shortest"),
        pytest.param(1, 1801, id="any byte rounds up"),
        pytest.param(140_000_000_000, 2500, id="70B in bfloat16"),
    ],
)
def test_large_weights_may_take_longer_to_load(weights_bytes: int, want_seconds: int) -> None:
    facts = some_facts(weights_bytes=weights_bytes)
    assert startup_seconds(facts, Settings()) == want_seconds
    env = engine_for(a_gpu_plan()).env(facts, a_gpu_plan(), Settings())
    assert env["VLLM_ENGINE_READY_TIMEOUT_S"] == str(want_seconds)


@pytest.mark.parametrize(
    ("plan", "weights_bytes", "want_seconds", "want_step_limit"),
    [
        pytest.param(a_cpu_plan(max_num_batched_tokens=2048), 1_000_000_000, 120, None, id="a small model on CPU"),
        pytest.param(a_cpu_plan(max_num_batched_tokens=2048), 6_000_000_000, 246, None, id="3B on CPU"),
        pytest.param(a_cpu_plan(max_num_batched_tokens=2048), 16_000_000_000, 656, "656", id="8B on CPU"),
        pytest.param(a_cpu_plan(max_num_batched_tokens=256), 16_000_000_000, 120, None, id="8B on CPU, small steps"),
        pytest.param(a_gpu_plan(max_num_batched_tokens=8192), 140_000_000_000, 120, None, id="70B on GPU"),
    ],
)
def test_a_slow_step_is_no_hang(
    plan: ServingPlan, weights_bytes: int, want_seconds: int, want_step_limit: str | None
) -> None:
    facts = some_facts(weights_bytes=weights_bytes)
    assert stall_seconds(facts, plan, Settings()) == want_seconds
    env = engine_for(plan).env(facts, plan, Settings())
    assert env.get("VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS") == want_step_limit


def test_images_follow_the_settings() -> None:
    settings = Settings(engines=EngineSettings(gpu_image="mirror/gpu:1", cpu_image="mirror/cpu:1"))
    assert engine_for(a_gpu_plan()).image(settings) == "mirror/gpu:1"
    assert engine_for(a_cpu_plan()).image(settings) == "mirror/cpu:1"
    assert engine_for(a_gpu_plan()).name == "vllm"
    assert engine_for(a_cpu_plan()).name == "vllm-cpu"


@pytest.mark.parametrize("plan", [a_gpu_plan(), a_cpu_plan()], ids=["GPU", "CPU"])
def test_a_reranker_is_run_as_what_it_is(plan: ServingPlan) -> None:
    args = engine_for(plan).args(some_facts(), plan, ["m"], task=ServedTask.SCORE).fixed
    assert args[args.index("--runner") + 1] == "pooling"
    assert "--convert" not in args
