"""Lines that real servers printed, or that the source of vLLM 0.32.0 prints, and what they tell."""

from functools import reduce
from pathlib import Path

import pytest

from genmodel_runtime.figures import Figures, read_figures
from genmodel_runtime.state import Measured

FIGURES = Path(__file__).parent / "data/figures"


def lines(name: str) -> tuple[str, ...]:
    return tuple((FIGURES / f"{name}.txt").read_text().splitlines())


def read_all(*told: str) -> Figures:
    return reduce(read_figures, told, Figures())


@pytest.mark.parametrize(
    ("told", "want"),
    [
        pytest.param(
            lines("vllm-0.11-h200"),
            Measured(weights_gib=None, activation_gib=5.58, non_torch_gib=1.38, cuda_graph_gib=2.37),
            id="0.11",
        ),
        pytest.param(
            lines("vllm-0.24-b200"),
            Measured(activation_gib=1.32, non_torch_gib=0.95, cuda_graph_gib=4.13),
            id="0.24 less graphs",
        ),
        pytest.param(
            lines("vllm-0.31-h100"),
            Measured(
                weights_gib=15.0,
                kv_cache_gib=56.21,
                kv_tokens=460496,
                activation_gib=1.44,
                non_torch_gib=0.26,
                cuda_graph_gib=0.23,
            ),
            id="0.31 consumed memory in one figure",
        ),
        pytest.param(
            lines("../vllm-0.32.0-h100-start"),
            Measured(
                weights_gib=15.0,
                kv_cache_gib=55.05,
                kv_tokens=450976,
                activation_gib=1.07,
                non_torch_gib=0.8,
                cuda_graph_gib=0.45,
            ),
            id="0.32 on an H100: graphs are captured twice, the second time to stay",
        ),
        pytest.param(
            lines("vllm-0.8-5090"),
            Measured(weights_gib=10.8044, kv_cache_gib=14.52, activation_gib=1.01, non_torch_gib=0.33),
            id="0.8 with its first engine",
        ),
        pytest.param(
            lines("vllm-0.32-fixed-cache"),
            Measured(weights_gib=14.99, kv_cache_gib=4.0, kv_tokens=32768, cuda_graph_gib=0.31),
            id="a fixed cache: nothing was profiled",
        ),
        pytest.param(
            ("Auto set (3.25/12.09) GiB for KV cache on node 0, with 5.0 GiB requested memory for the worker.",),
            Measured(kv_cache_gib=3.25),
            id="CPU that takes what it finds",
        ),
        pytest.param(
            ("2.0 GiB for weight, 1.02 GiB for peak activation, -3.58 GiB for non-torch memory, and 0.68 GiB for x",),
            Measured(activation_gib=1.02, non_torch_gib=-3.58),
            id="what was logged is told, also where it makes no sense",
        ),
    ],
)
def test_a_start_s_figures(told: tuple[str, ...], want: Measured) -> None:
    assert read_all(*told).measured() == want


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("Model loading took 1.2.3 GiB", id="no number"),
        pytest.param("Model loading took GiB", id="nothing"),
        pytest.param("Encoder graph capturing finished in 3 secs, took 0.20 GiB (4 graphs)", id="graphs of an encoder"),
        pytest.param("Weight cache daemon loaded model (3.0 GiB allocated, 3.1 GiB reserved)", id="another"),
        pytest.param("GiB GB tokens", id="units alone"),
        pytest.param("", id="empty"),
    ],
)
def test_a_line_that_tells_nothing(line: str) -> None:
    assert read_all(line) == Figures()


def test_the_files_size_is_no_memory() -> None:
    measured = read_all(
        "Filesystem type for checkpoints: EXT4. Checkpoint size: 2.50 GiB. Available RAM: 9.0 GiB."
    ).measured()

    assert (measured.weights_gib, measured.checkpoint_gib) == (None, 2.5)


def test_of_several_workers_the_fullest_device_counts() -> None:
    measured = read_all(
        "Model loading took 6.77 GiB memory and 9 seconds",
        "Model loading took 6.79 GiB memory and 9 seconds",
        "Available KV cache memory: 12.41 GiB",
        "Available KV cache memory: 12.38 GiB",
    ).measured()

    assert (measured.weights_gib, measured.kv_cache_gib) == (6.79, 12.38)


def test_an_estimate_of_graphs_that_the_engine_did_not_apply_stays_out() -> None:
    measured = read_all("Estimated CUDA graph memory: 0.50 GiB total", "1.42 GiB for peak activation").measured()

    assert measured.activation_gib == 1.42
