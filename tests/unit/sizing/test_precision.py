"""Number formats: what stored weights can be served as, and on which devices."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.v1alpha1 import Precision
from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.sizing.accelerators import NodeGroup, read_inventory
from genmodel_operator.sizing.precision import Served, is_available, served_on
from tests.builders_sizing import TINY_CHAT, a_gpu_node, a_node, facts_of

ENGINE = (0, 32)
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
    assert is_available(facts, wanted) is want


@pytest.mark.parametrize(
    ("facts", "wanted", "group", "want"),
    [
        pytest.param(
            stored_as("BFloat16"),
            Precision.AUTO,
            a_gpu(8, 0),
            Served("bfloat16", 2, "BFloat16 as stored"),
            id="BF16 on Ampere",
        ),
        pytest.param(
            stored_as("BFloat16"),
            Precision.AUTO,
            a_gpu(7, 5),
            Served("float16", 2, "Float16 converted from BFloat16"),
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
            stored_as("Float32"), Precision.AUTO, a_gpu(8, 9), Served("float32", 4, "Float32 as stored"), id="float32"
        ),
        pytest.param(
            stored_as("Float32"),
            Precision.FLOAT16,
            CPU,
            Served("float16", 2, "Float16 converted from Float32"),
            id="narrowed on CPU",
        ),
        pytest.param(
            stored_as("BFloat16"), Precision.AUTO, CPU, Served("bfloat16", 2, "BFloat16 as stored"), id="BF16 on CPU"
        ),
        pytest.param(
            stored_as("FP8", "fp8"), Precision.AUTO, a_gpu(8, 9), Served("auto", 2, "FP8 as stored"), id="FP8 on Ada"
        ),
        pytest.param(
            stored_as("FP8", "fp8"), Precision.AUTO, a_gpu(8, 0), Served("auto", 2, "FP8 as stored"), id="FP8 by Marlin"
        ),
        pytest.param(
            stored_as("FP8", "fp8"),
            Precision.AUTO,
            a_gpu(7, 5),
            "FP8 with fp8 needs compute capability 8.0, this is 7.5",
            id="FP8 on Turing",
        ),
        pytest.param(
            stored_as("INT4", "awq"), Precision.AUTO, a_gpu(7, 5), Served("auto", 2, "INT4 as stored"), id="AWQ on T4"
        ),
        pytest.param(
            stored_as("INT4", "newquant"),
            Precision.AUTO,
            a_gpu(9, 0),
            "what the quantisation method newquant needs of a GPU is not known",
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
    assert served_on(facts, wanted, group, ENGINE) == want


def test_older_engines_ran_on_older_gpus() -> None:
    assert isinstance(served_on(stored_as("Float16"), Precision.AUTO, a_gpu(7, 0), (0, 20)), Served)
