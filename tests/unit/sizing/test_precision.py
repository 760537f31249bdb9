"""Number formats: what stored weights can be served as, and on which devices."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.v1alpha1 import Precision
from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.sizing.accelerators import NodeGroup, read_inventory
from genmodel_operator.sizing.budget.release import parse_release
from genmodel_operator.sizing.precision import Served, is_available, served_on, why_no_fp8_cache
from genmodel_operator.sizing.shape.model import ModelShape, Quantization
from tests.builders_cache import LLAMA_31_8B, SPARSE_LATENT, compressed, shape_of
from tests.builders_sizing import TINY_CHAT, a_gpu_node, a_node, facts_of

ENGINE = parse_release("0.32.0")
PLAIN = LLAMA_31_8B
CPU = read_inventory([a_node()]).groups[0]


def a_gpu(major: int, minor: int) -> NodeGroup:
    group = next(group for group in read_inventory([a_gpu_node("NVIDIA-L4")]).groups if group.is_gpu)
    return replace(group, compute_capability=(major, minor))


def stored_as(precision: str, quantization: str | None = None, **changes: Any) -> ModelFacts:
    return facts_of(TINY_CHAT, stored_precision=precision, quantization=quantization, **changes)


@pytest.mark.parametrize(
    ("facts", "wanted", "want"),
    [
        pytest.param(stored_as("BFloat16"), Precision.AUTO, True, id="as stored"),
        pytest.param(stored_as("BFloat16"), Precision.FLOAT16, True, id="16 bit to 16 bit"),
        pytest.param(stored_as("Float32"), Precision.BFLOAT16, True, id="narrowed"),
        pytest.param(stored_as("BFloat16"), Precision.FLOAT32, True, id="widened"),
        pytest.param(stored_as("BFloat16"), Precision.FP8, False, id="never quantised here"),
        pytest.param(stored_as("BFloat16"), Precision.INT4, False, id="never quantised to 4 bit"),
        pytest.param(stored_as("FP8", "fp8"), Precision.AUTO, True, id="quantised as stored"),
        pytest.param(stored_as("FP8", "fp8"), Precision.FP8, True, id="quantised, by name"),
        pytest.param(stored_as("FP8", "fp8"), Precision.BFLOAT16, False, id="quantised weights are not widened"),
        pytest.param(stored_as("INT4", "gptq"), Precision.INT8, False, id="another quantisation"),
        pytest.param(stored_as("FP8"), Precision.AUTO, False, id="8 bit without a method"),
    ],
)
def test_what_is_available(facts: ModelFacts, wanted: Precision, want: bool) -> None:
    assert is_available(facts, wanted, allows_fp8=False) is want


@pytest.mark.parametrize(
    ("facts", "wanted", "group", "want"),
    [
        pytest.param(
            stored_as("BFloat16"),
            Precision.AUTO,
            a_gpu(8, 0),
            Served("bfloat16", "BFloat16 as stored"),
            id="BF16 on Ampere",
        ),
        pytest.param(
            stored_as("BFloat16"),
            Precision.AUTO,
            a_gpu(7, 5),
            Served("float16", "Float16 converted from BFloat16"),
            id="BF16 on Turing becomes FP16",
        ),
        pytest.param(
            stored_as("BFloat16"),
            Precision.BFLOAT16,
            a_gpu(7, 5),
            "BFloat16 needs compute capability 8.0, this is 7.5",
            id="BF16 asked for on Turing",
        ),
        pytest.param(
            stored_as("BFloat16", model_type="glm4"),
            Precision.AUTO,
            a_gpu(7, 5),
            "models of type glm4 are not stable in Float16",
            id="no FP16 for this type",
        ),
        pytest.param(
            stored_as("Float32"), Precision.AUTO, a_gpu(8, 9), Served("float32", "Float32 as stored"), id="float32"
        ),
        pytest.param(
            stored_as("Float32"),
            Precision.FLOAT16,
            CPU,
            Served("float16", "Float16 converted from Float32"),
            id="narrowed on CPU",
        ),
        pytest.param(
            stored_as("BFloat16"), Precision.AUTO, CPU, Served("bfloat16", "BFloat16 as stored"), id="BF16 on CPU"
        ),
        pytest.param(
            stored_as("FP8", "fp8"), Precision.AUTO, a_gpu(8, 9), Served("auto", "FP8 as stored"), id="FP8 on Ada"
        ),
        pytest.param(
            stored_as("FP8", "fp8"), Precision.AUTO, a_gpu(8, 0), Served("auto", "FP8 as stored"), id="FP8 by Marlin"
        ),
        pytest.param(
            stored_as("FP8", "fp8"),
            Precision.AUTO,
            a_gpu(7, 5),
            "FP8 with fp8 needs compute capability 8.0, this is 7.5",
            id="FP8 on Turing",
        ),
        pytest.param(
            stored_as("INT4", "awq"), Precision.AUTO, a_gpu(7, 5), Served("auto", "INT4 as stored"), id="AWQ on T4"
        ),
        pytest.param(
            stored_as("INT4", "newquant"),
            Precision.AUTO,
            a_gpu(9, 0),
            "quantization_config.quant_method in config.json is newquant, and what it needs of a GPU is not known",
            id="unknown method",
        ),
        pytest.param(
            stored_as("INT4", "gptq"),
            Precision.AUTO,
            CPU,
            "weights quantised with gptq are served on GPUs only",
            id="quantised on CPU",
        ),
        pytest.param(
            stored_as("Float16"),
            Precision.AUTO,
            a_gpu(7, 0),
            "compute capability 7.0 is below the 7.5 that the engine needs",
            id="GPU too old for the engine",
        ),
        pytest.param(
            stored_as("Float16"),
            Precision.AUTO,
            replace(a_gpu(8, 0), compute_capability=None),
            "its compute capability is unknown: the label nvidia.com/gpu.compute.major is missing",
            id="unknown GPU",
        ),
    ],
)
def test_on_a_device(facts: ModelFacts, wanted: Precision, group: NodeGroup, want: Served | str) -> None:
    assert served_on(facts, PLAIN, wanted, group, ENGINE) == want


def test_older_engines_ran_on_older_gpus() -> None:
    assert isinstance(
        served_on(stored_as("Float16"), PLAIN, Precision.AUTO, a_gpu(7, 0), parse_release("0.20.0")), Served
    )


@pytest.mark.parametrize(
    ("facts", "want"),
    [
        pytest.param(stored_as("BFloat16"), True, id="wide weights"),
        pytest.param(stored_as("INT4", "gptq"), False, id="another quantisation"),
        pytest.param(stored_as("INT8"), False, id="integers without a method"),
    ],
)
def test_wide_weights_are_narrowed_to_fp8_where_the_policy_allows_it(facts: ModelFacts, want: bool) -> None:
    assert is_available(facts, Precision.FP8, allows_fp8=True) is want


@pytest.mark.parametrize(
    ("facts", "group", "want"),
    [
        pytest.param(
            stored_as("BFloat16"),
            a_gpu(8, 9),
            Served("bfloat16", "FP8 converted from BFloat16 at start", "fp8"),
            id="on Ada",
        ),
        pytest.param(
            stored_as("Float32"),
            a_gpu(9, 0),
            Served("bfloat16", "FP8 converted from Float32 at start", "fp8"),
            id="from 32 bits",
        ),
        pytest.param(
            stored_as("BFloat16"), a_gpu(7, 5), "FP8 needs compute capability 8.0, this is 7.5", id="on Turing"
        ),
        pytest.param(stored_as("BFloat16"), CPU, "weights are narrowed to FP8 on GPUs only", id="on CPU"),
    ],
)
def test_narrowed_to_fp8(facts: ModelFacts, group: NodeGroup, want: Served | str) -> None:
    assert served_on(facts, PLAIN, Precision.FP8, group, ENGINE) == want


def quantised(method: str, bits: float = 4) -> ModelShape:
    return replace(PLAIN, quantization=Quantization(method, bits))


@pytest.mark.parametrize(
    ("facts", "shape", "least"),
    [
        pytest.param(stored_as("INT4", "mxfp4"), quantised("mxfp4"), (8, 0), id="MXFP4"),
        pytest.param(stored_as("INT4", "modelopt"), quantised("modelopt"), (7, 5), id="NVFP4 by Marlin"),
        pytest.param(stored_as("FP8", "modelopt"), quantised("modelopt", 8), (8, 0), id="ModelOpt FP8"),
        pytest.param(stored_as("INT4", "gptq_marlin"), quantised("gptq"), (7, 5), id="GPTQ, by its kernel's name"),
        pytest.param(stored_as("INT8", "compressed-tensors"), quantised("compressed-tensors", 8), (7, 5), id="INT8"),
        pytest.param(stored_as("FP8", "compressed-tensors"), quantised("compressed-tensors", 8), (8, 0), id="FP8"),
    ],
)
def test_kernels_need_a_compute_capability(facts: ModelFacts, shape: ModelShape, least: tuple[int, int]) -> None:
    assert isinstance(served_on(facts, shape, Precision.AUTO, a_gpu(*least), ENGINE), Served)
    older = {(8, 0): (7, 5), (7, 5): (7, 0)}[least]
    refused = served_on(facts, shape, Precision.AUTO, a_gpu(*older), ENGINE)
    assert isinstance(refused, str)
    assert f"{older[0]}.{older[1]}" in refused


@pytest.mark.parametrize(
    "shape",
    [pytest.param(shape_of(SPARSE_LATENT), id="indexed"), pytest.param(shape_of(compressed(4)), id="compressed")],
)
def test_sparse_attention_needs_hopper(shape: ModelShape) -> None:
    assert served_on(stored_as("BFloat16"), shape, Precision.AUTO, a_gpu(8, 9), ENGINE) == (
        "its sparse attention needs compute capability 9.0, this is 8.9"
    )
    assert isinstance(served_on(stored_as("BFloat16"), shape, Precision.AUTO, a_gpu(10, 0), ENGINE), Served)


@pytest.mark.parametrize(
    ("group", "want"),
    [
        pytest.param(a_gpu(8, 9), None, id="Ada"),
        pytest.param(a_gpu(8, 0), "a KV cache in FP8 needs compute capability 8.9, this is 8.0", id="Ampere"),
        pytest.param(CPU, "spec.kvCachePrecision: FP8 is served on GPUs only", id="CPU"),
        pytest.param(
            replace(a_gpu(8, 9), resource="amd.com/gpu", device_architecture="gfx90a"),
            "a KV cache in FP8 needs gfx942, gfx950 or gfx12, this is gfx90a",
            id="an AMD GPU without the format",
        ),
        pytest.param(
            replace(a_gpu(8, 9), resource="amd.com/gpu", device_architecture="gfx942"), None, id="an AMD GPU with it"
        ),
    ],
)
def test_cache_in_fp8(group: NodeGroup, want: str | None) -> None:
    assert why_no_fp8_cache(group) == want
