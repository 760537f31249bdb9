"""The cache in blocks: bytes per token, tokens, requests."""

import pytest

from genmodel_operator.sizing.architecture import Architecture, read_architecture
from genmodel_operator.sizing.evidence import Attention
from genmodel_operator.sizing.kvcache import CPU_BLOCK_TOKENS, GPU_BLOCK_TOKENS, KVCache, kv_cache
from tests.builders_sizing import LLAMA_31_8B, LLAMA_33_70B, QWEN3_30B_A3B, QWEN_25_7B

FULL = Attention(has_cache=True)
SMALL = KVCache(token_layer_bytes=64, layers=2, block_tokens=16)
"""2048 bytes per block."""


def cache_of(config: dict[str, object], *, parallel: int = 1, width: int = 2, attention: Attention = FULL) -> KVCache:
    architecture = read_architecture(config)
    assert isinstance(architecture, Architecture)
    cache = kv_cache(
        architecture, attention, element_bytes=width, tensor_parallel=parallel, block_tokens=GPU_BLOCK_TOKENS
    )
    assert cache is not None
    return cache


@pytest.mark.parametrize(
    ("config", "parallel", "width", "want_bytes"),
    [
        pytest.param(LLAMA_31_8B, 1, 2, 131_072, id="Llama 3.1 8B"),
        pytest.param(LLAMA_31_8B, 1, 4, 262_144, id="Llama 3.1 8B in float32"),
        pytest.param(LLAMA_33_70B, 1, 2, 327_680, id="Llama 3.3 70B"),
        pytest.param(LLAMA_33_70B, 4, 2, 81_920, id="Llama 3.3 70B over four devices"),
        pytest.param(QWEN_25_7B, 1, 2, 57_344, id="Qwen2.5 7B"),
        pytest.param(QWEN_25_7B, 4, 2, 14_336, id="Qwen2.5 7B over four devices"),
        pytest.param(QWEN3_30B_A3B, 8, 2, 24_576, id="copies of heads where devices are more"),
    ],
)
def test_bytes_per_token(config: dict[str, object], parallel: int, width: int, want_bytes: int) -> None:
    assert cache_of(config, parallel=parallel, width=width).token_bytes == want_bytes


def test_encoders_have_none() -> None:
    architecture = read_architecture(LLAMA_31_8B)
    assert isinstance(architecture, Architecture)
    none = kv_cache(
        architecture,
        Attention(has_cache=False),
        element_bytes=2,
        tensor_parallel=1,
        block_tokens=CPU_BLOCK_TOKENS,
    )
    assert none is None


@pytest.mark.parametrize(
    ("cache_bytes", "want_tokens"),
    [
        pytest.param(-5, 0, id="less than nothing"),
        pytest.param(2047, 0, id="not one block"),
        pytest.param(2048, 16, id="one block"),
        pytest.param(5000, 32, id="whole blocks only"),
    ],
)
def test_tokens(cache_bytes: int, want_tokens: int) -> None:
    assert SMALL.tokens(cache_bytes) == want_tokens


@pytest.mark.parametrize(
    ("length", "concurrency", "want_blocks"),
    [
        pytest.param(16, 1, 2, id="one block and the placeholder"),
        pytest.param(17, 1, 3, id="a token in the next block"),
        pytest.param(100, 3, 22, id="three requests of seven blocks"),
    ],
)
def test_needed_bytes(length: int, concurrency: int, want_blocks: int) -> None:
    assert SMALL.needed_bytes(length, concurrency) == want_blocks * 2048


def test_a_window_that_is_never_shorter_costs_one_block_per_request() -> None:
    windowed = cache_of(QWEN_25_7B, attention=Attention(has_cache=True, is_windowed=True))
    plain = cache_of(QWEN_25_7B)
    assert windowed.request_blocks(1024) == plain.request_blocks(1024) + 1 == 65


@pytest.mark.parametrize("length", [1, 15, 16, 17, 1000])
@pytest.mark.parametrize("concurrency", [1, 2, 7])
def test_what_is_needed_holds_the_requests(length: int, concurrency: int) -> None:
    needed = SMALL.needed_bytes(length, concurrency)
    assert SMALL.concurrency(needed, length) == concurrency
    assert SMALL.concurrency(needed - 1, length) < concurrency
