"""What is believed of a measurement, how far the estimate was off, and which of two is kept."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmodel_operator.sizing.corrections import Figures
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.plausibility import Error, Estimate, believable, errors, merged
from tests.builders_measurements import SOME_FIGURES, a_measurement

L4 = Estimate(total_gib=22.03, weights_gib=15.0, activation_gib=1.0, kv_tokens=32768)
LOADED = Figures(weights_gib=14.99)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="near the estimate"),
        pytest.param({"weights_gib": 8.0, "kv_tokens": 32768}, id="half of the weights: much was skipped"),
        pytest.param({"activation_gib": 1.4}, id="a larger peak"),
        pytest.param({"activation_gib": 0.0}, id="no peak to speak of"),
        pytest.param({"kv_tokens": 20000}, id="fewer tokens: grouped layers"),
        pytest.param({"cuda_graph_gib": 0.0}, id="no graphs"),
        pytest.param({"weights_gib": None, "kv_tokens": None, "kv_cache_bytes": None}, id="little was told"),
    ],
)
def test_what_known_effects_explain_is_believed(changes: dict[str, Any]) -> None:
    figures = replace(SOME_FIGURES, **changes)

    kept, refused = believable(figures, L4)

    assert refused == ()
    assert (kept.weights_gib, kept.activation_gib, kept.kv_tokens) == (
        figures.weights_gib,
        figures.activation_gib,
        figures.kv_tokens,
    )


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param({"weights_gib": -1.0}, "weights_gib -1.0: less than nothing", id="negative weights"),
        pytest.param({"weights_gib": math.nan}, "weights_gib nan: no number", id="no number"),
        pytest.param({"weights_gib": math.inf}, "weights_gib inf: no number", id="infinite"),
        pytest.param({"weights_gib": 80.0}, "weights_gib 80.0: more than the device has", id="above the device"),
        pytest.param(
            {"weights_gib": 1.5},
            "weights_gib 1.5: estimated were 15.00 GiB, and nothing known explains more than 2 times or less",
            id="another model's weights",
        ),
        pytest.param(
            {"activation_gib": 5.0},
            "activation_gib 5.0: estimated were 1.00 GiB, and nothing known explains more than 4 times or less",
            id="a peak out of all bounds",
        ),
        pytest.param({"non_torch_gib": -3.58}, "non_torch_gib -3.58: less than nothing", id="logged by a real server"),
        pytest.param({"cuda_graph_gib": 9.0}, "cuda_graph_gib 9.0: more than 8.0 GiB", id="graphs of a larger device"),
        pytest.param(
            {"kv_tokens": 100},
            "kv_tokens 100: planned were 32768, and nothing known explains more than 2 times or less",
            id="another cache",
        ),
        pytest.param({"kv_tokens": 0}, "kv_tokens 0: less than one", id="no tokens"),
        pytest.param(
            {"kv_cache_bytes": None}, "kv_tokens 32768: of a cache that was not planned", id="tokens without a cache"
        ),
    ],
)
def test_an_outlier_is_refused_by_a_rule_and_the_rest_is_kept(changes: dict[str, Any], want: str) -> None:
    kept, refused = believable(replace(SOME_FIGURES, **changes), L4)

    assert refused == (want,)
    name = next(iter(changes)).replace("kv_cache_bytes", "kv_tokens")
    assert getattr(kept, name) is None
    assert kept.are_any


def test_figures_that_do_not_fit_together_are_all_refused() -> None:
    kept, refused = believable(replace(SOME_FIGURES, weights_gib=20.0), L4)

    assert not kept.are_any
    assert refused == ("together they are 3.63 GiB more than the device has",)


def test_small_models_are_not_held_to_factors() -> None:
    tiny = Estimate(total_gib=6.0, weights_gib=0.01, activation_gib=0.05, kv_tokens=1000)

    kept, refused = believable(Figures(weights_gib=0.3, activation_gib=0.4), tiny)

    assert (kept.weights_gib, refused) == (0.3, ())


@given(
    weights=st.none() | st.floats(),
    activation=st.none() | st.floats(),
    outside=st.none() | st.floats(),
    tokens=st.none() | st.integers(),
    size=st.none() | st.integers(),
)
def test_whatever_is_told_what_is_kept_is_possible(
    weights: float | None, activation: float | None, outside: float | None, tokens: int | None, size: int | None
) -> None:
    figures = Figures(
        weights_gib=weights,
        activation_gib=activation,
        non_torch_gib=outside,
        cuda_graph_gib=outside,
        kv_tokens=tokens,
        kv_cache_bytes=size,
        max_model_len=4096,
    )

    kept, _ = believable(figures, L4)

    parts = [kept.weights_gib, kept.activation_gib, kept.non_torch_gib, kept.cuda_graph_gib]
    assert all(part is None or 0 <= part <= 22.1 for part in parts)
    assert sum(part or 0 for part in parts) <= 22.1
    assert kept.kv_tokens is None or kept.kv_tokens > 0


def test_errors_of_the_estimates() -> None:
    figures = replace(SOME_FIGURES, weights_gib=14.0, activation_gib=1.25, kv_tokens=16384)

    found = errors(figures, L4)

    assert [(error.figure, error.gib) for error in found] == [
        ("weights", 1.0),
        ("activation", -0.25),
        ("KV cache", -2.0),
    ]
    assert [round(error.relative, 4) for error in found] == [0.0714, -0.2, -0.5]


def test_a_figure_that_was_measured_before_is_no_estimate() -> None:
    assert errors(SOME_FIGURES, L4, measured_before=("weights", "activation", "KV cache")) == []
    assert errors(Figures(), L4) == []


@pytest.mark.parametrize(
    ("estimated_gib", "want"),
    [pytest.param(1.0, math.inf, id="too much"), pytest.param(-1.0, -math.inf, id="too little")],
)
def test_an_error_where_nothing_was_measured(estimated_gib: float, want: float) -> None:
    assert Error("activation", estimated_gib, 0.0).relative == want


def test_the_first_measurement_is_kept() -> None:
    assert merged(None, a_measurement()) == a_measurement()


def test_the_same_again_is_nothing_new() -> None:
    known = a_measurement()

    assert merged(known, a_measurement(at="2026-12-24T10:00:00Z")) is known


def test_of_weights_and_cache_the_newest_count_and_of_the_rest_the_largest() -> None:
    new = a_measurement(
        at="2026-12-24T10:00:00Z", weights_gib=14.5, activation_gib=0.9, non_torch_gib=1.1, kv_tokens=30000
    )

    found = merged(a_measurement(), new)

    assert found.measured_at == "2026-12-24T10:00:00Z"
    assert found.figures == replace(
        SOME_FIGURES, weights_gib=14.5, activation_gib=1.1, non_torch_gib=1.1, kv_tokens=30000
    )


def test_what_is_not_told_again_stays() -> None:
    new = a_measurement(
        weights_gib=None,
        activation_gib=None,
        non_torch_gib=None,
        cuda_graph_gib=0.5,
        kv_tokens=None,
        kv_cache_bytes=GIB,
    )

    assert merged(a_measurement(), new).figures == replace(SOME_FIGURES, cuda_graph_gib=0.5)
