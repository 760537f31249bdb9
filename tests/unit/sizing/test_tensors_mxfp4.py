"""Experts in MXFP4: what each kernel makes of 2880 x 2880."""

import pytest

from genmodel_operator.sizing.shape.model import Mixture
from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.model import Layout, Part
from genmodel_operator.sizing.tensors.mxfp4 import KernelExperts, kernel_form
from genmodel_operator.sizing.tensors.weights import read_weights
from tests.builders_shapes import GPT_OSS_20B, tensor

H100, A100, B200, RTX_5090 = (9, 0), (8, 0), (10, 0), (12, 0)
EXPERT = Mixture(1, 1, 2880, bias=True)


@pytest.mark.parametrize(
    ("engine", "capability", "want"),
    [
        pytest.param(
            (0, 14), H100, {"gate_up": 5760 * 1440, "gate_up.scales": 5760 * 90, "gate_up.ordered": 5888 * 90},
            id="Hopper",
        ),
        pytest.param((0, 19), H100, {"gate_up": 5760 * 1472, "down": 2880 * 1472}, id="Hopper, rows of 64 bytes"),
        pytest.param(
            (0, 32), H100, {"gate_up": 5760 * 1440, "gate_up.scales": None, "gate_up.ordered": 5888 * 92},
            id="Hopper, one set of scales",
        ),
        pytest.param((0, 19), A100, {"gate_up": 5888 * 1536, "down": 3072 * 1472}, id="Marlin"),
        pytest.param((0, 10), H100, {"gate_up": 5888 * 1536}, id="Marlin, before Triton"),
        pytest.param((0, 19), B200, {"gate_up": 6144 * 1536, "down": 3072 * 1536}, id="TensorRT-LLM"),
        pytest.param(
            (0, 28), RTX_5090, {"gate_up": 5760 * 1536, "gate_up.ordered": 5760 * 96}, id="Blackwell, rows of 128 bytes"
        ),
        pytest.param((0, 32), RTX_5090, {"gate_up": 5888 * 1536}, id="Marlin again"),
    ],
)  # fmt: skip
def test_what_a_kernel_makes_of_one_expert(
    engine: tuple[int, int], capability: tuple[int, int], want: dict[str, int | None]
) -> None:
    found = KernelExperts(EXPERT, 2880, kernel_form(engine, capability)).blocks(Layout())
    assert {name: found.get(f"experts.{name}") for name in want} == want


def test_a_slice_is_rounded_up_after_the_split() -> None:
    form = kernel_form((0, 14), H100)
    blocks = KernelExperts(EXPERT, 2880, form).blocks(Layout(8))
    assert blocks["experts.gate_up"] == 2 * 384 * 1440


def test_an_unknown_device_counts_as_hopper() -> None:
    assert kernel_form((0, 19), None) == kernel_form((0, 19), H100)


def test_only_experts_are_quantised() -> None:
    parts = read_weights(read_shape(GPT_OSS_20B)).on_device(Layout()).parts
    attention = 24 * (2880 * 4096 * 2 + 2 * 2880 * 512) * 2
    assert parts[Part.ATTENTION] == pytest.approx(attention, rel=0.02)


def test_headers_are_replaced_by_what_the_kernel_makes_of_them() -> None:
    config = {**GPT_OSS_20B, "num_hidden_layers": 1, "layer_types": ["full_attention"]}
    shape = read_shape(config)
    base = "model.layers.0.mlp.experts."
    headers = [
        tensor(f"{base}gate_up_proj_blocks", 32, 5760, 90, 16, dtype="U8"),
        tensor(f"{base}gate_up_proj_scales", 32, 5760, 90, dtype="U8"),
        tensor(f"{base}down_proj_blocks", 32, 2880, 90, 16, dtype="U8"),
        tensor(f"{base}down_proj_scales", 32, 2880, 90, dtype="U8"),
        tensor(f"{base}gate_up_proj_bias", 32, 5760),
        tensor(f"{base}down_proj_bias", 32, 2880),
    ]
    found = read_weights(shape, headers).on_device(Layout()).parts[Part.EXPERTS]
    assert found == read_weights(shape).on_device(Layout()).parts[Part.EXPERTS]
