"""DeepSeek-V4: routed experts of 4 bits in files that say fp8, and the start that was refused on two GH200."""

from typing import Any

import pytest

from bench.sizing.configs import find_config
from bench.sizing.rows import read_rows
from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import Estimate
from genmodel_operator.sizing.shape.model import Quantization, Unsizable
from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.model import Layout, Part
from genmodel_operator.sizing.tensors.weights import read_weights

GIB = 2**30
FLASH_BYTES = int(148.66 * GIB)
"""Of the 46 shards of DeepSeek-V4-Flash, one drafting layer among them (vllm-project/recipes, pull request 646)."""
FLASH_0731_BYTES, PRO_BYTES = 166_891_691_704, 864_727_240_540
"""Of the safetensors files, as catalogued (bench/sizing/data/model_configs.json)."""


def config_of(name: str, **changes: Any) -> dict[str, Any]:
    known = find_config(name, "")
    assert known is not None
    return {**known.config, **changes}


def weighed(config: dict[str, Any], *, with_draft: bool = False) -> int:
    return read_weights(read_shape(config), with_draft=with_draft).on_device(Layout()).total_bytes


def drafting_layer(config: dict[str, Any]) -> int:
    """The bytes of one drafting layer: another layer of the last kind, which is where the weights are."""
    plain = {**config, "num_hidden_layers": 1, "compress_ratios": [0]}
    return weighed(plain) - weighed({**plain, "n_routed_experts": 1, "num_experts_per_tok": 1})


@pytest.mark.parametrize(
    ("name", "files", "drafts"),
    [
        pytest.param("DeepSeek-V4-Flash", FLASH_BYTES, 1, id="Flash"),
        pytest.param("DeepSeek-V4-Flash", FLASH_0731_BYTES, 3, id="Flash-0731, with the three layers of its drafter"),
        pytest.param("DeepSeek-V4-Pro", PRO_BYTES, 1, id="Pro"),
    ],
)
def test_weights_are_the_files_without_their_drafting_layers(name: str, files: int, drafts: int) -> None:
    config = config_of(name)
    assert weighed(config) == pytest.approx(files - drafts * drafting_layer(config), rel=0.005)


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param({}, Quantization("mxfp4", 4, 32), id="nothing said: the engine takes fp4"),
        pytest.param({"expert_dtype": "fp4"}, Quantization("mxfp4", 4, 32), id="fp4"),
        pytest.param({"expert_dtype": "fp8"}, None, id="fp8: as all other maps"),
        pytest.param(
            {"quantization_config": {"quant_method": "fp8", "expert_dtype": "fp8"}}, None, id="said by the quantisation"
        ),
        pytest.param(
            {"model_type": "another", "quantization_config": {"quant_method": "fp8"}}, None, id="another type says it"
        ),
        pytest.param(
            {"model_type": None, "quantization_config": {"quant_method": "deepseek_v4_fp8"}},
            Quantization("mxfp4", 4, 32),
            id="the engine's own name of the format",
        ),
    ],
)
def test_the_format_of_experts(changes: dict[str, Any], want: Quantization | None) -> None:
    found = read_shape(config_of("DeepSeek-V4-Flash", **changes)).quantization
    assert found is not None
    assert found.method in ("fp8", "deepseek_v4_fp8")
    assert found.experts == want


def test_an_expert_takes_four_bits_and_a_scale_for_each_32() -> None:
    config = config_of("DeepSeek-V4-Flash")
    parts = read_weights(read_shape(config)).on_device(Layout()).parts
    assert parts[Part.EXPERTS] == pytest.approx(43 * 256 * 3 * 4096 * 2048 * (0.5 + 1 / 32), rel=1e-3)


def test_nvfp4_experts_have_scales_for_each_16_and_all_else_stays_fp8() -> None:
    native, made = config_of("DeepSeek-V4-Flash"), config_of("DeepSeek-V4-Flash-NVFP4")
    parts = read_weights(read_shape(made)).on_device(Layout()).parts
    assert parts[Part.EXPERTS] == pytest.approx(43 * 256 * 3 * 4096 * 2048 * (0.5 + 1 / 16), rel=1e-3)
    assert parts[Part.ATTENTION] == read_weights(read_shape(native)).on_device(Layout()).parts[Part.ATTENTION]


def test_another_format_of_experts_is_refused_by_name() -> None:
    with pytest.raises(Unsizable, match=r"expert_dtype in config\.json is 'fp6'"):
        read_shape(config_of("DeepSeek-V4-Flash", expert_dtype="fp6"))


def refused_start(**changes: Any) -> Estimate:
    """gt250, made by the engine's LLM class, whose steps have 16384 tokens (vllm-project/vllm, issue 44376)."""
    request = next(row.request for row in read_rows() if row.id == "gt250")
    assert request is not None
    answer = estimate({**request, "max_num_batched_tokens": 16384, **changes})
    assert isinstance(answer, Estimate)
    return answer


def test_the_refused_start_is_foreseen_with_its_reason() -> None:
    answer = refused_start()
    assert answer.verdict.reason == "KVCacheTooSmall"
    assert "6.66 GiB KV cache is needed" in str(answer.verdict.message)
    assert answer.kv_cache_bytes is not None
    assert answer.kv_cache_bytes / GIB == pytest.approx(5.44, abs=0.25)


def test_the_longest_length_is_the_logged_one_when_the_cache_is() -> None:
    answer = refused_start(kv_cache_memory_bytes=int(5.44 * GIB))
    assert answer.verdict.reason == "KVCacheTooSmall"
    longest = int(str(answer.verdict.message).split("estimated maximum model length is ")[1].split(".")[0])
    assert longest == pytest.approx(13528, rel=0.001)


def test_a_config_without_ratios_is_refused_and_not_sized_as_plain_attention() -> None:
    config = config_of("DeepSeek-V4-Flash")
    del config["compress_ratios"]
    with pytest.raises(Unsizable, match="no compress_ratios") as refused:
        read_shape(config)
    assert refused.value.reason == "MissingConfigField"


def test_the_indexer_of_sparse_attention_sets_memory_aside() -> None:
    def activation(**changes: Any) -> int:
        request = {"id": "r", "model": {"id": "m", "config": config_of("DeepSeek-V3.2", **changes)},
                   "gpu": {"product": "H200", "memory_gib": 139.8}, "vllm_version": "0.32.0"}  # fmt: skip
        answer = estimate({**request, "tensor_parallel_size": 8})
        assert isinstance(answer, Estimate)
        return answer.activation_bytes or 0

    assert activation() - activation(index_head_dim=None, index_n_heads=None) == 512 << 20
