"""Which number format the weights are served in, and which devices can do it."""

from dataclasses import dataclass

from genmodel_operator.api.v1alpha1 import Precision
from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.sizing.accelerators import NodeGroup

ENGINE_DTYPES = {
    Precision.BFLOAT16: "bfloat16",
    Precision.FLOAT16: "float16",
    Precision.FLOAT32: "float32",
}
"""Formats that unquantised weights are converted to, as the engine's ``--dtype`` names them."""

_WIDTH = {"bfloat16": 2, "float16": 2, "float32": 4}

_UNSTABLE_IN_FLOAT16 = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4"})
"""Model types that the engine (0.32) refuses to run in float16."""

_LEAST_CAPABILITY = {
    "awq": (7, 5),
    "compressed-tensors": (7, 5),
    "fbgemm_fp8": (8, 0),
    "fp8": (7, 5),
    "gptq": (7, 5),
    "modelopt": (8, 0),
}
"""Compute capability that the engine (0.32) asks of a quantisation method; 7.5 is its least of all.
Below 8.9 it serves FP8 with 16 bit arithmetic (Marlin), at the stored size."""

_FP8_WITHOUT_ARITHMETIC = (8, 0)
"""FP8 is planned from here on: the 16 bit path on 7.5 is younger than any logged start-up."""


@dataclass(frozen=True, slots=True)
class Served:
    """How the weights are served.

    Attributes:
        dtype: the engine's ``--dtype``.
        element_bytes: width of unquantised weights, of activations and of the KV cache.
        label: for people, such as "BFloat16 as stored".

    """

    dtype: str
    element_bytes: int
    label: str


def is_available(facts: ModelFacts, wanted: Precision) -> bool:
    """Whether weights stored like these can be served in the wanted format at all.

    Unquantised weights are converted between 16 and 32 bit formats and never quantised; a stored
    quantisation is served as it is.
    """
    if facts.quantization is not None:
        return wanted in {Precision.AUTO, facts.stored_precision}
    if wanted is Precision.AUTO:
        return facts.stored_precision in ENGINE_DTYPES
    return wanted in ENGINE_DTYPES


def served_on(facts: ModelFacts, wanted: Precision, group: NodeGroup, engine: tuple[int, int]) -> Served | str:
    """Return how the group's devices serve the weights, or in one line why they cannot.

    ``wanted`` must be available; ``engine`` is the release as (major, minor).
    """
    if not group.is_gpu:
        return _on_cpu(facts, wanted)
    capability = group.compute_capability
    if capability is None:
        return "its compute capability is unknown: the label nvidia.com/gpu.compute.major is missing"
    least = (7, 5) if engine >= (0, 21) else (7, 0)
    if capability < least:
        return f"compute capability {_dotted(capability)} is below the {_dotted(least)} that the engine needs"
    if facts.quantization is not None:
        return _quantised(facts, capability)
    return _converted(facts, wanted, capability)


def _on_cpu(facts: ModelFacts, wanted: Precision) -> Served | str:
    if facts.quantization is not None:
        return f"weights quantised with {facts.quantization} are served on GPUs only"
    return _plain(facts, _wanted_or_stored(facts, wanted))


def _quantised(facts: ModelFacts, capability: tuple[int, int]) -> Served | str:
    least = _LEAST_CAPABILITY.get(facts.quantization or "")
    if least is None:
        return f"what the quantisation method {facts.quantization} needs of a GPU is not known"
    if facts.stored_precision == Precision.FP8:
        least = max(least, _FP8_WITHOUT_ARITHMETIC)
    if capability < least:
        return (
            f"{facts.stored_precision} with {facts.quantization} needs compute capability {_dotted(least)}, "
            f"this is {_dotted(capability)}"
        )
    return Served(dtype="auto", element_bytes=2, label=f"{facts.stored_precision} as stored")


def _converted(facts: ModelFacts, wanted: Precision, capability: tuple[int, int]) -> Served | str:
    target = _wanted_or_stored(facts, wanted)
    if target is Precision.BFLOAT16 and capability < (8, 0):
        if wanted is not Precision.AUTO:
            return f"BFloat16 needs compute capability 8.0, this is {_dotted(capability)}"
        target = Precision.FLOAT16
    return _plain(facts, target)


def _plain(facts: ModelFacts, target: Precision) -> Served | str:
    if target is Precision.FLOAT16 and facts.model_type in _UNSTABLE_IN_FLOAT16:
        return f"models of type {facts.model_type} are not stable in Float16"
    dtype = ENGINE_DTYPES[target]
    how = "as stored" if target == facts.stored_precision else f"converted from {facts.stored_precision}"
    return Served(dtype=dtype, element_bytes=_WIDTH[dtype], label=f"{target} {how}")


def _wanted_or_stored(facts: ModelFacts, wanted: Precision) -> Precision:
    return Precision(facts.stored_precision) if wanted is Precision.AUTO else wanted


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
