"""Tensors folded to patterns and back, and what a pod can leave for real models."""

import json
import zlib
from base64 import b85encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmodel_operator.cli.assumed import assumed_tensors
from genmodel_runtime.contract import TERMINATION_LOG_MAX_BYTES, RuntimeReason
from genmodel_runtime.folding import LONGEST_TEXT_BYTES, MOST_TENSORS, Entry, fold, pack, unfold, unpack
from genmodel_runtime.inspection import encode
from genmodel_runtime.source import SourceBroken
from tests.builders_models import every_config

A = ("BF16", (4, 8))


def entries(*names: str) -> list[Entry]:
    return [(name, *A) for name in names]


@pytest.mark.parametrize(
    ("names", "want"),
    [
        pytest.param(["lm_head.weight"], [["lm_head.weight", *A, None]], id="no number"),
        pytest.param(["h.0.w", "h.1.w", "h.3.w"], [["h.*.w", *A, [["0-1,3", None]]]], id="layers with a gap"),
        pytest.param(
            ["h.0.e.0.w", "h.0.e.1.w", "h.1.e.0.w", "h.1.e.1.w"],
            [["h.*.e.*.w", *A, [["0-1", [["0-1", None]]]]]],
            id="experts of all layers",
        ),
        pytest.param(
            ["h.0.e.0.w", "h.1.e.0.w", "h.1.e.1.w"],
            [["h.*.e.*.w", *A, [["0", [["0", None]]], ["1", [["0-1", None]]]]]],
            id="layers that differ",
        ),
        pytest.param(["h.07.w"], [["h.07.w", *A, None]], id="a number that would be written in another way"),
        pytest.param(["h.*.w", "h.1.w"], [["h.*.w", *A, None], ["h.*.w", *A, [["1", None]]]], id="a star of its own"),
        pytest.param(["layer12.w2"], [["layer12.w2", *A, None]], id="digits within a word"),
    ],
)
def test_fold(names: list[str], want: list[Any]) -> None:
    folded = fold(entries(*names))
    assert [[pattern, dtype, tuple(shape), tree] for pattern, dtype, shape, tree in folded] == want
    assert sorted(unfold(folded)) == sorted(entries(*names))


@given(
    st.sets(
        st.tuples(
            st.lists(st.sampled_from(["a", "0", "1", "12", "007", "*", "é", ""]), min_size=1, max_size=5).map(".".join),
            st.sampled_from(["BF16", "F32"]),
            st.sampled_from([(), (1,), (2, 3)]),
        )
    )
)
def test_unfold_gives_back_what_was_folded(found: set[Entry]) -> None:
    unfolded = list(unfold(json.loads(json.dumps(fold(found)))))
    assert len(unfolded) == len(found)
    assert set(unfolded) == found


@pytest.mark.parametrize(
    "groups",
    [
        pytest.param([["h.*.w", "BF16", [1], [[f"0-{MOST_TENSORS}", None]]]], id="too many"),
        pytest.param([["h.w", "BF16", [1], [["0-1", None]]]], id="numbers without a star"),
        pytest.param([["h.*.w", "BF16", [1], [["x", None]]]], id="no number"),
    ],
)
def test_damaged_groups_are_refused(groups: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"tensors|numbers|invalid literal"):
        list(unfold(groups))


@given(st.binary())
def test_unpack_gives_back_what_was_packed(text: bytes) -> None:
    packed = pack(text)
    assert unpack(packed) == text
    assert json.dumps(packed) == f'"{packed}"', "nothing in it has to be escaped"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("not base85 \x00", id="other text"),
        pytest.param(b85encode(b"no zlib").decode(), id="other bytes"),
        pytest.param(pack(b"x" * 100)[:-5], id="cut"),
        pytest.param(b85encode(zlib.compress(bytes(LONGEST_TEXT_BYTES + 1))).decode(), id="a bomb"),
    ],
)
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"damaged|base85|bad"):
        unpack(text)


def shards(count: int) -> list[list[Any]]:
    return [
        [f"model-{n:05d}-of-{count:05d}.safetensors", 4_900_000_000 + n * 7_919_113 % 99_999_989] for n in range(count)
    ]


SIDE_FILES = [["generation_config.json", 181], ["tokenizer.json", 17_209_920], ["tokenizer_config.json", 50_500]]


def experts(layers: int, count: int) -> list[Entry]:
    """The tensors of a large mixture's experts, scales included, each stored by itself."""
    return [
        (f"model.layers.{layer}.mlp.experts.{expert}.{part}.{kind}", dtype, shape)
        for layer in range(3, layers)
        for expert in range(count)
        for part, full in (("gate_proj", (2048, 7168)), ("up_proj", (2048, 7168)), ("down_proj", (7168, 2048)))
        for kind, dtype, shape in (
            ("weight", "F8_E4M3", full),
            ("weight_scale_inv", "F32", (full[0] // 128, full[1] // 128)),
        )
    ]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param("mistralai/Mistral-7B-v0.3", 0, id="dense"),
        pytest.param("Qwen/Qwen3.5-122B-A10B-GPTQ-Int4", 0, id="quantised mixture with images"),
        pytest.param("nvidia/Qwen3.5-397B-A17B-NVFP4", 0, id="with a long list of what is not quantised"),
        pytest.param("deepseek-ai/DeepSeek-V4-Pro", 256, id="ninety thousand tensors"),
    ],
)
def test_what_real_models_need_fits(name: str, count: int) -> None:
    config = every_config()[name]
    tensors = [(tensor.name, tensor.dtype, tensor.shape) for tensor in assumed_tensors(config)]
    document = {
        "digest": "0123456789abcdef" * 2 + "01234567",
        "files": [*shards(163), *SIDE_FILES],
        "others": [],
        "documents": {"config.json": config, "tokenizer_config.json": {"model_max_length": 131072}},
        "indexed": True,
        "tensors": fold([*tensors, *experts(61, count)]),
    }
    assert len(encode(document)) <= TERMINATION_LOG_MAX_BYTES


def test_what_does_not_fit_is_refused_with_a_way_out() -> None:
    document = {"files": [[f"{number * 7919 % 100_003:x}.txt", number * 104_729 % 99_991] for number in range(2000)]}
    with pytest.raises(SourceBroken, match="and a pod can leave 4096") as refused:
        encode(document)
    assert refused.value.failure.reason is RuntimeReason.SOURCE_INVALID
    assert "keep only what is served" in refused.value.failure.hint
