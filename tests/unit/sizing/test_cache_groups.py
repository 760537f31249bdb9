"""How layers of unlike caches share blocks, by release."""

from typing import Any

import pytest

from genmodel_operator.sizing.cache.settings import Platform
from genmodel_operator.sizing.shape.model import ModelShape, Unsizable
from tests import builders_cache as models
from tests.builders_cache import GIB, attention, layout_of, shape_of


@pytest.mark.parametrize(
    ("shape", "version", "want_sizes"),
    [
        pytest.param(models.LLAMA_31_8B, "0.19.0", [32], id="one kind: one group"),
        pytest.param(models.GEMMA_3_27B, "0.19.0", [10, 8, 8, 9, 9, 9, 9], id="52 windows beside 10 full layers"),
        pytest.param(
            models.GEMMA_3_1B, "0.19.0", [4, 3, 3, 4, 4, 4, 4], id="22 windows beside 4, two short of six groups"
        ),
        pytest.param(models.EXAONE_4_32B, "0.11.0", [16, 16, 16, 16], id="48 windows beside 16"),
        pytest.param(models.GEMMA_3_27B, "0.8.5", [62], id="before 0.9.1 every layer keeps every token"),
        pytest.param(models.GEMMA_3_27B, "0.9.1", [10, 8, 8, 9, 9, 9, 9], id="the manager came with 0.9.1"),
        pytest.param(models.LLAMA_4_SCOUT, "0.32.0", [48], id="chunks turn the manager off"),
        pytest.param(models.QWEN_27B, "0.19.0", [16, 16, 16, 16], id="48 states beside 16"),
        pytest.param(models.KIMI_LINEAR_48B, "0.11.2", [7, 7, 6, 7], id="20 states beside 7"),
    ],
)
def test_layers_per_group(shape: ModelShape, version: str, want_sizes: list[int]) -> None:
    got = [len(group.layers) for group in layout_of(shape, version).groups]
    assert sorted(got) == sorted(want_sizes)


@pytest.mark.parametrize(
    ("version", "want_groups"),
    [
        pytest.param("0.11.0", 2, id="no rule: the smaller count"),
        pytest.param("0.12.0", 1, id="up to 1.25 times as many: padded to the larger"),
    ],
)
def test_a_layer_more_of_one_kind(version: str, want_groups: int) -> None:
    shape = shape_of(*[attention(window=128), attention()] * 12, attention())
    full = [group for group in layout_of(shape, version).groups if group.spec.limit is None]
    assert len(full) == want_groups


@pytest.mark.parametrize(
    ("version", "want_groups"),
    [pytest.param("0.17.0", 2, id="1.25 was the limit"), pytest.param("0.18.0", 1, id="1.5 since 0.18")],
)
def test_a_third_more_of_one_kind(version: str, want_groups: int) -> None:
    shape = shape_of(*[attention(window=128)] * 9, *[attention()] * 12)
    full = [group for group in layout_of(shape, version).groups if group.spec.limit is None]
    assert len(full) == want_groups


def test_thinner_layers_get_larger_blocks() -> None:
    shape = shape_of(*[attention(4, 128, window=1024)] * 5, attention(8, 128))
    layout = layout_of(shape, "0.19.0")
    assert {group.spec.kind.value: group.block_tokens for group in layout.groups} == {
        "sliding window": 32,
        "full attention": 16,
    }
    assert layout.block_tokens == 16
    assert len({group.spec.page_bytes for group in layout.groups}) == 1


UNLIKE = shape_of(*[attention(16, 256, window=1024)] * 5, attention(4, 192))


def test_pages_that_do_not_divide_the_largest_are_padded() -> None:
    assert {group.spec.page_bytes for group in layout_of(UNLIKE, "0.24.0").groups} == {16 * 2 * 16 * 256 * 2}


@pytest.mark.parametrize("version", ["0.11.0", "0.23.0"])
def test_before_0_24_such_a_model_cannot_be_served(version: str) -> None:
    with pytest.raises(Unsizable, match="do not match") as caught:
        layout_of(UNLIKE, version)
    assert caught.value.reason == "UnsupportedArchitecture"


@pytest.mark.parametrize(
    ("shape", "version", "flags", "want"),
    [
        pytest.param(models.QWEN_27B, "0.9.2", {}, "no cache for the states", id="states before 0.10"),
        pytest.param(
            models.QWEN_27B, "0.19.0", {"hybrid_manager": False}, "layers keep states", id="without the manager"
        ),
        pytest.param(
            models.QWEN_27B, "0.11.0", {"platform": Platform.CPU}, "layers keep states", id="on CPU before 0.12"
        ),
    ],
)
def test_states_need_the_manager(shape: ModelShape, version: str, flags: dict[str, Any], want: str) -> None:
    with pytest.raises(Unsizable, match=want):
        layout_of(shape, version, **flags)


def test_shared_layers_have_no_cache_of_their_own() -> None:
    own = models.uniform(4, 8)
    shared = shape_of(*[attention()] * 4)
    layers = (*own.layers, *(type(layer)(mixer=layer.mixer, mlp=None, cache_of=3) for layer in shared.layers))
    model = shape_of(max_positions=4096)
    model = type(model)(**{name: getattr(model, name) for name in model.__slots__} | {"layers": layers})
    assert layout_of(model).token_bytes == layout_of(own).token_bytes


def test_cross_attention_keeps_the_encoders_tokens_per_request() -> None:
    layout = layout_of(models.MLLAMA_11B, "0.10.2")
    assert layout.pages(16) == 4 * 1 + 401
    assert layout.pages(4096) == 4 * 256 + 401


def test_before_the_manager_cross_attention_counts_like_the_rest() -> None:
    layout = layout_of(models.MLLAMA_11B, "0.8.5", platform=Platform.CUDA)
    # gt064: 14.65 GiB were 6001 blocks of all 40 layers.
    assert layout.blocks(int(14.652 * GIB)) == 6001


def test_an_encoder_caches_nothing() -> None:
    layout = layout_of(models.BERT)
    assert not layout.has_cache
    assert (layout.blocks(GIB), layout.kv_tokens(GIB, 512), layout.needed_bytes(512)) == (0, 0, 0)
    assert layout.state_blocks(GIB) is None
    assert layout.starts(0, 512)
    assert layout.longest_promised(0, 512) == 512
    assert layout.max_concurrency(GIB, 512) == float("inf")
