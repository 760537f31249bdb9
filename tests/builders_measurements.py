"""Builders of measurements: those of an 8 B model on one L4, unless a test says otherwise."""

from dataclasses import replace
from typing import Any

from genmodel_operator.sizing.corrections import Figures, Measurement, Origin, Placement
from genmodel_operator.sizing.memory import GIB
from tests.builders import A_COMMIT

AN_ORIGIN = Origin(commit=A_COMMIT, engine_version="0.32.0", image="docker.io/vllm/vllm-openai:v0.32.0")
A_PLACEMENT = Placement(
    product="NVIDIA-L4",
    tensor_parallel=1,
    pipeline_parallel=1,
    dtype="bfloat16",
    max_num_seqs=64,
    max_num_batched_tokens=2048,
)
SOME_FIGURES = Figures(
    weights_gib=14.99,
    activation_gib=1.1,
    non_torch_gib=0.25,
    cuda_graph_gib=0.31,
    kv_tokens=32768,
    kv_cache_bytes=4 * GIB,
    max_model_len=16384,
)


def a_measurement(
    *,
    origin: dict[str, Any] | None = None,
    placement: dict[str, Any] | None = None,
    at: str = "2026-11-24T10:00:00Z",
    **figures: Any,
) -> Measurement:
    """One measurement; ``figures`` replace some of the usual ones."""
    return Measurement(
        origin=replace(AN_ORIGIN, **(origin or {})),
        placement=replace(A_PLACEMENT, **(placement or {})),
        figures=replace(SOME_FIGURES, **figures),
        measured_at=at,
    )
