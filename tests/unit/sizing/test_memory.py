"""Activation, overhead, margins, host memory and disk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmodel_operator.hub.facts import RepoFile, ServedTask
from genmodel_operator.sizing.architecture import Architecture
from genmodel_operator.sizing.memory import (
    GIB,
    Batch,
    activation_bytes,
    bytes_per_logit,
    cpu_margin_bytes,
    ephemeral_bytes,
    gib_to_bytes,
    gpu_host_bytes,
    gpu_margin_bytes,
    gpu_memory_utilization,
    gpu_overhead,
    has_nvlink,
    parse_version,
    shm_bytes,
)
from tests.builders_sizing import TINY_CHAT, facts_of

SHAPE = Architecture(layers=2, hidden=100, intermediate=400, vocab=1000, heads=4, kv_heads=4, head_dim=25)


@pytest.mark.parametrize(
    ("text", "want_version"),
    [
        pytest.param("0.32.0", (0, 32), id="release"),
        pytest.param("v0.9.2rc1", (0, 9), id="candidate"),
        pytest.param("1.0.0+cpu", (1, 0), id="local suffix"),
    ],
)
def test_engine_release(text: str, want_version: tuple[int, int]) -> None:
    assert parse_version(text) == want_version


@pytest.mark.parametrize("text", ["", "latest", "32"])
def test_no_engine_release(text: str) -> None:
    with pytest.raises(ValueError, match="not an engine release"):
        parse_version(text)


@pytest.mark.parametrize(
    ("task", "on_gpu", "engine", "want_bytes"),
    [
        pytest.param(ServedTask.GENERATE, True, (0, 32), 14.3, id="kernel on GPUs"),
        pytest.param(ServedTask.GENERATE, True, (0, 16), 38.5, id="sort before it"),
        pytest.param(ServedTask.GENERATE, False, (0, 32), 38.5, id="sort on CPU"),
        pytest.param(ServedTask.EMBED, True, (0, 32), 0.0, id="nothing sampled"),
    ],
)
def test_bytes_per_logit(task: ServedTask, on_gpu: bool, engine: tuple[int, int], want_bytes: float) -> None:
    assert bytes_per_logit(task, on_gpu=on_gpu, engine=engine) == want_bytes


@pytest.mark.parametrize(
    ("batch", "parallel", "width", "per_logit", "want_bytes"),
    [
        pytest.param(Batch(64, 10), 1, 2, 10, 640_000 + 4000, id="the sampler is larger"),
        pytest.param(Batch(1, 1000), 1, 2, 10, 3_200_000, id="the widest layer is larger"),
        pytest.param(Batch(1, 1000), 4, 2, 10, 1_400_000, id="its MLP is divided"),
        pytest.param(Batch(1, 1000), 1, 4, 10, 6_400_000, id="float32"),
        pytest.param(Batch(64, 10), 1, 2, 0, 32_000, id="nothing sampled"),
    ],
)
def test_activation(batch: Batch, parallel: int, width: int, per_logit: float, want_bytes: int) -> None:
    got_bytes = activation_bytes(
        SHAPE, batch=batch, tensor_parallel=parallel, element_bytes=width, bytes_per_logit=per_logit
    )
    assert got_bytes == want_bytes


@pytest.mark.parametrize(
    ("product", "want"),
    [
        pytest.param("NVIDIA-H100-80GB-HBM3", True, id="H100 SXM"),
        pytest.param("NVIDIA-A100-SXM4-80GB", True, id="A100 SXM"),
        pytest.param("NVIDIA-H100-NVL", True, id="bridged"),
        pytest.param("NVIDIA-GB200", True, id="GB200"),
        pytest.param("NVIDIA-A100-PCIE-40GB", False, id="A100 PCIe"),
        pytest.param("NVIDIA-L4", False, id="L4"),
        pytest.param("Tesla-T4", False, id="T4"),
    ],
)
def test_nvlink(product: str, want: bool) -> None:
    assert has_nvlink(product) is want


@pytest.mark.parametrize(
    ("product", "parallel", "engine", "want_gib"),
    [
        pytest.param("NVIDIA-L4", 1, (0, 32), 0.25, id="one device"),
        pytest.param("NVIDIA-L4", 1, (0, 17), 0.13, id="one device, older"),
        pytest.param("NVIDIA-L4", 1, (0, 9), 0.63, id="one device, with the context"),
        pytest.param("NVIDIA-L4", 2, (0, 32), 1.0, id="two over PCIe"),
        pytest.param("NVIDIA-A100-SXM4-80GB", 2, (0, 32), 2.1, id="two over NVLink"),
        pytest.param("NVIDIA-A100-SXM4-80GB", 2, (0, 11), 1.0, id="two over NVLink, older"),
    ],
)
def test_memory_outside_torch(product: str, parallel: int, engine: tuple[int, int], want_gib: float) -> None:
    overhead = gpu_overhead(
        80 * GIB, product=product, tensor_parallel=parallel, is_mixture=False, max_num_seqs=256, engine=engine
    )
    assert overhead.non_torch == gib_to_bytes(want_gib)


@given(
    total_gib=st.floats(min_value=8, max_value=300),
    parallel=st.sampled_from([1, 2, 4, 8]),
    engine=st.sampled_from([(0, 8), (0, 16), (0, 20), (0, 21), (0, 32)]),
    is_mixture=st.booleans(),
    seqs=st.integers(min_value=1, max_value=4096),
)
def test_utilisation_leaves_room_for_what_is_outside(
    total_gib: float, parallel: int, engine: tuple[int, int], is_mixture: bool, seqs: int
) -> None:
    total = int(total_gib * GIB)
    overhead = gpu_overhead(
        total,
        product="NVIDIA-H200",
        tensor_parallel=parallel,
        is_mixture=is_mixture,
        max_num_seqs=seqs,
        engine=engine,
    )
    utilization = gpu_memory_utilization(total, overhead)
    least_gib = {True: 1.5, False: 3.0}[parallel == 1] if engine < (0, 21) else {True: 1.0, False: 2.0}[parallel == 1]
    assert (1 - utilization) * total >= least_gib * GIB - 1
    assert 0 < utilization <= 0.95


@pytest.mark.parametrize(
    ("total_gib", "parallel", "want_gib"),
    [
        pytest.param(14.4, 1, 1.5, id="small card, cold start"),
        pytest.param(24, 1, 1.5, id="24 GiB, cold start"),
        pytest.param(40, 1, 0.5, id="half a GiB"),
        pytest.param(80, 1, 0.8, id="one per cent"),
        pytest.param(40, 2, 1.0, id="one GiB on several"),
        pytest.param(80, 4, 1.2, id="one and a half per cent on several"),
    ],
)
def test_margin_on_gpus(total_gib: float, parallel: int, want_gib: float) -> None:
    got_bytes = gpu_margin_bytes(gib_to_bytes(total_gib), tensor_parallel=parallel)
    assert got_bytes == pytest.approx(want_gib * GIB, abs=2)


@pytest.mark.parametrize(
    ("weights_gib", "want_gib"),
    [pytest.param(0.1, 0.5, id="small model"), pytest.param(40, 2.0, id="five per cent of the weights")],
)
def test_margin_on_cpu(weights_gib: float, want_gib: float) -> None:
    assert cpu_margin_bytes(gib_to_bytes(weights_gib)) == pytest.approx(want_gib * GIB, abs=2)


@pytest.mark.parametrize(("parallel", "want_gib"), [(1, 1), (2, 3), (4, 5), (8, 9)])
def test_shared_memory(parallel: int, want_gib: int) -> None:
    assert shm_bytes(parallel) == want_gib * GIB


def test_host_memory_counts_the_largest_file_once() -> None:
    files = (
        RepoFile("model-00001-of-00002.safetensors", 5 * GIB, "1" * 40),
        RepoFile("model-00002-of-00002.safetensors", 3 * GIB, "2" * 40),
        RepoFile("tokenizer.json", 9 * GIB, "3" * 40),
    )
    facts = facts_of(TINY_CHAT, files=files)
    assert gpu_host_bytes(facts, tensor_parallel=1) == 13 * GIB  # 4 + 2.5 + 5 + 1, in whole GiB
    assert gpu_host_bytes(facts, tensor_parallel=2) == 17 * GIB  # 4 + 5 + 5 + 3


def test_disk_holds_the_files_and_a_little_more() -> None:
    assert ephemeral_bytes(facts_of(TINY_CHAT, files=(RepoFile("a.safetensors", 10 * GIB, "1" * 40),))) == 11 * GIB
    assert ephemeral_bytes(facts_of(TINY_CHAT)) == GIB
