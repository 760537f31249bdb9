"""Margins, the engine's share of a device, host memory and disk, and what a server on CPU needs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmodel_operator.hub.facts import RepoFile
from genmodel_operator.sizing.budget.budget import compute_budget
from genmodel_operator.sizing.budget.defaults import Batch
from genmodel_operator.sizing.budget.release import parse_release
from genmodel_operator.sizing.cpu import cpu_activation_bytes, margin_bytes, why_unserved
from genmodel_operator.sizing.memory import (
    GIB,
    ephemeral_bytes,
    gib_to_bytes,
    gpu_host_bytes,
    gpu_margin_bytes,
    shm_bytes,
    utilization,
)
from genmodel_operator.sizing.shape.model import Attention, DenseMLP, EncoderAttention, Layer, Mixture, ModelShape
from genmodel_operator.sizing.tensors.model import Layout
from tests.builders_budget import a_shape, mxfp4, qwen3_30b, settings
from tests.builders_cache import LATENT, MAMBA, QWEN_27B, attention, shape_of
from tests.builders_sizing import TINY_CHAT, facts_of

SMALL = replace(shape_of(None), hidden=100, vocab=1000, layers=(Layer(None, DenseMLP(400)),))


@pytest.mark.parametrize(
    ("batch", "width", "samples", "want_bytes"),
    [
        pytest.param(Batch(64, 10), 2, True, 2_464_000 + 4000, id="the sampler is larger"),
        pytest.param(Batch(1, 1000), 2, True, 3_200_000, id="the widest layer is larger"),
        pytest.param(Batch(1, 1000), 4, True, 6_400_000, id="float32"),
        pytest.param(Batch(64, 10), 2, False, 32_000, id="nothing sampled"),
    ],
)
def test_activation_on_cpu(batch: Batch, width: int, samples: bool, want_bytes: int) -> None:
    assert cpu_activation_bytes(SMALL, batch=batch, element_bytes=width, samples=samples) == want_bytes


def test_a_mixture_on_cpu_has_a_workspace() -> None:
    mixture = replace(SMALL, layers=(Layer(None, Mixture(experts=8, experts_per_token=2, intermediate=50)),))
    got_bytes = cpu_activation_bytes(mixture, batch=Batch(1, 1000), element_bytes=2, samples=False)
    assert got_bytes == 1000 * 8 * 100 + 0.9 * 1000 * 2 * (6 * 50 + 2 * 100)


@pytest.mark.parametrize(
    ("shape", "want"),
    [
        pytest.param(shape_of(attention()), None, id="plain attention"),
        pytest.param(shape_of(attention(window=512), attention()), None, id="a sliding window"),
        pytest.param(shape_of(EncoderAttention(12, 12, 64)), None, id="an encoder"),
        pytest.param(shape_of(attention(head_dim=72)), "the CPU engine has no attention with heads of 72", id="heads"),
        pytest.param(shape_of(LATENT), "latent attention is planned on GPUs only", id="latent attention"),
        pytest.param(shape_of(MAMBA), "a layer that keeps a state is planned on GPUs only", id="a state"),
        pytest.param(
            shape_of(Attention(32, 8, 128, 128, chunk=8192)), "chunked attention is planned on GPUs only", id="chunks"
        ),
        pytest.param(
            shape_of(attention(), is_multimodal=True),
            "a model that reads images or sound is planned on GPUs only",
            id="images",
        ),
    ],
)
def test_what_the_cpu_engine_serves(shape: ModelShape, want: str | None) -> None:
    assert why_unserved(shape) == want


@given(
    total_gib=st.floats(min_value=8, max_value=300),
    parallel=st.sampled_from([1, 2, 4, 8]),
    engine=st.sampled_from(["0.8.5", "0.16.0", "0.20.0", "0.21.0", "0.32.0"]),
    shape=st.sampled_from([a_shape(), qwen3_30b(), mxfp4()]),
    seqs=st.integers(min_value=1, max_value=4096),
)
def test_utilisation_leaves_room_for_what_is_outside(
    total_gib: float, parallel: int, engine: str, shape: ModelShape, seqs: int
) -> None:
    asked = settings(engine, total_gib=total_gib, layout=Layout(tensor_parallel=parallel), max_num_seqs=seqs)
    budget = compute_budget(shape, asked, weights=[GIB])
    share = utilization(budget, parse_release(engine), devices=parallel)
    assert 0 < share <= 0.95
    outside = (1 - share) * budget.total
    assert outside >= min(budget.reserve_needed + GIB // 2, 0.99 * budget.total) - 1
    if not parse_release(engine).since(21):
        assert outside >= (1.5 if parallel == 1 else 3.0) * GIB - 1


def test_memory_that_the_profile_does_not_see_lowers_the_utilisation() -> None:
    release, asked = parse_release("0.32.0"), settings("0.32.0", total_gib=24)
    plain, unseen = (
        utilization(compute_budget(shape, asked, weights=[12 * GIB]), release, devices=1)
        for shape in (a_shape(), mxfp4())
    )
    assert (plain, unseen) == (0.95, 0.88)


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
    got_bytes = gpu_margin_bytes(gib_to_bytes(total_gib), devices=parallel, shape=a_shape())
    assert got_bytes == pytest.approx(want_gib * GIB, abs=2)


@pytest.mark.parametrize(
    "shape",
    [pytest.param(QWEN_27B, id="states"), pytest.param(a_shape(is_multimodal=True), id="images")],
)
def test_margin_of_models_that_allocate_outside_the_profile(shape: ModelShape) -> None:
    plain = gpu_margin_bytes(40 * GIB, devices=1, shape=a_shape())
    assert gpu_margin_bytes(40 * GIB, devices=1, shape=shape) == plain + 2 * GIB


@pytest.mark.parametrize(
    ("weights_gib", "want_gib"),
    [pytest.param(0.1, 0.5, id="small model"), pytest.param(40, 2.0, id="five per cent of the weights")],
)
def test_margin_on_cpu(weights_gib: float, want_gib: float) -> None:
    assert margin_bytes(gib_to_bytes(weights_gib)) == pytest.approx(want_gib * GIB, abs=2)


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
