"""Classification of what vLLM 0.32.0 on CPU really printed; the files keep the lines that matter."""

from pathlib import Path

import pytest

from genmodel_runtime.contract import ExitCode
from genmodel_runtime.failures import HISTORY_LINES, Ending, Stage, classify

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize(
    ("file", "returncode", "want_reason", "want_message"),
    [
        pytest.param(
            "unknown-argument",
            2,
            "BadEngineArgument",
            "the engine does not know the arguments --no-such-flag",
            id="unknown flag",
        ),
        pytest.param(
            "bad-value",
            2,
            "BadEngineArgument",
            "the engine refused its arguments: argument --max-num-seqs: invalid int value: 'banana'",
            id="a word instead of a number",
        ),
        pytest.param(
            "context-too-long",
            1,
            "EngineContextTooLong",
            "a context of 100000 tokens is more than the model was made for",
            id="context longer than the model's",
        ),
        pytest.param(
            "bad-parallel-size",
            1,
            "EngineBadParallelSize",
            "the model's 4 attention heads cannot be divided among 3 devices",
            id="heads that do not divide",
        ),
        pytest.param(
            "unknown-architecture",
            1,
            "EngineUnsupportedArchitecture",
            "the engine does not support the architecture 'FooForCausalLM'",
            id="unknown architecture",
        ),
        pytest.param(
            "unknown-model-type",
            1,
            "EngineUnsupportedArchitecture",
            "the engine's transformers library does not know the model type foobar",
            id="unknown model type",
        ),
        pytest.param(
            "no-quantization-config",
            1,
            "EngineQuantizationRefused",
            "the repository has no configuration for the quantisation awq",
            id="quantisation without its configuration",
        ),
        pytest.param(
            "no-directory",
            1,
            "EngineBadModelFiles",
            "the engine finds no config.json among the model's files",
            id="nothing at the path",
        ),
        pytest.param(
            "truncated-weights",
            1,
            "EngineBadModelFiles",
            "a weight file is damaged or truncated: "
            "Error while deserializing header: incomplete metadata, file not fully covered",
            id="truncated weights, found by a worker before the parents' tracebacks",
        ),
        pytest.param(
            "config-mismatch",
            1,
            "EngineBadModelFiles",
            "config.json and the weights do not fit together: "
            "The size of tensor a (512) must match the size of tensor b (256) at non-singleton dimension 1",
            id="configuration of another model",
        ),
        pytest.param(
            "no-weights",
            1,
            "EngineBadModelFiles",
            "the engine finds no weights among the model's files",
            id="no weights",
        ),
    ],
)
def test_a_start_that_failed(file: str, returncode: int, want_reason: str, want_message: str) -> None:
    lines = (DATA / f"failures/{file}.txt").read_text().splitlines()

    failure = classify(Ending(lines, returncode, Stage.STARTING))

    assert (failure.reason.value, failure.message) == (want_reason, want_message)
    assert failure.exit_code is ExitCode.ENGINE_REFUSED
    assert failure.log


def test_a_cache_too_small_on_a_gpu() -> None:
    lines = (DATA / "failures/h100-cache-too-small.txt").read_text().splitlines()

    failure = classify(Ending(lines, 1, Stage.STARTING))

    assert failure.reason.value == "CacheTooSmall"
    assert failure.message == "a context of 131072 tokens needs 16.0 GiB of KV cache, 11.06 GiB are there"
    assert failure.hint == "at most 90608 tokens fit"
    assert failure.exit_code is ExitCode.OUT_OF_MEMORY


def test_the_models_own_limit_is_the_hint() -> None:
    lines = (DATA / "failures/context-too-long.txt").read_text().splitlines()

    assert classify(Ending(lines, 1, Stage.STARTING)).hint == "the model's own limit is 4096 tokens"


def test_a_killed_engine_core_although_vllm_ends_with_zero() -> None:
    lines = (DATA / "vllm-0.32.0-cpu-start.txt").read_text() + (DATA / "vllm-0.32.0-engine-core-killed.txt").read_text()

    failure = classify(Ending(lines.splitlines()[-HISTORY_LINES:], 0, Stage.SERVING))

    assert failure.reason.value == "EngineDied"
    assert failure.exit_code is ExitCode.ENGINE_DIED
    assert failure.message.startswith("the engine ended while serving (exit code 0): ")
    assert "EngineDeadError" in failure.message
    assert "EngineDeadError" in failure.log[0]


GOOD_STARTS = ("cpu-start", "gpu-start", "h100-start")


@pytest.mark.parametrize("file", [f"vllm-0.32.0-{name}.txt" for name in GOOD_STARTS])
def test_nothing_in_a_good_start_looks_like_a_cause(file: str) -> None:
    lines = (DATA / file).read_text().splitlines()

    failure = classify(Ending(lines, -9, Stage.STARTING))

    assert (failure.reason.value, failure.message) == ("EngineDied", "the engine ended while starting (signal SIGKILL)")
