"""What the engine's kernels ask of an NVIDIA GPU, by its compute capability.

Read in the sources of vLLM 0.32 (``get_min_capability`` of each quantisation method and scheme, and
``supports_compute_capability`` of the attention backends).
"""

from genmodel_operator.sizing.shape.model import CompressedAttention, LatentAttention, ModelShape, Quantization

Capability = tuple[int, int]
"""As (major, minor)."""

ENGINE_LEAST: Capability = (7, 5)
"""The least that the engine's image is built for, from 0.21 on."""
BFLOAT16_LEAST: Capability = (8, 0)
FP8_CACHE_LEAST: Capability = (8, 9)
"""From here on the hardware has the format, so that every attention backend can read the cache."""
FP8_LEAST: Capability = (8, 0)
"""FP8 weights below 8.9 run through 16 bit kernels (Marlin) at the stored size. The engine takes 7.5
too, in a path that is younger than any logged start: not planned."""

_METHODS: dict[str, Capability] = {
    "auto-round": (7, 5),
    "awq": (7, 5),
    "compressed-tensors": (7, 5),
    "deepseek_v4_fp8": (9, 0),
    "experts_int8": (8, 0),
    "fbgemm_fp8": (8, 0),
    "fp8": FP8_LEAST,
    "gptq": (7, 5),
    "humming": (7, 5),
    "modelopt": (8, 0),
    "modelopt_fp4": (7, 5),
    "modelopt_mixed": (8, 0),
    "modelopt_mxfp8": (8, 0),
    "moe_wna16": (7, 5),
    "mxfp4": (8, 0),
    "mxfp8": (8, 0),
    "quark": (8, 0),
    "torchao": (7, 5),
}
"""Methods as ``shape.quantization`` names them. 4 bit integers run from 7.5 on (Marlin), NVFP4 below
10.0 through 16 bit kernels, MXFP4 from 8.0 on."""
_SAME = {
    "auto_awq": "awq", "awq_marlin": "awq", "auto_gptq": "gptq", "gptq_marlin": "gptq", "gpt_oss_mxfp4": "mxfp4",
    "inc": "auto-round", "intel/auto-round": "auto-round", "compressed_tensors": "compressed-tensors",
}  # fmt: skip


def least_for_weights(method: str, scheme: Quantization | None, *, is_fp8: bool) -> Capability | None:
    """Return the compute capability that a stored quantisation needs; None where it is not known.

    ``is_fp8``: most weights are stored in 8 bit floating point.
    """
    name = _SAME.get(method.lower(), method.lower())
    least = _METHODS.get(name)
    if least is None:
        return None
    if name == "modelopt" and scheme is not None and scheme.bits == 4:
        least = _METHODS["modelopt_fp4"]
    return max(least, FP8_LEAST) if is_fp8 else least


def least_for_attention(shape: ModelShape) -> Capability | None:
    """Return the compute capability that the attention needs, None where any will do.

    Sparse latent attention runs from Hopper on.
    """
    for layer in shape.layers:
        if isinstance(layer.mixer, CompressedAttention):
            return (9, 0)
        if isinstance(layer.mixer, LatentAttention) and layer.mixer.index_dim:
            return (9, 0)
    return None


def dotted(version: Capability) -> str:
    """Return a compute capability as people write it."""
    return f"{version[0]}.{version[1]}"
