"""Which number formats the weights and the cache are served in, and which devices can do it."""

from dataclasses import dataclass

from genmodel_operator.api.v1alpha1 import Precision
from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.sizing.accelerators import AMD, NodeGroup
from genmodel_operator.sizing.budget.release import Release
from genmodel_operator.sizing.capability import (
    BFLOAT16_LEAST,
    ENGINE_LEAST,
    FP8_CACHE_LEAST,
    FP8_LEAST,
    Capability,
    dotted,
    least_for_attention,
    least_for_weights,
)
from genmodel_operator.sizing.shape.model import ModelShape

ENGINE_DTYPES = {
    Precision.BFLOAT16: "bfloat16",
    Precision.FLOAT16: "float16",
    Precision.FLOAT32: "float32",
}
"""Formats that unquantised weights are converted to, as the engine's ``--dtype`` names them."""

ONLINE_FP8 = "fp8"
"""The engine's ``--quantization`` that narrows wide weights to FP8 while it loads them."""
FP8_CACHE = "fp8"
"""The engine's ``--kv-cache-dtype`` for FP8."""

_UNSTABLE_IN_FLOAT16 = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4"})
"""Model types that the engine (0.32) refuses to run in float16."""

_AMD_ARCHITECTURES = ("gfx90a", "gfx942", "gfx950", "gfx11", "gfx12")
"""AMD's architectures that the engine (0.32) has kernels for, by the beginning of their name."""
_AMD_WITH_FP8 = ("gfx942", "gfx950", "gfx12")
_AMD_QUANTIZATION = frozenset({"compressed-tensors", "fp8"})
"""Methods that are planned on AMD GPUs, with FP8 weights only."""


@dataclass(frozen=True, slots=True)
class Served:
    """How the weights are served.

    Attributes:
        dtype: the engine's ``--dtype``.
        label: for people, such as "BFloat16 as stored".
        quantization: the engine's ``--quantization``; None: as the files are.

    """

    dtype: str
    label: str
    quantization: str | None = None


def is_available(facts: ModelFacts, wanted: Precision, *, allows_fp8: bool) -> bool:
    """Whether weights stored like these can be served in the wanted format at all.

    Unquantised weights are converted between 16 and 32 bit formats, and to FP8 where the operator's
    policy allows it; a stored quantisation is served as it is.
    """
    if facts.quantization is not None:
        return wanted in {Precision.AUTO, facts.stored_precision}
    if wanted is Precision.AUTO:
        return facts.stored_precision in ENGINE_DTYPES
    if wanted is Precision.FP8:
        return allows_fp8 and facts.stored_precision in ENGINE_DTYPES
    return wanted in ENGINE_DTYPES


def served_on(
    facts: ModelFacts, shape: ModelShape, wanted: Precision, group: NodeGroup, release: Release
) -> Served | str:
    """Return how the group's devices serve the weights, or in one line why they cannot.

    ``wanted`` must be available.
    """
    if not group.is_gpu:
        return _on_cpu(facts, wanted)
    return _on_amd(facts, wanted, group) if group.vendor == AMD else _on_nvidia(facts, shape, wanted, group, release)


def _on_nvidia(
    facts: ModelFacts, shape: ModelShape, wanted: Precision, group: NodeGroup, release: Release
) -> Served | str:
    capability = group.compute_capability
    if capability is None:
        return "its compute capability is unknown: the label nvidia.com/gpu.compute.major is missing"
    too_old = _why_too_old(shape, capability, release)
    if too_old is not None:
        return too_old
    if facts.quantization is not None:
        return _quantised(facts, shape, capability)
    return _converted(facts, wanted, capability)


def _why_too_old(shape: ModelShape, capability: Capability, release: Release) -> str | None:
    """Return why the engine, or its attention for this model, does not run on such a GPU."""
    least = ENGINE_LEAST if release.since(21) else (7, 0)
    if capability < least:
        return f"compute capability {dotted(capability)} is below the {dotted(least)} that the engine needs"
    sparse = least_for_attention(shape)
    if sparse is not None and capability < sparse:
        return f"its sparse attention needs compute capability {dotted(sparse)}, this is {dotted(capability)}"
    return None


