"""Memory outside torch, and the budget as a whole."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmodel_operator.sizing.budget.budget import compute_budget
from genmodel_operator.sizing.budget.defaults import Batch
from genmodel_operator.sizing.budget.device import Interconnect
from genmodel_operator.sizing.budget.overhead import (
    context_bytes,
    graph_bytes,
    graphs_in_budget,
    non_torch_bytes,
    unseen_bytes,
)
from genmodel_operator.sizing.shape.model import GatedDeltaNet, Layer, ModelShape
from genmodel_operator.sizing.tensors.model import Layout
from tests.builders_budget import GIB, H100, L4, RTX_3090, a_shape, mxfp4, qwen3_30b, settings

DENSE = a_shape()
TP2, TP4, TP8 = (Layout(tensor_parallel=size) for size in (2, 4, 8))


@pytest.mark.parametrize(
    ("version", "product", "layout", "want_gib"),
    [
        pytest.param("0.19.0", H100, Layout(), 0.25, id="one device"),
        pytest.param("0.11.0", H100, Layout(), 0.13, id="one device before 0.18"),
        pytest.param("0.9.1", H100, Layout(), 0.63, id="the context counts up to 0.9.1"),
        pytest.param("0.9.2", H100, Layout(), 0.13, id="and no longer"),
        pytest.param("0.19.0", H100, TP2, 2.1, id="NVLink"),
        pytest.param("0.19.0", H100, TP4, 2.15, id="four devices"),
        pytest.param("0.11.0", H100, TP2, 0.55, id="NVLink before 0.18"),
        pytest.param("0.11.0", H100, TP8, 1.75, id="eight devices before 0.18"),
        pytest.param("0.10.2", "L40S", TP8, 0.25, id="PCIe"),
        pytest.param("0.19.0", RTX_3090, TP2, 0.4, id="PCIe from 0.18"),
        pytest.param("0.19.0", H100, Layout(pipeline_parallel=2), 0.07, id="pipeline"),
        pytest.param("0.28.0", H100, Layout(), 0.85, id="what compiling leaves counts from 0.27"),
    ],
)
def test_non_torch(version: str, product: str, layout: Layout, want_gib: float) -> None:
    got = non_torch_bytes(DENSE, settings(version, product, total_gib=44.4, layout=layout))
    assert got / GIB == pytest.approx(want_gib, abs=0.02)


def test_eager_servers_of_the_first_runner_keep_nothing() -> None:
    eager = settings("0.28.0", enforce_eager=True)
    assert non_torch_bytes(qwen3_30b(), eager) == int(0.25 * GIB)


@pytest.mark.parametrize(
    ("words", "change", "want_gib"),
    [
        # Logged on an H100 by 0.32.0 without compiling: Llama 3.1 8B, Qwen3 8B, Gemma 2 9B, and Qwen3 8B that embeds.
        pytest.param(128256, {}, 0.80, id="counters of the penalties"),
        pytest.param(151936, {}, 0.90, id="of more words"),
        pytest.param(256000, {}, 1.31, id="of most words"),
        pytest.param(151936, {"pools": True}, 0.25, id="none where nothing is sampled"),
        pytest.param(256000, {"enforce_eager": False}, 1.31, id="compiled, the larger counts"),
        pytest.param(32000, {"enforce_eager": False}, 0.85, id="compiled, with few words"),
    ],
)
def test_the_second_runner_counts_words(words: int, change: dict[str, bool], want_gib: float) -> None:
    given: dict[str, Any] = {"enforce_eager": True, "batch": Batch(1024, 8192), **change}
    got = non_torch_bytes(replace(DENSE, vocab=words), replace(settings("0.32.0"), **given))
    assert got / GIB == pytest.approx(want_gib, abs=0.02)


def test_replicas_of_a_mixture_talk() -> None:
    replicas = settings(layout=Layout(data_parallel=2))
    assert non_torch_bytes(qwen3_30b(), replicas) > 2 * GIB
    assert non_torch_bytes(DENSE, replicas) == int(0.25 * GIB)


@pytest.mark.parametrize(
    ("shape", "layout", "want_gib"),
    [
        pytest.param(a_shape(layers=36), Layout(), 0.96, id="gt121"),
        pytest.param(a_shape(layers=80), TP2, 1.79, id="gt072"),
        pytest.param(a_shape(layers=32), TP4, 0.67, id="gt099"),
        pytest.param(qwen3_30b(), Layout(), 1.41, id="gt120"),
        pytest.param(mxfp4(), TP4, 1.09, id="gt129"),
    ],
)
def test_graphs_before_021(shape: ModelShape, layout: Layout, want_gib: float) -> None:
    assert graph_bytes(shape, settings(layout=layout)) / GIB == pytest.approx(want_gib, rel=0.35)


def test_graphs_of_few_requests_and_of_none() -> None:
    assert graph_bytes(DENSE, settings(enforce_eager=True)) == 0
    assert graph_bytes(DENSE, settings(max_num_seqs=8)) < graph_bytes(DENSE, settings()) / 8
    assert graph_bytes(DENSE, settings("0.23.0")) == int(0.4 * GIB)


def hybrid() -> ModelShape:
    net = GatedDeltaNet(key_heads=16, value_heads=48, key_dim=128, value_dim=128, conv_kernel=4, state_element_bytes=4)
    return a_shape(layers=1).__class__(
        architecture="Qwen3_5ForConditionalGeneration",
        model_type="qwen3_5",
        dtype="bfloat16",
        hidden=5120,
        vocab=248320,
        tied_embeddings=False,
        layers=(Layer(mixer=net, mlp=DENSE.layers[0].mlp),),
        max_positions=262144,
    )


@pytest.mark.parametrize(
    ("shape", "version", "want"),
    [
        pytest.param(DENSE, "0.20.0", False, id="before 0.21 nobody's"),
        pytest.param(DENSE, "0.21.0", True, id="from 0.21 the budget's"),
        pytest.param(DENSE, "0.25.0", False, id="the second runner set nothing aside"),
        pytest.param(qwen3_30b(), "0.25.0", True, id="mixtures stayed with the first runner"),
        pytest.param(hybrid(), "0.28.0", True, id="hybrids too"),
        pytest.param(DENSE, "0.29.0", True, id="until it did"),
    ],
)
def test_who_pays_for_graphs(shape: ModelShape, version: str, want: bool) -> None:
    assert graphs_in_budget(shape, settings(version)) is want


def test_context() -> None:
    assert context_bytes(DENSE, settings()) == int(0.5 * GIB)
    assert context_bytes(DENSE, settings(product=L4)) < 0.5 * GIB
    assert context_bytes(DENSE, settings(layout=TP2)) == int(1.45 * GIB)
    assert context_bytes(qwen3_30b(), settings(layout=TP2)) == 2 * GIB
    slow = settings(layout=TP2, interconnect=Interconnect.PCIE)
    assert context_bytes(DENSE, slow) == int(0.5 * GIB)


def test_what_the_profile_does_not_see() -> None:
    assert unseen_bytes(mxfp4(), settings(), 12 * GIB) == 2 * GIB
    assert unseen_bytes(mxfp4(), settings("0.11.0"), 12 * GIB) == 0
    assert unseen_bytes(DENSE, settings(), 12 * GIB) == 0


def test_a_logged_start_adds_up() -> None:
    weights = int(14.99 * GIB)
    budget = compute_budget(DENSE, settings(), weights=[weights])
    assert budget.kv_cache / GIB == pytest.approx(58.11, abs=0.05)  # gt086
    assert budget.requested == math.ceil(int(79.19 * GIB) * 0.95)
    assert (budget.weights, budget.total) == (weights, int(79.19 * GIB))
    assert budget.reserve_needed == budget.context + budget.graphs
    assert not budget.is_cache_fixed


def test_a_given_cache_is_the_budget() -> None:
    budget = compute_budget(DENSE, settings(kv_cache_memory_bytes=123), weights=[GIB])
    assert (budget.kv_cache, budget.is_cache_fixed) == (123, True)


def test_each_stage_has_its_own() -> None:
    budget = compute_budget(DENSE, settings(layout=Layout(pipeline_parallel=2)), weights=[8 * GIB, 7 * GIB])
    first, last = budget.stages
    assert first.activation < last.activation == budget.activation
    assert budget.kv_cache == min(first.kv_cache, last.kv_cache)
    assert budget.weights == 8 * GIB


@given(
    total=st.floats(1, 300),
    more=st.floats(0, 300),
    utilization=st.floats(0.01, 1),
    weights=st.integers(0, 400 * GIB),
    version=st.sampled_from(["0.8.5", "0.9.1", "0.11.0", "0.19.0", "0.23.0", "0.26.0", "0.32.0"]),
    tensor_parallel=st.sampled_from([1, 2, 4, 8]),
)
def test_parts_add_up_and_more_memory_is_more_cache(
    total: float, more: float, utilization: float, weights: int, version: str, tensor_parallel: int
) -> None:
    layout = Layout(tensor_parallel=tensor_parallel)
    for shape in (DENSE, mxfp4()):
        budgets = [
            compute_budget(
                shape,
                settings(version, total_gib=size, utilization=utilization, layout=layout),
                weights=[weights],
            )
            for size in (total, total + more)
        ]
        for budget in budgets:
            stage = budget.stages[0]
            parts = stage.weights + stage.activation + stage.non_torch + stage.graphs + stage.kv_cache
            assert parts == budget.requested <= budget.total
        assert budgets[1].kv_cache >= budgets[0].kv_cache
