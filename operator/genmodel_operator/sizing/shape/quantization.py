"""How the weights are stored, from the dialects of ``quantization_config``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from genmodel_operator.sizing.shape.engine import engine_names
from genmodel_operator.sizing.shape.fields import invalid, whole
from genmodel_operator.sizing.shape.formats import of_algorithm, pair
from genmodel_operator.sizing.shape.mixed import of_groups, of_listed_layers, with_extra
from genmodel_operator.sizing.shape.model import Quantization, Unsizable

_WIDE = (
    "modules_to_not_convert",
    "ignore",
    "exclude_modules",
    "llm_int8_skip_modules",
    "ignored_layers",
    "skip_modules",
)
_ALSO_KNOWN = frozenset({"bitsandbytes", "fbgemm_fp8", "auto-round", "intel/auto-round", "modelopt_mixed", "w4a16"})
"""Methods of releases before the one whose table is at hand."""

_MODELOPT = ("modelopt", "modelopt_fp4", "modelopt_mixed")
_OF_DEEPSEEK = ("fp8", "deepseek_v4_fp8")
"""Methods that do not read ``ignore`` (which ModelOpt's builds of DeepSeek-V4 have), and that read ``expert_dtype``."""
_EXPERTS_IN_FP4 = ("deepseek_v4", "deepseek_v4_text", "deepseek_v41", "deepseek_v41_text")
"""Types whose experts are MXFP4 where ``expert_dtype`` is absent: the engine's own default for them."""


def read_quantization(config: Mapping[str, Any], text: Mapping[str, Any], model_type: str = "") -> Quantization | None:
    """Return how the weights are stored, None where they are not quantised. Raises ``Unsizable``."""
    declared = _declared(config, text)
    if declared is None:
        return None
    method = method_of(declared)
    return replace(
        _format(declared, method),
        wide_modules=tuple(
            str(name)
            for field in _WIDE
            if field != "ignore" or method not in _OF_DEEPSEEK
            for name in _names(declared.get(field), field)
        ),
        cache_bits=_cache_bits(declared),
        experts=_experts(config, text, declared, method, model_type),
    )


def _format(declared: Mapping[str, Any], method: str) -> Quantization:
    """Return the format of the linear maps."""
    if method in _MODELOPT or method == "compressed-tensors":
        return _grouped(declared, method)
    bits, group, symmetric = _scheme(declared, method)
    scheme = Quantization(method, bits, group, _block(declared), symmetric)
    return with_extra(scheme, declared) if method == "auto-round" else scheme


def _experts(
    config: Mapping[str, Any], text: Mapping[str, Any], declared: Mapping[str, Any], method: str, model_type: str
) -> Quantization | None:
    """Return the format of routed experts where they have one of their own: ``expert_dtype`` (DeepSeek-V4).

    ModelOpt's builds say ``moe_quant_algo`` instead.
    """
    if method not in _OF_DEEPSEEK:
        return None
    said = next((part["expert_dtype"] for part in (config, text, declared) if part.get("expert_dtype")), None)
    dtype = said or ("fp4" if model_type in _EXPERTS_IN_FP4 or method == "deepseek_v4_fp8" else "fp8")
    if dtype not in ("fp4", "fp8"):
        raise Unsizable(
            "UnsupportedQuantization", f"expert_dtype in config.json is {dtype!r}: the engine takes fp4 and fp8"
        )
    if dtype == "fp8":
        return None
    algorithm = declared.get("moe_quant_algo")
    return of_algorithm("modelopt", algorithm) if algorithm else Quantization("mxfp4", 4, 32)


def _declared(config: Mapping[str, Any], text: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for source in (text, config):
        for name in ("quantization_config", "compression_config"):
            declared = source.get(name)
            if declared is None:
                continue
            if not isinstance(declared, Mapping):
                raise invalid(name, declared, "an object")
            nested = declared.get("quantization")
            return {**declared, **nested} if isinstance(nested, Mapping) else declared
    return None


def method_of(declared: Mapping[str, Any]) -> str:
    """Return ``quant_method`` as the engine names it; raises ``Unsizable`` for one that nobody reads."""
    method = str(declared.get("quant_method") or "").lower().replace("compressed_tensors", "compressed-tensors")
    producer = declared.get("producer")
    if not method and isinstance(producer, Mapping) and producer.get("name") == "modelopt":
        method = "modelopt_fp4" if str(declared.get("quant_algo", "")).upper() == "NVFP4" else "modelopt"
    if not method and "load_in_4bit" in declared:
        method = "bitsandbytes"
    if method not in {*engine_names().quantization, *_ALSO_KNOWN}:
        raise Unsizable(
            "UnsupportedQuantization",
            f"quantization_config.quant_method in config.json is {method or 'missing'!r}, not read by the engine: "
            "choose a repository with another format",
        )
    return {"intel/auto-round": "auto-round", "inc": "auto-round", "auto_awq": "awq", "auto_gptq": "gptq",
            "awq_marlin": "awq", "gptq_marlin": "gptq", "gpt_oss_mxfp4": "mxfp4"}.get(method, method)  # fmt: skip


def _names(value: object, field: str) -> Sequence[object]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise invalid(f"quantization_config.{field}", value, "a list of names")
    return value


def _block(declared: Mapping[str, Any]) -> tuple[int, int] | None:
    block = declared.get("weight_block_size")
    return None if block is None else pair(block, "quantization_config.weight_block_size")


def _scheme(declared: Mapping[str, Any], method: str) -> tuple[float, int | None, bool]:
    """Return bits, group and symmetry of the methods that have one scheme for all layers."""
    if method in ("fp8", "fbgemm_fp8", "deepseek_v4_fp8", "experts_int8", "mxfp8"):
        return 8, 32 if method == "mxfp8" else None, True
    if method == "mxfp4":
        return 4, 32, True
    if method == "bitsandbytes":
        return (4 if declared.get("load_in_4bit") else 8), 64, not declared.get("bnb_4bit_use_double_quant", False)
    bits = whole(declared.get("bits", declared.get("w_bit", 4)), "quantization_config.bits")
    size = declared.get("group_size", declared.get("q_group_size", 128))
    group = None if size in (-1, 0, None) else whole(size, "quantization_config.group_size")
    symmetric = bool(declared.get("sym", True)) if method != "awq" else not declared.get("zero_point", True)
    return bits, group, symmetric


def _grouped(declared: Mapping[str, Any], method: str) -> Quantization:
    """Return the scheme of formats with ``config_groups``, or of ModelOpt's ``quant_algo``."""
    groups = declared.get("config_groups")
    if groups is not None and not isinstance(groups, Mapping):
        raise invalid("quantization_config.config_groups", groups, "groups with weights")
    algorithm = str(declared.get("quant_algo") or "").upper()
    if algorithm == "MIXED_PRECISION":
        return of_listed_layers(declared, method)
    if algorithm and (algorithm == "NVFP4" or not groups):
        return of_algorithm(method, algorithm, declared.get("group_size"))
    if not groups:
        raise invalid("quantization_config.config_groups", groups, "groups with weights")
    return of_groups(groups, method)


def _cache_bits(declared: Mapping[str, Any]) -> int | None:
    """Return the bits of the format that is declared for the cache."""
    scheme = declared.get("kv_cache_scheme")
    if isinstance(scheme, Mapping) and isinstance(scheme.get("num_bits"), int):
        return int(scheme["num_bits"])
    algorithm = scheme or declared.get("kv_cache_quant_algo") or declared.get("kv_cache_quant_method")
    if not algorithm:
        return None
    return 4 if "4" in str(algorithm) else 8
