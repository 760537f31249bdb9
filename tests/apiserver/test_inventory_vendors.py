"""Nodes with each vendor's real labels: served ones get a pod from the real scheduler, others a reason."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests import builders_nodes as nodes
from tests.extra_nodes import extra_nodes
from tests.operator_world import OperatorWorld

pytestmark = pytest.mark.apiserver

A100 = "NVIDIA-A100-SXM4-40GB"
POOL_LABELS = {"example.com/pool": "spare"}
POOL_TAINT = {"key": "team", "value": "models", "effect": "NoSchedule"}
SETTINGS = {
    "ENGINES__ROCM_IMAGE": "docker.io/vllm/vllm-openai-rocm:v0.32.0",
    "ACCELERATORS__TIME_SLICES": "true",
    "ACCELERATORS__POOLS": json.dumps(
        [
            {
                "name": "spare", "product": "NVIDIA-A40", "devices": 1, "labels": POOL_LABELS,
                "taints": ["team=models:NoSchedule"], "memory": "64Gi", "cpu": "16",
            }
        ]
    ),
}  # fmt: skip


@contextmanager
def node(
    world: OperatorWorld,
    labels: Mapping[str, str],
    devices: Mapping[str, str],
    *taints: Mapping[str, str],
    prefix: str = "vendor",
) -> Iterator[str]:
    """Have one more node with these labels for a while."""
    properties = {"labels": labels, "allocatable": devices, "taints": taints}
    with extra_nodes(world.cluster, 1, prefix=prefix, **properties) as (name,):
        yield name


@pytest.fixture(scope="class")
def served_world(world: OperatorWorld) -> Iterator[OperatorWorld]:
    """Yield the world with an operator that serves everything that can be served."""
    assert world.stop_operator() == 0
    world.start_operator(settings=SETTINGS)
    yield world
    assert world.stop_operator() == 0
    world.start_operator()


SERVED = [
    pytest.param(nodes.GFD_H100, {"nvidia.com/gpu": "8"}, "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu", id="NVIDIA"),
    pytest.param(
        nodes.GFD_MIG_SINGLE, {"nvidia.com/gpu": "16"}, f"{A100}-MIG-3g.20gb", "nvidia.com/gpu", id="MIG, all alike"
    ),
    pytest.param(
        nodes.GFD_MIG_MIXED, nodes.MIG_MIXED_DEVICES, f"{A100}-MIG-3g.20gb", "nvidia.com/mig-3g.20gb",
        id="MIG, several kinds",
    ),
    pytest.param(
        nodes.GFD_TIME_SLICED, {"nvidia.com/gpu": "32"}, "NVIDIA-L4-SHARED", "nvidia.com/gpu", id="time slices"
    ),
    pytest.param(nodes.AMD_MI300X, {"amd.com/gpu": "8"}, "AMD_Instinct_MI300X_OAM", "amd.com/gpu", id="AMD"),
    pytest.param(nodes.AMD_OLD_STYLE, {"amd.com/gpu": "4"}, "AMD_Instinct_MI210", "amd.com/gpu", id="AMD, old labels"),
    pytest.param(
        nodes.GKE_PARTITIONED | {"cloud.google.com/gke-gpu-partition-size": "2g.10gb"}, {"nvidia.com/gpu": "3"},
        f"{A100}-MIG-2g.10gb", "nvidia.com/gpu", id="GKE, divided GPUs",
    ),
    pytest.param(
        nodes.GKE_L4 | {"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}, {"nvidia.com/gpu": "1"},
        "Tesla-T4", "nvidia.com/gpu", id="GKE",
    ),
    pytest.param(nodes.KARPENTER_A10G, {"nvidia.com/gpu": "4"}, "NVIDIA-A10G", "nvidia.com/gpu", id="Karpenter"),
    pytest.param(nodes.AUTO_MODE_L40S, {"nvidia.com/gpu": "1"}, "NVIDIA-L40S", "nvidia.com/gpu", id="EKS Auto Mode"),
    pytest.param(nodes.AKS_A100, {"nvidia.com/gpu": "2"}, "NVIDIA-A100-80GB-PCIe", "nvidia.com/gpu", id="AKS"),
    pytest.param(
        {"node.kubernetes.io/instance-type": "g7.2xlarge"}, {"nvidia.com/gpu": "1"},
        "NVIDIA-RTX-PRO-4500-Blackwell", "nvidia.com/gpu", id="only a machine type",
    ),
]  # fmt: skip


MIXED = (
    ("h100", nodes.GFD_H100, {"nvidia.com/gpu": "8"}),
    ("mig", nodes.GFD_MIG_MIXED, nodes.MIG_MIXED_DEVICES),
    ("mi300x", nodes.AMD_MI300X, {"amd.com/gpu": "8"}),
    ("gaudi", nodes.GAUDI_2, {"habana.ai/gaudi": "8"}),
)
MIXED_WISHES = {
    "big": (["NVIDIA-H100-80GB-HBM3"], "h100"),
    "part": ([f"{A100}-MIG-1g.5gb"], "mig"),
    "either": (["AMD_Instinct_MI300X_OAM", "HL-225B"], "mi300x"),
}
"""Products that a model may run on, and the node that it then runs on."""


class TestServed:
    @pytest.mark.parametrize(("labels", "devices", "product", "want_resource"), SERVED)
    def test_the_scheduler_places_what_was_planned(
        self,
        served_world: OperatorWorld,
        team: str,
        labels: dict[str, str],
        devices: dict[str, str],
        product: str,
        want_resource: str,
    ) -> None:
        taints = [nodes.AKS_TAINT] if labels is nodes.AKS_A100 else []
        taints += (
            [{"key": next(iter(devices)), "value": "present", "effect": "NoSchedule"}] if len(devices) == 1 else []
        )
        with node(served_world, labels, devices, *taints) as name:
            served_world.wish(team, "m", accelerator={"products": [product]})
            row = served_world.wait_for(team, "m", "Serving")
            assert row["ACCELERATOR"] == f"1 x {product.replace('-', ' ')}"
            (pod,) = served_world.list(team, "pods")
            assert (pod["spec"]["nodeName"], pod["status"]["phase"]) == (name, "Running")
            assert pod["spec"]["containers"][0]["resources"]["limits"][want_resource] == "1"
            assert served_world.get(team, "gm", "m")["status"]["plan"]["accelerator"]["resource"] == want_resource

    def test_in_a_mixed_cluster_each_model_runs_where_it_may(self, served_world: OperatorWorld, team: str) -> None:
        """Nodes of four vendors and kinds at once: each model on its own, none on what no engine serves."""
        with ExitStack() as stack:
            names = {
                kind: stack.enter_context(node(served_world, labels, devices, prefix=kind))
                for kind, labels, devices in MIXED
            }
            for model, (products, _) in MIXED_WISHES.items():
                served_world.wish(team, model, accelerator={"products": products})
            for model in MIXED_WISHES:
                served_world.wait_for(team, model, "Serving", seconds=120)
            placed = {
                pod["metadata"]["labels"]["genmodel.dev/model"]: pod["spec"]["nodeName"]
                for pod in served_world.list(team, "pods")
            }
            assert placed == {model: names[kind] for model, (_, kind) in MIXED_WISHES.items()}
            served_world.wish(team, "gaudi", accelerator={"products": ["HL-225B"]})
            served_world.wait_for(team, "gaudi", "NoCandidateNodes")

    def test_a_pool_s_pod_waits_for_its_node_and_runs_when_it_comes(
        self, served_world: OperatorWorld, team: str
    ) -> None:
        served_world.wish(team, "m", accelerator={"products": ["NVIDIA-A40"]})
        served_world.wait_for(team, "m", "Unschedulable", seconds=90)
        plan = served_world.get(team, "gm", "m")["status"]["plan"]
        assert "The pool spare has no such node yet: the autoscaler has to add one." in plan["explanation"]
        with node(served_world, POOL_LABELS, {"nvidia.com/gpu": "1"}, POOL_TAINT) as name:
            served_world.wait_for(team, "m", "Serving", seconds=90)
            (pod,) = served_world.list(team, "pods")
            assert pod["spec"]["nodeName"] == name


UNSERVED = [
    pytest.param(
        nodes.AMD_MI300X, {"amd.com/gpu": "8"}, "AMD_Instinct_MI300X_OAM",
        "AMD_Instinct_MI300X_OAM: the engine image serves NVIDIA GPUs; engines.rocmImage, the image for AMD GPUs, "
        "is not set",
        id="AMD without an image",
    ),
    pytest.param(
        nodes.INTEL_MAX, {"gpu.intel.com/i915": "2"}, "Max_1550",
        "Max_1550: there is an engine image for NVIDIA GPUs, and none for gpu.intel.com/i915", id="Intel",
    ),
    pytest.param(
        nodes.GKE_TPU, {"google.com/tpu": "4"}, "tpu-v5-lite-podslice",
        "tpu-v5-lite-podslice: there is an engine image for NVIDIA GPUs, and none for google.com/tpu", id="TPU",
    ),
    pytest.param(
        nodes.GAUDI_2, {"habana.ai/gaudi": "8"}, "HL-225B",
        "HL-225B: there is an engine image for NVIDIA GPUs, and none for habana.ai/gaudi", id="Gaudi",
    ),
    pytest.param(
        nodes.GFD_TIME_SLICED, {"nvidia.com/gpu": "32"}, "NVIDIA-L4-SHARED",
        "vendor-0: shares its GPUs (NVIDIA-L4-SHARED) by time slices", id="time slices that are not allowed",
    ),
    pytest.param(
        nodes.GFD_H100 | {"nvidia.com/gpu.memory": "652472"}, {"nvidia.com/gpu": "8"}, "NVIDIA-H100-80GB-HBM3",
        "vendor-0: has the label nvidia.com/gpu.memory=652472, the memory of all 8 GPUs together; "
        "one NVIDIA-H100-80GB-HBM3 has 81559 MiB",
        id="memory of the whole node",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("labels", "devices", "product", "want_message"), UNSERVED)
def test_what_is_not_served_says_why(
    world: OperatorWorld, team: str, labels: dict[str, str], devices: dict[str, Any], product: str, want_message: str
) -> None:
    with node(world, labels, devices):
        world.wish(team, "m", accelerator={"products": [product]})
        row = world.wait_for(team, "m", "NoCandidateNodes")
        assert row["READY"] == "False"
        # The model may be read before its node was: what is said of the cluster follows it.
        world.until(
            lambda: want_message in world.condition(team, "m")["message"],
            lambda: f"the message is still {world.condition(team, 'm')['message']}",
        )
        assert world.list(team, "pods") == []
