"""The exact objects of plans on GPUs and CPU, committed: a change in them restarts new rollouts.

``GENMODEL_REGENERATE=1 pytest tests/golden`` writes them anew.
"""

import os
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.resources import build_all
from genmodel_operator.resources.revision import revision_from_object
from genmodel_operator.settings import EgressPeer, EngineSettings, HubSettings, NetworkSettings, Settings
from genmodel_operator.sizing.accelerators import Taint
from genmodel_operator.sizing.plan import ServingPlan
from tests.builders import a_cpu_plan, a_gpu_plan, a_model, some_facts
from tests.pod_security import restricted_violations

KUBERNETES_VERSION = "1.37"
REGENERATE = os.environ.get("GENMODEL_REGENERATE") == "1"

GPU_MODEL = a_model(
    replicas=2,
    source={"hub": {"endpoint": "http://hub.mirror.svc:8080", "tokenSecretRef": {"name": "mirror-token"}}},
    engine={
        "args": ["--seed", "7", "--port", "9000"],
        "env": [
            {"name": "VLLM_LOGGING_LEVEL", "value": "DEBUG"},
            {"name": "MY_KEY", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "key"}}},
        ],
    },
)
GPU_PLAN = a_gpu_plan(
    count=2,
    tensor_parallel=2,
    tolerations=(Taint("team", "a", "NoSchedule"),),
)
CPU_MODEL = a_model(
    metadata={"name": "minilm"},
    model="sentence-transformers/all-MiniLM-L6-v2",
)
CPU_FACTS = some_facts(
    repository="sentence-transformers/all-MiniLM-L6-v2",
    architecture="BertModel",
    model_type="bert",
    task=ServedTask.EMBED,
    tasks=(ServedTask.EMBED,),
)
CPU_SETTINGS = Settings(engines=EngineSettings(cpu_request="200m", cpu_threads=2, startup_seconds=600))

AMD_PLAN = a_gpu_plan(
    resource="amd.com/gpu",
    product="AMD_Instinct_MI300X_OAM",
    node_selector=(("amd.com/gpu.product-name", "AMD_Instinct_MI300X_OAM"),),
    tolerations=(Taint("amd.com/gpu", "", "NoSchedule"),),
)
AMD_SETTINGS = Settings(
    engines=EngineSettings(rocm_image="docker.io/vllm/vllm-openai-rocm:v0.32.0", rocm_groups=[44, 109])
)

CLAIM_MODEL = a_model(cache={"persistentVolumeClaim": {"storageClassName": "fast"}})

SOURCE_MODEL = a_model(source={"persistentVolumeClaim": {"claimName": "models", "path": "mistral-7b"}})

CLOSED_MODEL = a_model(
    access={
        "apiKeysSecretRef": {"name": "team-keys"},
        "allowFrom": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}},
                "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["chat", "search"]}]},
            },
            {"podSelector": {}},
        ],
    }
)
CLOSED_SETTINGS = Settings(
    hub=HubSettings(endpoint="http://hub.mirror.svc", https_proxy="http://proxy.example:3128"),
    network=NetworkSettings(
        operator_namespace="genmodel-system",
        monitoring_namespaces=["monitoring"],
        extra_egress=[EgressPeer(namespaces=["mirror"], cidrs=["10.9.0.0/16"], ports=[8080])],
    ),
)

CASES = [
    pytest.param(
        "gpu", GPU_MODEL, some_facts(), ServedTask.GENERATE, GPU_PLAN, Settings(), id="chat model on two GPUs"
    ),
    pytest.param(
        "amd", a_model(), some_facts(), ServedTask.GENERATE, AMD_PLAN, AMD_SETTINGS, id="chat model on an AMD GPU"
    ),
    pytest.param(
        "claim", CLAIM_MODEL, some_facts(), ServedTask.GENERATE, a_gpu_plan(), Settings(), id="weights on a claim"
    ),
    pytest.param(
        "source",
        SOURCE_MODEL,
        some_facts(),
        ServedTask.GENERATE,
        a_gpu_plan(),
        Settings(),
        id="files on a claim of the user's",
    ),
    pytest.param(
        "closed",
        CLOSED_MODEL,
        some_facts(),
        ServedTask.GENERATE,
        a_gpu_plan(),
        CLOSED_SETTINGS,
        id="keys, and who may ask",
    ),
    pytest.param("cpu", CPU_MODEL, CPU_FACTS, ServedTask.EMBED, a_cpu_plan(), CPU_SETTINGS, id="embeddings on CPU"),
]
NAMES = ("gpu", "amd", "claim", "source", "closed", "cpu")
PARAMETERS = ("name", "model", "facts", "task", "plan", "settings")


@pytest.mark.parametrize(PARAMETERS, CASES)
def test_rendered(
    name: str, model: GenerativeModel, facts: ModelFacts, task: ServedTask, plan: ServingPlan, settings: Settings
) -> None:
    rendered = build_all(model, facts, task, plan, settings)
    path = Path(__file__).with_name(f"{name}.yaml")
    if REGENERATE:
        path.write_text(yaml.safe_dump_all(rendered, sort_keys=True, width=120))
    assert rendered == list(yaml.safe_load_all(path.read_text())), "GENMODEL_REGENERATE=1 writes the files anew"


def golden(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(Path(__file__).with_name(f"{name}.yaml").read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_every_object_fits_its_schema(name: str) -> None:
    for child in golden(name):
        kubernetes_validate.validate(child, KUBERNETES_VERSION, strict=True)


def test_the_schema_check_sees_a_misspelt_field() -> None:
    service = golden("gpu")[2]
    service["spec"]["selektor"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, KUBERNETES_VERSION, strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_frozen_revision_is_what_runs(name: str) -> None:
    found = {child["kind"]: child for child in golden(name)}
    controller_revision, deployment = found["ControllerRevision"], found["Deployment"]
    revision = revision_from_object(controller_revision)
    assert revision.template == deployment["spec"]["template"]
    assert restricted_violations(revision.template["spec"]) == []
