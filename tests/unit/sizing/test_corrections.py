"""Which measurement is used for which plan, and what it changes there."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.sizing.corrections import (
    NONE,
    NOTHING,
    Corrections,
    Figures,
    Learnt,
    Placement,
    corrected,
    corrections_for,
    measured_names,
    plain_version,
    words,
)
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.plan import ServingPlan
from tests.builders import A_COMMIT
from tests.builders_measurements import A_PLACEMENT, AN_ORIGIN, SOME_FIGURES, a_measurement
from tests.builders_sizing import LLAMA_31_8B, TINY_CHAT, a_gpu_node, a_node, a_plan, facts_of, minilm_facts

L4 = a_gpu_node("NVIDIA-L4", count=2, name="l4")
LLAMA = facts_of(LLAMA_31_8B)
WANTED: dict[str, Any] = {
    "commit": A_COMMIT,
    "engine_version": "0.32.0",
    "images": frozenset({AN_ORIGIN.image, "docker.io/vllm/vllm-openai-cpu:v0.32.0-x86_64"}),
    "options": "",
}


def find(*measurements: Any, placement: dict[str, Any] | None = None, **changes: Any) -> Learnt:
    return corrections_for(measurements, **(WANTED | changes)).find(replace(A_PLACEMENT, **(placement or {})))


def test_the_same_server_is_known() -> None:
    assert find(a_measurement()) == Learnt(SOME_FIGURES, "2026-11-24T10:00:00Z", "0.32.0")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"commit": "f" * 40}, id="another commit"),
        pytest.param({"engine_version": "0.33.0"}, id="another release"),
        pytest.param({"engine_version": "0.32.1"}, id="a patch of the release"),
        pytest.param({"images": frozenset({"registry.example/own-vllm:v0.32.0"})}, id="another image of the release"),
        pytest.param({"images": frozenset()}, id="no image"),
        pytest.param({"options": "5f2a"}, id="options that a user passed on"),
        pytest.param({"placement": {"product": "NVIDIA-L40S"}}, id="another product"),
        pytest.param({"placement": {"tensor_parallel": 2}}, id="more devices"),
        pytest.param({"placement": {"pipeline_parallel": 2}}, id="more stages"),
        pytest.param({"placement": {"dtype": "float16"}}, id="another number format"),
    ],
)
def test_another_server_is_not(changes: dict[str, Any]) -> None:
    assert find(a_measurement(), **changes) == NOTHING


def test_a_measurement_with_options_is_not_used_without_them() -> None:
    assert find(a_measurement(origin={"options": "5f2a"})) == NOTHING


@pytest.mark.parametrize(
    "limits",
    [pytest.param({"max_num_seqs": 256}, id="requests"), pytest.param({"max_num_batched_tokens": 8192}, id="tokens")],
)
def test_with_other_batch_limits_only_the_weights_are_known(limits: dict[str, int]) -> None:
    assert find(a_measurement(), placement=limits).figures == Figures(weights_gib=14.99)


def test_the_newest_weights_count_and_the_exact_rest() -> None:
    other = a_measurement(placement={"max_num_seqs": 256}, at="2026-11-25T10:00:00Z", weights_gib=15.01)

    found = find(a_measurement(), other)

    assert (found.figures.weights_gib, found.figures.activation_gib) == (15.01, 1.1)
    assert found.measured_at == "2026-11-25T10:00:00Z"


def test_a_server_that_told_no_weights_tells_the_rest() -> None:
    found = find(a_measurement(weights_gib=None))

    assert (found.figures.weights_gib, found.figures.kv_tokens) == (None, 32768)
    assert find(a_measurement(weights_gib=None), placement={"max_num_seqs": 1}) == NOTHING


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("0.32.0", "0.32.0", id="release"),
        pytest.param("0.32.0+cpu", "0.32.0", id="build for CPU"),
        pytest.param("v0.32.0", "0.32.0", id="tag"),
        pytest.param("0.32.1.dev3+gabc", "0.32.1.dev3", id="development build stays apart"),
        pytest.param(" 0.32.0\n", "0.32.0", id="white space"),
    ],
)
def test_a_release_is_known_by_its_number(text: str, want: str) -> None:
    assert plain_version(text) == want
    assert find(a_measurement(), engine_version=text) == (NOTHING if want != "0.32.0" else find(a_measurement()))


@pytest.mark.parametrize(
    ("measured_gib", "want_bytes"),
    [
        pytest.param(None, 5, id="not measured: the estimate"),
        pytest.param(1.0, GIB, id="measured"),
        pytest.param(0.1, 107374183, id="rounded up"),
        pytest.param(-0.1, 0, id="never less than nothing"),
    ],
)
def test_a_measured_figure_takes_the_place_of_the_estimate(measured_gib: float | None, want_bytes: int) -> None:
    assert corrected(measured_gib, 5) == want_bytes


@pytest.mark.parametrize(
    ("estimated_tokens", "want"),
    [
        pytest.param(32768, 1.0, id="as estimated"),
        pytest.param(65536, 2.0, id="a token takes twice as much"),
        pytest.param(16384, 0.5, id="half"),
    ],
)
def test_the_cache_is_scaled_by_the_tokens_that_were_there(estimated_tokens: int, want: float) -> None:
    asked = []

    def estimate(size_bytes: int, length: int) -> int:
        asked.append((size_bytes, length))
        return estimated_tokens

    assert find(a_measurement()).cache_scale(estimate) == want
    assert asked == [(4 * GIB, 16384)]


def test_a_cache_that_was_not_measured_is_not_scaled() -> None:
    assert NOTHING.cache_scale(lambda _size, _length: 1 // 0) == 1.0


def test_words_say_what_when_and_with_what() -> None:
    assert words(find(a_measurement())) == (
        "Weights 14.99 GiB, activation 1.10 GiB, memory outside torch 0.25 GiB, CUDA graphs 0.31 GiB and 32768 tokens "
        "in 4.00 GiB of KV cache as measured on 2026-11-24 with 0.32.0."
    )
    assert words(Learnt(Figures(weights_gib=14.99), "2026-11-24T10:00:00Z", "0.32.0")) == (
        "Weights 14.99 GiB as measured on 2026-11-24 with 0.32.0."
    )
    assert words(NOTHING) == ""
    assert measured_names(NOTHING) == ()


# -- in the plan


def served(*measurements: Any, **asked: Any) -> ServingPlan:
    return a_plan(LLAMA, L4, corrections=corrections_for(measurements, **WANTED), **asked)


def as_placed(plan_: ServingPlan) -> dict[str, Any]:
    return {name: getattr(plan_, name) for name in Placement.__dataclass_fields__}


def test_without_a_measurement_nothing_differs() -> None:
    assert a_plan(LLAMA, L4) == served()
    assert served(a_measurement(origin={"commit": "f" * 40})) == a_plan(LLAMA, L4)
    assert served().measured == ()
    assert "measured" not in served().explanation


def test_measured_figures_are_in_the_plan_and_in_its_words() -> None:
    before = served()
    told = a_measurement(placement=as_placed(before), kv_tokens=None)

    after = served(told)

    assert round(after.memory.weights_gib, 2) == 14.99
    assert round(after.memory.activation_gib, 2) == 1.1
    assert after.measured == ("weights", "activation", "memory outside torch", "CUDA graphs")
    assert "Weights 14.99 GiB, activation 1.10 GiB" in after.explanation
    assert "as measured on 2026-11-24 with 0.32.0." in after.explanation
    assert sum_of_parts(after) == pytest.approx(after.memory.total_gib)


def sum_of_parts(plan_: ServingPlan) -> float:
    memory = plan_.memory
    parts = (memory.weights_gib, memory.kv_cache_gib, memory.activation_gib, memory.overhead_gib, memory.margin_gib)
    return sum(parts)


def test_memory_that_was_not_needed_goes_to_the_cache() -> None:
    before = served()
    told = a_measurement(placement=as_placed(before), weights_gib=before.memory.weights_gib - 1, kv_tokens=None)

    assert served(told).max_model_len > before.max_model_len


def test_a_model_that_took_more_than_estimated_is_planned_with_that() -> None:
    before = served(context={"maxModelLen": 16384})
    told = a_measurement(placement=as_placed(before), weights_gib=18.5)

    after = served(told, context={"maxModelLen": 16384})

    assert (before.count, after.count) == (1, 2)


def test_a_token_that_takes_more_leaves_fewer_of_them() -> None:
    before = served(context={"maxModelLen": 8192})
    half = before.kv_tokens // 2
    told = a_measurement(
        placement=as_placed(before),
        kv_tokens=half,
        kv_cache_bytes=before.kv_cache_bytes,
        max_model_len=before.max_model_len,
        weights_gib=None,
        activation_gib=None,
        non_torch_gib=None,
        cuda_graph_gib=None,
    )

    after = served(told, context={"maxModelLen": 8192})

    assert after.kv_cache_bytes == before.kv_cache_bytes
    assert after.kv_tokens == pytest.approx(half, abs=1)
    assert after.concurrency == pytest.approx(before.concurrency / 2, abs=0.02)
    assert "were measured to be" in after.explanation


def test_a_confirmed_cache_changes_only_the_words() -> None:
    before = served()
    told = a_measurement(
        placement=as_placed(before),
        kv_tokens=before.kv_tokens,
        kv_cache_bytes=before.kv_cache_bytes,
        max_model_len=before.max_model_len,
        weights_gib=None,
        activation_gib=None,
        non_torch_gib=None,
        cuda_graph_gib=None,
    )

    after = served(told)

    assert replace(after, explanation="", measured=()) == replace(before, explanation="", measured=())
    assert after.measured == ("KV cache",)
    assert f"{before.kv_tokens} tokens in" in after.explanation


@pytest.mark.parametrize(
    "facts", [pytest.param(facts_of(TINY_CHAT), id="decoder"), pytest.param(minilm_facts(), id="encoder")]
)
def test_on_cpu_a_measured_cache_is_used_too(facts: Any) -> None:
    node = a_node(memory="32Gi", cpu="8")
    before = a_plan(facts, node)
    told = a_measurement(
        placement=as_placed(before),
        weights_gib=None,
        activation_gib=None,
        non_torch_gib=None,
        cuda_graph_gib=None,
        kv_tokens=before.kv_tokens or None,
        kv_cache_bytes=before.kv_cache_bytes or None,
        max_model_len=before.max_model_len,
    )

    found = a_plan(facts, node, corrections=corrections_for([told], **WANTED))

    assert found.measured == (("KV cache",) if before.kv_tokens else ())
    assert found.host_memory_gib == before.host_memory_gib


def test_no_corrections_is_nothing_known() -> None:
    assert NONE.find(A_PLACEMENT) == NOTHING
    assert Corrections() == NONE