def why_no_fp8_cache(group: NodeGroup) -> str | None:
    """Return why the group's devices cannot have a KV cache in FP8, None where they can."""
    if not group.is_gpu:
        return "spec.kvCachePrecision: FP8 is served on GPUs only"
    if group.vendor == AMD:
        if group.device_architecture.startswith(_AMD_WITH_FP8):
            return None
        return f"a KV cache in FP8 needs gfx942, gfx950 or gfx12, this is {group.device_architecture}"
    if group.compute_capability is not None and group.compute_capability >= FP8_CACHE_LEAST:
        return None
    found = "unknown" if group.compute_capability is None else dotted(group.compute_capability)
    return f"a KV cache in FP8 needs compute capability {dotted(FP8_CACHE_LEAST)}, this is {found}"


def _on_cpu(facts: ModelFacts, wanted: Precision) -> Served | str:
    if facts.quantization is not None:
        return f"weights quantised with {facts.quantization} are served on GPUs only"
    if wanted is Precision.FP8:
        return "weights are narrowed to FP8 on GPUs only"
    return _plain(facts, _wanted_or_stored(facts, wanted))


def _on_amd(facts: ModelFacts, wanted: Precision, group: NodeGroup) -> Served | str:
    architecture = group.device_architecture
    if not architecture:
        return f"the architecture of {group.product} is unknown: describe it in accelerators.products"
    if not architecture.startswith(_AMD_ARCHITECTURES):
        return f"the engine has no kernels for {architecture}"
    if facts.quantization is not None and facts.quantization not in _AMD_QUANTIZATION:
        return f"{facts.stored_precision} with {facts.quantization} is planned on NVIDIA GPUs only"
    if Precision.FP8 in (wanted, facts.stored_precision) and not architecture.startswith(_AMD_WITH_FP8):
        return f"FP8 needs gfx942, gfx950 or gfx12, this is {architecture}"
    return _quantised_on_amd(facts) if facts.quantization is not None else _unquantised(facts, wanted)


def _quantised_on_amd(facts: ModelFacts) -> Served | str:
    if facts.stored_precision != Precision.FP8:
        return f"{facts.stored_precision} with {facts.quantization} is planned on NVIDIA GPUs only"
    return Served(dtype="auto", label=f"{facts.stored_precision} as stored")


def _unquantised(facts: ModelFacts, wanted: Precision) -> Served | str:
    return _narrowed(facts) if wanted is Precision.FP8 else _plain(facts, _wanted_or_stored(facts, wanted))


def _quantised(facts: ModelFacts, shape: ModelShape, capability: Capability) -> Served | str:
    is_fp8 = facts.stored_precision == Precision.FP8
    least = least_for_weights(facts.quantization or "", shape.quantization, is_fp8=is_fp8)
    if least is None:
        return (
            f"quantization_config.quant_method in config.json is {facts.quantization}, "
            "and what it needs of a GPU is not known"
        )
    if capability < least:
        return (
            f"{facts.stored_precision} with {facts.quantization} needs compute capability {dotted(least)}, "
            f"this is {dotted(capability)}"
        )
    return Served(dtype="auto", label=f"{facts.stored_precision} as stored")


def _converted(facts: ModelFacts, wanted: Precision, capability: Capability) -> Served | str:
    if wanted is Precision.FP8:
        if capability < FP8_LEAST:
            return f"FP8 needs compute capability {dotted(FP8_LEAST)}, this is {dotted(capability)}"
        return _narrowed(facts)
    target = _wanted_or_stored(facts, wanted)
    if target is Precision.BFLOAT16 and capability < BFLOAT16_LEAST:
        if wanted is not Precision.AUTO:
            return f"BFloat16 needs compute capability {dotted(BFLOAT16_LEAST)}, this is {dotted(capability)}"
        target = Precision.FLOAT16
    return _plain(facts, target)


def _narrowed(facts: ModelFacts) -> Served:
    """Return wide weights as FP8; what stays wide, and the activations, have 16 bits."""
    stored = Precision(facts.stored_precision)
    dtype = ENGINE_DTYPES[Precision.BFLOAT16 if stored is Precision.FLOAT32 else stored]
    return Served(dtype, f"FP8 converted from {facts.stored_precision} at start", ONLINE_FP8)


def _plain(facts: ModelFacts, target: Precision) -> Served | str:
    if target is Precision.FLOAT16 and facts.model_type in _UNSTABLE_IN_FLOAT16:
        return f"models of type {facts.model_type} are not stable in Float16"
    how = "as stored" if target == facts.stored_precision else f"converted from {facts.stored_precision}"
    return Served(ENGINE_DTYPES[target], f"{target} {how}")


def _wanted_or_stored(facts: ModelFacts, wanted: Precision) -> Precision:
    return Precision(facts.stored_precision) if wanted is Precision.AUTO else wanted
