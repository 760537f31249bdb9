from functools import reduce
from pathlib import Path

import pytest

from genmodel_runtime.contract import Phase
from genmodel_runtime.progress import StartProgress, read_line, split_lines
from genmodel_runtime.state import Measured

DATA = Path(__file__).parent / "data"


def read_all(*lines: str) -> StartProgress:
    return reduce(read_line, lines, StartProgress())


def phases(lines: list[str]) -> list[Phase]:
    progress, seen = StartProgress(), [Phase.STARTING]
    for line in lines:
        progress = read_line(progress, line)
        if progress.phase is not seen[-1]:
            seen.append(progress.phase)
    return seen


def test_a_real_start_on_cpu() -> None:
    lines = (DATA / "vllm-0.32.0-cpu-start.txt").read_text().splitlines()

    progress = read_all(*lines)

    assert phases(lines) == [Phase.STARTING, Phase.LOADING, Phase.WARMING_UP]
    assert progress.engine_version == "0.32.0"
    assert progress.measured == Measured(checkpoint_gib=0.0, kv_cache_gib=1.0, kv_tokens=1048576)


def test_a_start_on_two_gpus_keeps_the_figures_of_the_fullest_device() -> None:
    # No GPU was at hand: the lines are as the source of vLLM 0.32.0 prints them.
    lines = (DATA / "vllm-0.32.0-gpu-start.txt").read_text().splitlines()

    progress = read_all(*lines)

    assert phases(lines) == [Phase.STARTING, Phase.LOADING, Phase.COMPILING, Phase.WARMING_UP]
    assert progress.measured == Measured(
        weights_gib=6.79,
        checkpoint_gib=13.5,
        kv_cache_gib=12.38,
        kv_tokens=202816,
        activation_gib=0.91,
        non_torch_gib=0.11,
        cuda_graph_gib=0.53,
    )


def test_a_real_start_on_a_gpu() -> None:
    lines = (DATA / "vllm-0.32.0-h100-start.txt").read_text().splitlines()

    progress = read_all(*lines)

    assert phases(lines) == [Phase.STARTING, Phase.LOADING, Phase.COMPILING, Phase.WARMING_UP]
    assert progress.engine_version == "0.32.0"
    assert progress.measured.kv_tokens == 450976


@pytest.mark.parametrize(
    ("line", "want_phase"),
    [
        pytest.param("INFO non-default args: {'port': 8000}", Phase.STARTING, id="arguments"),
        pytest.param("Starting to load model /models/x...", Phase.LOADING, id="load begins"),
        pytest.param("Loading safetensors checkpoint shards:   0% Completed | 0/4", Phase.LOADING, id="first shard"),
        pytest.param("\x1b[36m(Worker pid=3)\x1b[0;0m Loading weights took 3.5 seconds", Phase.LOADING, id="coloured"),
        pytest.param("saved AOT compiled function to /cache/x", Phase.COMPILING, id="compiled"),
        pytest.param("Warming up model for the compilation...", Phase.WARMING_UP, id="warm-up on CPU"),
        pytest.param("Starting vLLM server on http://0.0.0.0:8000", Phase.WARMING_UP, id="server starts"),
        pytest.param("a line of a later release", Phase.STARTING, id="unknown line"),
        pytest.param("", Phase.STARTING, id="empty line"),
        pytest.param("\x00\ufffd%s{}", Phase.STARTING, id="noise"),
    ],
)
def test_one_line_tells_the_phase(line: str, want_phase: Phase) -> None:
    assert read_line(StartProgress(), line).phase is want_phase


def test_a_slow_worker_does_not_turn_the_phase_back() -> None:
    progress = read_all("GPU KV cache size: 1,000 tokens, Maximum", "Starting to load model /models/x...")

    assert progress.phase is Phase.WARMING_UP


def test_the_first_version_stays() -> None:
    assert read_all("  version 0.32.0", "some library version 9.9.9").engine_version == "0.32.0"


@pytest.mark.parametrize(
    ("data", "want_lines", "want_rest"),
    [
        pytest.param(b"", [], b"", id="nothing"),
        pytest.param(b"a\nb\n", [b"a\n", b"b\n"], b"", id="two lines"),
        pytest.param(b"a\nb", [b"a\n"], b"b", id="half a line waits"),
        pytest.param(b" 0%\r50%\r", [b" 0%\r"], b"50%\r", id="a bar that redraws itself"),
        pytest.param(b"a\r\nb\r\n", [b"a\r\n", b"b\r\n"], b"", id="both endings at once"),
        pytest.param(b"a\r", [], b"a\r", id="a return may be half of an ending"),
        pytest.param(b"\n\n", [b"\n", b"\n"], b"", id="empty lines"),
        pytest.param("é".encode()[:1], [], "é".encode()[:1], id="half a character"),
    ],
)
def test_lines_end_at_newlines_and_carriage_returns(data: bytes, want_lines: list[bytes], want_rest: bytes) -> None:
    lines, rest = split_lines(data)

    assert (lines, rest) == (want_lines, want_rest)
    assert b"".join(lines) + rest == data
