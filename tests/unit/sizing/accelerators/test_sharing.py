"""GPUs that pods share: refused unless the platform team says that models are alone on them."""

import pytest

from genmodel_operator.sizing.accelerators import InventoryRules, NodeGroup, read_inventory
from tests import builders_nodes as nodes
from tests.builders_nodes import labelled
from tests.builders_sizing import LLAMA_32_1B, TINY_CHAT, a_misfit, a_plan, facts_of

ALLOWED = InventoryRules(plan_time_slices=True)
SHARED = [
    pytest.param(nodes.GFD_TIME_SLICED, {"nvidia.com/gpu": "32"}, "NVIDIA-L4-SHARED", id="GPU feature discovery"),
    pytest.param(
        nodes.GFD_TIME_SLICED_RENAMED, {"nvidia.com/gpu.shared": "32"}, "NVIDIA-L4", id="a resource of its own"
    ),
    pytest.param(nodes.GKE_TIME_SHARED, {"nvidia.com/gpu": "8"}, "NVIDIA-L4", id="GKE"),
    pytest.param(
        nodes.GFD_L4 | nodes.GKE_TIME_SHARED, {"nvidia.com/gpu": "8"}, "NVIDIA-L4", id="GKE beside feature discovery"
    ),
]


def only_group(labels: dict[str, str], devices: dict[str, str], rules: InventoryRules) -> NodeGroup:
    (group,) = (group for group in read_inventory([labelled(labels, devices)], rules).groups if group.is_gpu)
    return group


@pytest.mark.parametrize(("labels", "devices", "product"), SHARED)
def test_time_slices_are_refused_with_the_setting_that_allows_them(
    labels: dict[str, str], devices: dict[str, str], product: str
) -> None:
    group = only_group(labels, devices, InventoryRules())
    assert group.refusal == (
        f"shares its GPUs ({product}) by time slices, which keep no pod from another's memory; "
        "accelerators.timeSlices allows it where only models use them"
    )


@pytest.mark.parametrize(("labels", "devices", "product"), SHARED)
def test_time_slices_that_are_allowed_have_their_part_of_the_memory(
    labels: dict[str, str], devices: dict[str, str], product: str
) -> None:
    group = only_group(labels, devices, ALLOWED)
    assert (group.product, group.refusal, group.shared_by, group.most_per_replica) == (product, "", 4, 1)
    assert group.device_memory_gib == pytest.approx(21.894 / 4, abs=0.001)


@pytest.mark.parametrize(
    ("labels", "want_reason"),
    [
        pytest.param(nodes.GFD_MPS, "shares its GPUs by MPS, which the engine is not planned on", id="MPS"),
        pytest.param(
            nodes.GFD_TIME_SLICED | {"nvidia.com/gpu.replicas": "many"},
            "shares its GPUs (NVIDIA-L4-SHARED), but has nvidia.com/gpu.replicas=many, which tells no number of shares",
            id="no number of shares",
        ),
        pytest.param(
            nodes.GFD_TIME_SLICED | {"nvidia.com/gpu.replicas": ""},
            "shares its GPUs (NVIDIA-L4-SHARED), but has no label nvidia.com/gpu.replicas, "
            "which tells no number of shares",
            id="number of shares missing",
        ),
    ],
)
def test_shares_that_are_always_refused(labels: dict[str, str], want_reason: str) -> None:
    assert only_group(labels, {"nvidia.com/gpu": "8"}, ALLOWED).refusal == want_reason


def test_a_plan_on_a_share_says_so_and_asks_the_engine_for_its_part_of_the_gpu() -> None:
    node = labelled(nodes.GFD_TIME_SLICED, {"nvidia.com/gpu": "32"})
    plan = a_plan(facts_of(TINY_CHAT), inventory=read_inventory([node], ALLOWED))
    assert (plan.product, plan.count) == ("NVIDIA-L4-SHARED", 1)
    assert plan.memory.total_gib == pytest.approx(5.47, abs=0.01)
    assert "1 of 4 time slices of a GPU, whose memory nothing keeps apart" in plan.explanation
    whole = a_plan(facts_of(TINY_CHAT), labelled(nodes.GFD_L4, {"nvidia.com/gpu": "8"}))
    assert 0 < plan.gpu_memory_utilization <= 0.25 < whole.gpu_memory_utilization


def test_shares_are_not_joined() -> None:
    node = labelled(nodes.GFD_TIME_SLICED, {"nvidia.com/gpu": "32"})
    shared = read_inventory([node], ALLOWED)
    misfit = a_misfit(facts_of(LLAMA_32_1B), inventory=shared, accelerator={"count": 2})
    assert [line.reason for line in misfit.rejected] == [
        "a replica uses one of these: slices and shares of GPUs cannot be joined"
    ]


@pytest.mark.parametrize(
    "labels", [pytest.param({}, id="GKE alone"), pytest.param(nodes.GFD_L4, id="with feature discovery")]
)
def test_whole_gpus_beside_shared_ones_on_gke_are_asked_for_without_the_labels_of_sharing(
    labels: dict[str, str],
) -> None:
    plan = a_plan(
        facts_of(TINY_CHAT),
        labelled(labels | nodes.GKE_L4, {"nvidia.com/gpu": "2"}, "whole"),
        labelled(labels | nodes.GKE_TIME_SHARED, {"nvidia.com/gpu": "8"}, "shared"),
    )
    assert ("cloud.google.com/gke-max-shared-clients-per-gpu", "") in plan.node_selector
    assert plan.replicas_fit == 2
