"""Bytes of one token in every format, by hand."""

from typing import Any

import pytest

from genmodel_operator.sizing.shape.model import ModelShape, Quantization, Unsizable
from tests import builders_cache as models
from tests.builders_cache import attention, layout_of, shape_of, uniform


@pytest.mark.parametrize(
    ("shape", "flags", "want_bytes"),
    [
        pytest.param(models.LLAMA_31_8B, {}, 131072, id="Llama-3.1-8B"),
        pytest.param(models.LLAMA_33_70B, {}, 327680, id="70B"),
        pytest.param(models.LLAMA_33_70B, {"tensor_parallel": 4}, 81920, id="70B on four devices"),
        pytest.param(models.QWEN25_7B, {}, 57344, id="Qwen2.5-7B"),
        pytest.param(models.QWEN3_235B_A22B, {"tensor_parallel": 8}, 48128, id="more devices than heads: copies"),
        pytest.param(models.DEEPSEEK_R1, {}, 70272, id="latent attention"),
        pytest.param(models.DEEPSEEK_R1, {"tensor_parallel": 8}, 70272, id="latent attention is whole on every device"),
        pytest.param(models.LLAMA_31_8B, {"dtype": "float32"}, 262144, id="served in float32"),
        pytest.param(
            models.LLAMA_31_8B, {"dtype": "float32", "kv_cache_dtype": "bfloat16"}, 131072, id="forced to 16 bits"
        ),
        pytest.param(models.LLAMA_31_8B, {"kv_cache_dtype": "fp8_e5m2"}, 65536, id="FP8"),
        pytest.param(
            models.LLAMA_31_8B, {"kv_cache_dtype": "int8_per_token_head"}, 67584, id="4 bytes of scale per head"
        ),
        pytest.param(
            models.LLAMA_31_8B, {"kv_cache_dtype": "int4_per_token_head"}, 34816, id="half of that and the scale"
        ),
        pytest.param(
            models.LLAMA_31_8B, {"kv_cache_dtype": "nvfp4"}, 36864, id="NVFP4: 64 bytes and 8 of scales per head"
        ),
    ],
)
def test_bytes_per_token(shape: ModelShape, flags: dict[str, Any], want_bytes: int) -> None:
    assert layout_of(shape, "0.32.0", **flags).token_bytes == want_bytes


@pytest.mark.parametrize(
    ("version", "flags", "want_bytes"),
    [
        pytest.param("0.11.0", {}, 656 + 132, id="packed by default in 0.11"),
        pytest.param("0.19.0", {}, 1152 + 132, id="the served type by default since"),
        pytest.param("0.19.0", {"kv_cache_dtype": "fp8"}, 656 + 132, id="FP8 is packed on Hopper"),
        pytest.param(
            "0.32.0",
            {"kv_cache_dtype": "fp8", "compute_capability": (10, 0)},
            576 + 132,
            id="FP8 is plain on Blackwell",
        ),
        pytest.param("0.28.0", {"compute_capability": (12, 0)}, 656 + 132, id="always packed on workstations"),
    ],
)
def test_bytes_per_token_of_sparse_latent_attention(version: str, flags: dict[str, Any], want_bytes: int) -> None:
    assert layout_of(models.DEEPSEEK_V32_CUT, version, **flags).token_bytes == 16 * want_bytes


@pytest.mark.parametrize(
    ("method", "bits", "version", "want"),
    [
        pytest.param("modelopt", 8, "0.13.0", 131072, id="ModelOpt before 0.14: not obeyed"),
        pytest.param("modelopt", 8, "0.14.0", 65536, id="ModelOpt from 0.14 on"),
        pytest.param("compressed-tensors", 8, "0.16.0", 131072, id="compressed-tensors before 0.17: not obeyed"),
        pytest.param("compressed-tensors", 8, "0.17.0", 65536, id="compressed-tensors from 0.17 on"),
        pytest.param("fp8", 8, "0.32.0", 131072, id="other methods: never"),
        pytest.param("compressed-tensors", None, "0.32.0", 131072, id="nothing declared"),
    ],
)
def test_a_cache_format_that_the_checkpoint_declares(method: str, bits: int | None, version: str, want: int) -> None:
    shape = uniform(32, 8, quantization=Quantization(method=method, bits=8, cache_bits=bits))
    assert layout_of(shape, version).token_bytes == want


