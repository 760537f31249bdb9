"""Devices that no engine image is for are candidates that are rejected with the reason, never chosen."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.v1alpha1 import Precision
from genmodel_operator.policy.pool import AcceleratorPool
from genmodel_operator.settings import AcceleratorSettings, EngineSettings, Settings
from genmodel_operator.sizing.accelerators import NodeGroup, Taint, read_inventory
from genmodel_operator.sizing.accelerators.groups import AMD, NVIDIA
from genmodel_operator.sizing.budget.release import parse_release
from genmodel_operator.sizing.configured import plan_policy
from genmodel_operator.sizing.memory import GIB, vendor_margin_bytes
from genmodel_operator.sizing.precision import Served, served_on
from tests import builders_nodes as nodes
from tests.builders_cache import LLAMA_31_8B as LLAMA_SHAPE
from tests.builders_nodes import labelled
from tests.builders_sizing import LLAMA_31_8B, LLAMA_33_70B, POLICY, a_misfit, a_plan, facts_of

MI300X = labelled(nodes.AMD_MI300X, {"amd.com/gpu": "8"}, "amd")
INTEL = labelled(nodes.INTEL_MAX, {"gpu.intel.com/i915": "2"}, "intel")
L4 = labelled(nodes.GFD_L4, {"nvidia.com/gpu": "8"}, "nvidia")
NO_ROCM = "the engine image serves NVIDIA GPUs; engines.rocmImage, the image for AMD GPUs, is not set"
NO_INTEL = "there is an engine image for NVIDIA GPUs, and none for gpu.intel.com/i915"
WITH_ROCM = replace(POLICY, gpu_vendors=(NVIDIA, AMD))
LLAMA = facts_of(LLAMA_31_8B)


@pytest.mark.parametrize(
    ("node", "want_left_out"),
    [
        pytest.param(MI300X, f"(left out: AMD_Instinct_MI300X_OAM: {NO_ROCM})", id="AMD"),
        pytest.param(INTEL, f"(left out: Max_1550: {NO_INTEL})", id="Intel"),
    ],
)
def test_a_cluster_with_nothing_else_has_no_candidate(node: Any, want_left_out: str) -> None:
    misfit = a_misfit(LLAMA, node)
    assert misfit.reason == "NoCandidateNodes"
    assert dict(misfit.values)["detail"].endswith(want_left_out)


def test_beside_served_devices_they_are_rejected() -> None:
    plan = a_plan(LLAMA, MI300X, INTEL, L4)
    assert plan.product == "NVIDIA-L4"
    assert {(line.product, line.reason) for line in plan.rejected if line.product != "NVIDIA-L4"} == {
        ("AMD_Instinct_MI300X_OAM", NO_ROCM),
        ("Max_1550", NO_INTEL),
    }


def test_a_model_that_fits_nowhere_is_told_of_served_devices_first() -> None:
    one = labelled(nodes.GFD_L4, {"nvidia.com/gpu": "1"}, "nvidia")
    misfit = a_misfit(facts_of(LLAMA_33_70B), MI300X, one)
    assert misfit.reason == "NoFit"
    assert "does not fit: 1 x NVIDIA L4" in dict(misfit.values)["detail"]


def test_devices_with_wrong_labels_are_rejected_beside_good_ones() -> None:
    wrong = labelled(nodes.GFD_H100 | {"nvidia.com/gpu.memory": "652472"}, {"nvidia.com/gpu": "8"}, "wrong")
    plan = a_plan(LLAMA, wrong, L4)
    (line,) = (line for line in plan.rejected if line.product == "NVIDIA-H100-80GB-HBM3")
    assert line.reason == (
        "has the label nvidia.com/gpu.memory=652472, the memory of all 8 GPUs together; "
        "one NVIDIA-H100-80GB-HBM3 has 81559 MiB"
    )


def test_with_an_image_amd_gpus_serve() -> None:
    plan = a_plan(facts_of(LLAMA_33_70B), MI300X, policy=WITH_ROCM)
    assert (plan.resource, plan.product, plan.count) == ("amd.com/gpu", "AMD_Instinct_MI300X_OAM", 1)
    assert plan.memory.total_gib == pytest.approx(191.7, abs=0.01)
    assert dict(plan.node_selector) == {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"}


def test_products_are_asked_for_by_any_spelling() -> None:
    assert a_plan(LLAMA, MI300X, L4, policy=WITH_ROCM, accelerator={"products": ["l4"]}).product == "NVIDIA-L4"
    wanted = {"products": ["amd-instinct-mi300x-oam"]}
    assert a_plan(LLAMA, MI300X, L4, policy=WITH_ROCM, accelerator=wanted).resource == "amd.com/gpu"


@pytest.mark.parametrize(
    ("settings", "want_vendors"),
    [
        pytest.param(Settings(), (NVIDIA,), id="defaults"),
        pytest.param(Settings(engines=EngineSettings(rocm_image="r/vllm:1")), (NVIDIA, AMD), id="with a ROCm image"),
    ],
)
def test_the_images_decide_whose_gpus_are_served(settings: Settings, want_vendors: tuple[str, ...]) -> None:
    assert plan_policy(settings).gpu_vendors == want_vendors


def test_taints_of_pools_are_tolerated_on_the_nodes_that_came_of_them() -> None:
    pool = AcceleratorPool(
        name="p", product="NVIDIA-L4", devices=1, labels={"a": "b"}, taints=["team=models:NoSchedule", "llm:NoExecute"]
    )
    policy = plan_policy(Settings(accelerators=AcceleratorSettings(pools=[pool])))
    assert policy.tolerates(Taint("team", "models", "NoSchedule"))
    assert policy.tolerates(Taint("llm", "", "NoExecute"))
    assert policy.tolerates(Taint("amd.com/gpu", "", "NoSchedule"))
    assert not policy.tolerates(Taint("team", "others", "NoSchedule"))


def amd_group(architecture: str) -> NodeGroup:
    group = next(group for group in read_inventory([MI300X]).groups if group.is_gpu)
    return replace(group, device_architecture=architecture)


FP8 = replace(LLAMA, quantization="fp8", stored_precision="FP8")
GPTQ = replace(LLAMA, quantization="gptq", stored_precision="INT4")


@pytest.mark.parametrize(
    ("facts", "architecture", "want"),
    [
        pytest.param(LLAMA, "gfx942", Served("bfloat16", "BFloat16 as stored"), id="as stored"),
        pytest.param(LLAMA, "gfx1100", Served("bfloat16", "BFloat16 as stored"), id="a workstation's GPU"),
        pytest.param(FP8, "gfx950", Served("auto", "FP8 as stored"), id="FP8"),
        pytest.param(FP8, "gfx90a", "FP8 needs gfx942, gfx950 or gfx12, this is gfx90a", id="FP8 without arithmetic"),
        pytest.param(GPTQ, "gfx942", "INT4 with gptq is planned on NVIDIA GPUs only", id="other quantisation"),
        pytest.param(LLAMA, "gfx908", "the engine has no kernels for gfx908", id="too old"),
        pytest.param(
            LLAMA,
            "",
            "the architecture of AMD_Instinct_MI300X_OAM is unknown: describe it in accelerators.products",
            id="unknown",
        ),
    ],
)
def test_formats_on_amd(facts: Any, architecture: str, want: Served | str) -> None:
    assert served_on(facts, LLAMA_SHAPE, Precision.AUTO, amd_group(architecture), parse_release("0.32.0")) == want


def test_on_amd_the_most_that_was_logged_outside_torch_is_kept_free() -> None:
    assert vendor_margin_bytes(AMD, GIB) == 5 * GIB
    assert vendor_margin_bytes(AMD, 7 * GIB) == 0
    assert vendor_margin_bytes(NVIDIA, GIB) == 0
    amd, nvidia = (a_plan(LLAMA, node, policy=WITH_ROCM, context={"maxModelLen": 8192}) for node in (MI300X, L4))
    assert "memory outside torch" in amd.explanation
    assert amd.memory.margin_gib >= nvidia.memory.margin_gib + 4
