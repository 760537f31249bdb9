"""How the weights are stored, from the dialects of ``quantization_config``."""

from collections.abc import Mapping, Sequence
from typing import Any

from genmodel_operator.sizing.shape.engine import engine_names
from genmodel_operator.sizing.shape.fields import invalid, whole
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

_ALGORITHMS: Mapping[str, tuple[float, int | None, tuple[int, int] | None]] = {
    # bits, group, block
    "FP8": (8, None, None),
    "FP8_PER_CHANNEL_PER_TOKEN": (8, None, None),
    "FP8_PB_WO": (8, None, (128, 128)),
    "NVFP4": (4, 16, None),
    "W4A16_NVFP4": (4, 16, None),
    "MXFP8": (8, 32, None),
    "W4A8_MXFP4_FP8": (4, 32, None),
    "MIXED_PRECISION": (0, None, None),
    "NVFP4_AWQ": (4, 16, None),
    "W4A16_AWQ": (4, 128, None),
}
"""Values of ModelOpt's ``quant_algo``; 0 bits: each layer has its own."""


_BITS = "quantization_config.config_groups.weights.num_bits"


def read_quantization(config: Mapping[str, Any], text: Mapping[str, Any]) -> Quantization | None:
    """Return how the weights are stored, None where they are not quantised. Raises ``Unsizable``."""
    declared = _declared(config, text)
    if declared is None:
        return None
    method = method_of(declared)
    wide = tuple(str(name) for field in _WIDE for name in _names(declared.get(field), field))
    cache = _cache_bits(declared)
    if method in ("compressed-tensors", "modelopt", "modelopt_fp4", "modelopt_mixed"):
        return _grouped(declared, method, wide, cache)
    block = _block(declared)
    bits, group, symmetric = _scheme(declared, method)
    return Quantization(method, bits, group, block, symmetric, wide, cache)


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
    return None if block is None else _pair(block, "quantization_config.weight_block_size")


def _pair(value: object, name: str) -> tuple[int, int]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise invalid(name, value, "two numbers")
    return whole(value[0], name), whole(value[1], name)


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


def _grouped(declared: Mapping[str, Any], method: str, wide: tuple[str, ...], cache: int | None) -> Quantization:
    """Return the scheme of formats with ``config_groups``, or of ModelOpt's ``quant_algo``."""
    groups = declared.get("config_groups")
    if groups is not None and not isinstance(groups, Mapping):
        raise invalid("quantization_config.config_groups", groups, "groups with weights")
    weights = [group.get("weights") for group in groups.values() if isinstance(group, Mapping)] if groups else []
    schemes = [weight for weight in weights if isinstance(weight, Mapping)]
    algorithm = str(declared.get("quant_algo") or "").upper()
    if algorithm and (not schemes or algorithm in ("NVFP4", "MIXED_PRECISION")):
        if algorithm not in _ALGORITHMS:
            raise Unsizable(
                "UnsupportedQuantization",
                f"quantization_config.quant_algo in config.json is {algorithm!r}, not known here",
            )
        bits, group, block = _ALGORITHMS[algorithm]
        size = declared.get("group_size")
        group = size if isinstance(size, int) and size > 0 else group
        return Quantization(method, bits, group, block, wide_modules=wide, cache_bits=cache)
    if not schemes:
        raise invalid("quantization_config.config_groups", groups, "groups with weights")
    widths = {whole(scheme.get("num_bits", 8), _BITS) for scheme in schemes}
    if len(widths) > 1:
        return Quantization(method, 0, wide_modules=wide, cache_bits=cache)
    scheme = schemes[0]
    block = scheme.get("block_structure")
    size = scheme.get("group_size")
    return Quantization(
        method,
        widths.pop(),
        size if isinstance(size, int) and size > 0 else None,
        _pair(block, "quantization_config.config_groups.weights.block_structure") if block else None,
        bool(scheme.get("symmetric", True)),
        wide,
        cache,
    )


def _cache_bits(declared: Mapping[str, Any]) -> int | None:
    """Return the bits of the format that is declared for the cache."""
    scheme = declared.get("kv_cache_scheme")
    if isinstance(scheme, Mapping) and isinstance(scheme.get("num_bits"), int):
        return int(scheme["num_bits"])
    algorithm = scheme or declared.get("kv_cache_quant_algo") or declared.get("kv_cache_quant_method")
    if not algorithm:
        return None
    return 4 if "4" in str(algorithm) else 8