def test_an_explicit_format_wins_over_the_declared_one() -> None:
    shape = uniform(32, 8, quantization=Quantization(method="modelopt", bits=8, cache_bits=8))
    assert layout_of(shape, "0.32.0", kv_cache_dtype="bfloat16").token_bytes == 131072


@pytest.mark.parametrize(
    ("version", "want_bytes"),
    [pytest.param("0.13.0", 2 * 192, id="padded to the keys"), pytest.param("0.14.0", 192 + 128, id="its own size")],
)
def test_values_of_another_size_than_keys(version: str, want_bytes: int) -> None:
    shape = shape_of(*[attention(4, 192, value_dim=128)] * 2)
    assert layout_of(shape, version).token_bytes == 2 * 4 * want_bytes * 2


@pytest.mark.parametrize(
    ("shape", "flags", "want"),
    [
        pytest.param(models.LLAMA_31_8B, {"kv_cache_dtype": "fp7"}, "kv_cache_dtype: 'fp7'", id="unknown format"),
        pytest.param(models.DEEPSEEK_R1, {"kv_cache_dtype": "nvfp4"}, "does not suit latent", id="NVFP4 of latents"),
        pytest.param(models.LLAMA_31_8B, {"dtype": "int8"}, "dtype: 'int8'", id="unknown served type"),
        pytest.param(
            models.DEEPSEEK_V4_FLASH, {"kv_cache_dtype": "bfloat16"}, "takes fp8", id="compressed rows are FP8"
        ),
    ],
)
def test_what_is_not_known_is_refused(shape: ModelShape, flags: dict[str, Any], want: str) -> None:
    with pytest.raises(Unsizable, match=want) as caught:
        layout_of(shape, "0.32.0", **flags)
    assert caught.value.reason == "UnsupportedQuantization"


@pytest.mark.parametrize(
    ("shape", "flags", "want"),
    [
        pytest.param(
            models.LLAMA_31_8B,
            {},
            "2 x 8 heads x 128 x 2 bytes x 32 layers = 131072 bytes per token",
            id="Llama-3.1-8B",
        ),
        pytest.param(
            models.DEEPSEEK_R1, {}, "576 x 2 bytes x 61 layers = 70272 bytes per token", id="latent attention"
        ),
        pytest.param(
            models.DEEPSEEK_V32_CUT,
            {"kv_cache_dtype": "fp8"},
            "656 bytes x 16 layers + 132 bytes of the indexer x 16 layers = 12608 bytes per token",
            id="an indexer",
        ),
        pytest.param(models.BERT, {}, "nothing is cached", id="encoder"),
        pytest.param(
            models.GPT_OSS_20B,
            {"max_num_batched_tokens": 1024},
            "12 layers keep at most 1151 tokens of a request in blocks of 16: 2 x 8 heads x 64 x 2 bytes each; "
            "12 layers keep every token in blocks of 16: 2 x 8 heads x 64 x 2 bytes each; "
            "2 groups share blocks of 393216 bytes",
            id="windows",
        ),
        pytest.param(
            models.QWEN_27B,
            {},
            "48 layers keep 3207168 bytes of state in 1 blocks per request; "
            "16 layers keep every token in blocks of 784: 2 x 4 heads x 256 x 2 bytes each; "
            "4 groups share blocks of 51380224 bytes",
            id="states",
        ),
    ],
)
def test_the_arithmetic_in_words(shape: ModelShape, flags: dict[str, Any], want: str) -> None:
    assert layout_of(shape, "0.19.0", **flags).explanation == want
