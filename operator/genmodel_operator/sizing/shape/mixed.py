"""Checkpoints whose modules have formats of their own: which module has which."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from genmodel_operator.sizing.shape.fields import invalid, whole
from genmodel_operator.sizing.shape.formats import of_algorithm, of_weights
from genmodel_operator.sizing.shape.model import ModuleFormat, Quantization

EVERYTHING = "*"
_WIDE_BITS = 16
_PATTERN_LETTERS = frozenset("*+?^$()[]{}|\\")
"""What makes a key of ``extra_config`` a regular expression to the engine."""

_EXPERT = re.compile(r"\.experts\.\d+\.")
_NOT_LISTED = (
    "quantization_config says MIXED_PRECISION and has no quantized_layers: every linear map is taken as 8 bits "
    "wide, the widest of its formats"
)


def of_listed_layers(declared: Mapping[str, Any], method: str) -> Quantization:
    """Return ModelOpt's MIXED_PRECISION: the modules that ``quantized_layers`` names, all others wide.

    The list may be in ``hf_quant_config.json`` only; without it the widest of the formats is taken.
    """
    listed = declared.get("quantized_layers")
    if listed is None or listed == {}:
        return replace(of_algorithm(method, "FP8"), assumed=_NOT_LISTED)
    if not isinstance(listed, Mapping) or not all(isinstance(layer, Mapping) for layer in listed.values()):
        raise invalid("quantization_config.quantized_layers", listed, "an object of modules with quant_algo")
    # The experts of a layer are one matrix to the engine: a list may name a hundred thousand of them.
    once = {_EXPERT.sub(".experts.", str(name)): layer for name, layer in listed.items()}
    formats = [
        ModuleFormat(name, of_algorithm(method, layer.get("quant_algo"), layer.get("group_size")))
        for name, layer in once.items()
    ]
    return Quantization(method, 0, modules=(*formats, ModuleFormat(EVERYTHING, None)))


def of_groups(groups: Mapping[str, Any], method: str) -> Quantization:
    """Return the format of ``config_groups``: one for all, or one for the targets of each group.

    The engine leaves a module that no target names as it is. A group without weights narrows what is
    computed only.
    """
    formats = list(_targets(groups, method))
    schemes = {found.scheme for found in formats if found.scheme is not None}
    if len(schemes) == 1:
        return schemes.pop()
    named = [found for found in formats if found.pattern != EVERYTHING]
    others = [found for found in formats if found.pattern == EVERYTHING]
    return Quantization(method, 0, modules=(*named, *others[:1], ModuleFormat(EVERYTHING, None)))


def _targets(groups: Mapping[str, Any], method: str) -> Iterator[ModuleFormat]:
    found = 0
    for group in groups.values():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if not isinstance(weights, Mapping):
            continue
        found += 1
        scheme = of_weights(method, weights)
        targets = group.get("targets") or ["Linear"]
        if not isinstance(targets, list):
            raise invalid("quantization_config.config_groups.targets", targets, "a list of modules")
        for target in targets:
            # Names of classes ("Linear") mean every linear map.
            is_class = str(target)[:1].isupper() and "." not in str(target)
            yield ModuleFormat(EVERYTHING if is_class else str(target), scheme)
    if not found:
        raise invalid("quantization_config.config_groups", groups, "groups with weights")


def with_extra(scheme: Quantization, declared: Mapping[str, Any]) -> Quantization:
    """Return AutoRound's format with that of the modules in ``extra_config``, and of blocks that are left out."""
    extra = declared.get("extra_config") or {}
    if not isinstance(extra, Mapping):
        raise invalid("quantization_config.extra_config", extra, "an object of modules")
    formats = [_extra(scheme, str(name), said) for name, said in extra.items()]
    blocks = declared.get("block_name_to_quantize") or declared.get("to_quant_block_names") or []
    named = blocks.split(",") if isinstance(blocks, str) else list(blocks)
    if not formats and not named:
        return scheme
    rest = [ModuleFormat(f"{str(block).strip()}*", scheme) for block in named] or [ModuleFormat(EVERYTHING, scheme)]
    return replace(scheme, modules=(*formats, *rest, ModuleFormat(EVERYTHING, None)))


def _extra(scheme: Quantization, name: str, said: object) -> ModuleFormat:
    if not isinstance(said, Mapping):
        raise invalid(f"quantization_config.extra_config.{name}", said, "an object with bits")
    pattern = f"re:.*(?:{name})" if _PATTERN_LETTERS & set(name) and not _is_glob(name) else name
    bits = whole(said.get("bits", scheme.bits), f"quantization_config.extra_config.{name}.bits")
    if bits >= _WIDE_BITS or str(said.get("data_type", "")).startswith(("float", "bfloat", "fp16", "bf16")):
        return ModuleFormat(pattern, None)
    size = said.get("group_size", scheme.group_size)
    group = size if isinstance(size, int) and size > 0 else None
    symmetric = bool(said.get("sym", scheme.symmetric))
    return ModuleFormat(pattern, Quantization(scheme.method, bits, group, symmetric=symmetric))


def _is_glob(name: str) -> bool:
    """Whether a key only ends in a star after a name, which no regular expression would be meant by."""
    return re.fullmatch(r"[\w.]+\*", name) is not None
