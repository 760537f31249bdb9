"""What a pod asks for on each kind of accelerator: resource, labels, tolerations, groups."""

from typing import Any

import pytest

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources.revision import freeze
from genmodel_operator.settings import EngineSettings, Settings
from genmodel_operator.sizing.accelerators import Taint
from genmodel_operator.sizing.plan import ServingPlan
from tests.builders import a_gpu_plan, a_model, some_facts
from tests.pod_security import restricted_violations

AMD_PLAN = a_gpu_plan(resource="amd.com/gpu", product="AMD_Instinct_MI300X_OAM")
WITH_GROUPS = Settings(engines=EngineSettings(rocm_image="rocm:1", rocm_groups=[44, 109]))


def pod_of(plan: ServingPlan, settings: Settings | None = None) -> dict[str, Any]:
    revision = freeze(a_model(), some_facts(), ServedTask.GENERATE, plan, settings or Settings(), number=1)
    spec: dict[str, Any] = revision.template["spec"]
    return spec


@pytest.mark.parametrize(
    ("resource", "want_key"),
    [
        pytest.param("nvidia.com/gpu", "nvidia.com/gpu", id="whole GPU"),
        pytest.param("nvidia.com/gpu.shared", "nvidia.com/gpu", id="share"),
        pytest.param("nvidia.com/mig-3g.20gb", "nvidia.com/gpu", id="slice"),
        pytest.param("amd.com/gpu", "amd.com/gpu", id="AMD"),
    ],
)
def test_resource_and_the_taint_that_keeps_others_away(resource: str, want_key: str) -> None:
    spec = pod_of(a_gpu_plan(resource=resource, tolerations=(Taint(want_key, "present", "NoSchedule"),)))
    server = spec["containers"][0]["resources"]
    assert server["limits"][resource] == server["requests"][resource] == "1"
    assert spec["tolerations"] == [{"key": want_key, "operator": "Exists"}]


def test_an_empty_value_asks_for_nodes_without_the_label() -> None:
    plan = a_gpu_plan(node_selector=(("a", "b"), ("c", "")))
    (term,) = pod_of(plan)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"] == [
        {"key": "a", "operator": "In", "values": ["b"]},
        {"key": "c", "operator": "DoesNotExist"},
    ]


@pytest.mark.parametrize(
    ("plan", "settings", "want_groups"),
    [
        pytest.param(AMD_PLAN, WITH_GROUPS, [44, 109], id="AMD, groups set"),
        pytest.param(AMD_PLAN, Settings(), None, id="AMD, none set"),
        pytest.param(a_gpu_plan(), WITH_GROUPS, None, id="NVIDIA"),
    ],
)
def test_groups_of_device_files(plan: ServingPlan, settings: Settings, want_groups: list[int] | None) -> None:
    spec = pod_of(plan, settings)
    assert spec["securityContext"].get("supplementalGroups") == want_groups
    assert restricted_violations(spec) == []
