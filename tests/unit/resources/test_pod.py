"""The pod template against the contract with the runtime and the restricted Pod Security Standard."""

import json
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources.revision import Revision, freeze
from genmodel_operator.settings import EngineSettings, HubSettings, LimitSettings, Settings
from genmodel_operator.sizing.accelerators import Taint
from genmodel_operator.sizing.plan import ServingPlan
from genmodel_runtime.contract import STARTUP_ANSWER_SECONDS, Env
from genmodel_runtime.limits import Limits, read_limits
from tests.builders import A_COMMIT, a_cpu_plan, a_gpu_plan, a_model, some_facts
from tests.pod_security import restricted_violations

PLANS = [pytest.param(a_gpu_plan(), id="GPU"), pytest.param(a_cpu_plan(), id="CPU")]


def frozen(
    plan: ServingPlan | None = None, model: GenerativeModel | None = None, settings: Settings | None = None
) -> Revision:
    facts, task = some_facts(), ServedTask.GENERATE
    return freeze(model or a_model(), facts, task, plan or a_gpu_plan(), settings or Settings(), number=1)


def pod_of(revision: Revision) -> dict[str, Any]:
    spec: dict[str, Any] = revision.template["spec"]
    return spec


def prepare_of(revision: Revision) -> dict[str, Any]:
    container: dict[str, Any] = pod_of(revision)["initContainers"][0]
    return container


def server_of(revision: Revision) -> dict[str, Any]:
    container: dict[str, Any] = pod_of(revision)["containers"][0]
    return container


def env_of(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", "") for entry in container["env"] if "valueFrom" not in entry}


def mounts_of(container: dict[str, Any]) -> dict[str, bool]:
    return {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}


@pytest.mark.parametrize("plan", PLANS)
def test_restricted_pod_security(plan: ServingPlan) -> None:
    assert restricted_violations(pod_of(frozen(plan))) == []


def test_the_checker_sees_violations() -> None:
    pod = {
        "hostNetwork": True,
        "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
        "containers": [{"name": "c", "securityContext": {"privileged": True, "capabilities": {"add": ["NET_RAW"]}}}],
    }
    assert len(restricted_violations(pod)) == 7


@pytest.mark.parametrize("plan", PLANS)
def test_both_containers_run_as_10001_with_a_read_only_root(plan: ServingPlan) -> None:
    revision = frozen(plan)
    context = pod_of(revision)["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (10001, 10001, 10001)
    assert context["fsGroupChangePolicy"] == "OnRootMismatch"
    for container in (prepare_of(revision), server_of(revision)):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert pod_of(revision)["automountServiceAccountToken"] is False
    assert pod_of(revision)["enableServiceLinks"] is False


def test_commands() -> None:
    revision = frozen()
    assert prepare_of(revision)["command"] == ["python3", "-m", "genmodel_runtime", "prepare"]
    assert server_of(revision)["command"] == ["python3", "-m", "genmodel_runtime", "serve", "--"]
    assert server_of(revision)["workingDir"] == "/genmodel"
    assert "PYTHONPATH" not in env_of(server_of(revision))


def test_mounts() -> None:
    revision = frozen()
    assert mounts_of(prepare_of(revision)) == {
        "/genmodel": False,
        "/models": False,
        "/tmp": False,
        "/etc/genmodel/token": True,
    }
    assert mounts_of(server_of(revision)) == {
        "/genmodel": True,
        "/models": True,
        "/cache": False,
        "/tmp": False,
        "/dev/shm": False,
    }


def test_every_volume_is_mounted_and_limited() -> None:
    revision = frozen(a_gpu_plan(shm_gib=2.0, ephemeral_gib=15.5))
    mounted = {m["name"] for c in (prepare_of(revision), server_of(revision)) for m in c["volumeMounts"]}
    by_name = {volume["name"]: volume for volume in pod_of(revision)["volumes"]}
    assert set(by_name) == mounted
    assert by_name["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
    assert by_name["weights"]["emptyDir"] == {"sizeLimit": "15872Mi"}
    assert all("sizeLimit" in volume["emptyDir"] for volume in by_name.values() if "emptyDir" in volume)


@pytest.mark.parametrize(
    ("source", "want_secret", "want_key"),
    [
        pytest.param(None, "genmodel-hub-token", "token", id="the default Secret"),
        pytest.param({"hub": {"endpoint": "http://hub:80"}}, "genmodel-hub-token", "token", id="another Hub"),
        pytest.param({"hub": {"tokenSecretRef": {"name": "mine", "key": "hf"}}}, "mine", "hf", id="its own Secret"),
    ],
)
def test_the_token_is_an_optional_file_of_prepare(
    source: dict[str, Any] | None, want_secret: str, want_key: str
) -> None:
    revision = frozen(model=a_model(source=source))
    token = next(v for v in pod_of(revision)["volumes"] if v["name"] == "token")
    assert token["secret"] == {
        "secretName": want_secret,
        "optional": True,
        "defaultMode": 0o440,
        "items": [{"key": want_key, "path": "token"}],
    }
    assert env_of(prepare_of(revision))["HF_TOKEN_PATH"] == "/etc/genmodel/token/token"
    assert not [name for name in env_of(server_of(revision)) if "TOKEN" in name]


def test_contract_environment() -> None:
    revision = frozen()
    want = {
        "GENMODEL_CONTRACT": "1",
        "GENMODEL_REPOSITORY": "mistralai/Mistral-7B-Instruct-v0.3",
        "GENMODEL_COMMIT": A_COMMIT,
        "GENMODEL_TASK": "Generate",
        "GENMODEL_SERVED_NAMES": "mistral,mistralai/Mistral-7B-Instruct-v0.3",
        "GENMODEL_ENGINE": "vllm",
        "GENMODEL_ALLOW": "",
        "GENMODEL_EXPECTED_BYTES": str(some_facts().download_bytes),
        "GENMODEL_STARTUP_SECONDS": "1801",
        "GENMODEL_STALL_SECONDS": "120",
        "GENMODEL_DRAIN_SECONDS": "300",
        "GENMODEL_ACCESS": "Open",
        "GENMODEL_LIMITS": '{"bodyBytes":33554432,"choices":16,"inputs":2048,"mediaHosts":[]}',
    }
    on_claims = {"GENMODEL_WEIGHTS", "GENMODEL_IN_USE", "GENMODEL_SOURCE_PATH"}
    assert set(want) | on_claims == {name.value for name in Env}, "three only with a claim"
    for container in (prepare_of(revision), server_of(revision)):
        assert {k: v for k, v in env_of(container).items() if k.startswith("GENMODEL_")} == want


def test_api_keys_are_mounted_in_the_server_only_where_they_are_asked_for() -> None:
    revision = frozen(model=a_model(access={"apiKeysSecretRef": {"name": "team-keys"}}))
    volume = {"name": "api-keys", "secret": {"secretName": "team-keys", "defaultMode": 0o440}}
    mount = {"name": "api-keys", "mountPath": "/etc/genmodel/keys", "readOnly": True}
    assert volume in revision.template["spec"]["volumes"]
    assert mount in server_of(revision)["volumeMounts"]
    assert env_of(server_of(revision))["GENMODEL_ACCESS"] == "ApiKeys"
    assert mount not in prepare_of(revision)["volumeMounts"]
    for without in (frozen(), frozen(model=a_model(access={}))):
        assert "api-keys" not in json.dumps(without.template)
        assert env_of(server_of(without))["GENMODEL_ACCESS"] == "Open"
    assert frozen().hash == frozen(model=a_model(access={})).hash != revision.hash


def test_the_platforms_limits_reach_the_guard() -> None:
    limits = LimitSettings(body_mib=2, choices=3, inputs=4, media_hosts=["images.example"])
    revision = frozen(settings=Settings(limits=limits))
    read = read_limits(env_of(server_of(revision))["GENMODEL_LIMITS"])
    assert read == Limits(body_bytes=2 * 1024**2, choices=3, inputs=4, media_hosts=("images.example",))


WAY_TO_THE_HUB = {"HF_ENDPOINT", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE"}


@pytest.mark.parametrize(
    ("hub", "want"),
    [
        pytest.param(HubSettings(), {"HF_ENDPOINT": "https://huggingface.co"}, id="the default"),
        pytest.param(
            HubSettings(endpoint="http://mirror", no_proxy=".svc,10.0.0.0/8"),
            {"HF_ENDPOINT": "http://mirror", "NO_PROXY": ".svc,10.0.0.0/8"},
            id="a mirror",
        ),
        pytest.param(
            HubSettings(https_proxy="http://proxy:3128", http_proxy="http://proxy:3129", ca_config_map="authorities"),
            {
                "HF_ENDPOINT": "https://huggingface.co",
                "HTTPS_PROXY": "http://proxy:3128",
                "HTTP_PROXY": "http://proxy:3129",
                "SSL_CERT_FILE": "/etc/genmodel/ca/ca.crt",
            },
            id="a proxy with its own authority",
        ),
    ],
)
def test_only_prepare_knows_the_hub_and_the_way_to_it(hub: HubSettings, want: dict[str, str]) -> None:
    revision = frozen(settings=Settings(hub=hub))
    assert {k: v for k, v in env_of(prepare_of(revision)).items() if k in WAY_TO_THE_HUB} == want
    server = env_of(server_of(revision))
    assert server["HF_HUB_OFFLINE"] == "1"
    assert WAY_TO_THE_HUB.isdisjoint(server)


def test_certificate_authorities_are_mounted_where_there_are_such() -> None:
    with_them = frozen(settings=Settings(hub=HubSettings(ca_config_map="authorities")))
    want_volume = {
        "name": "ca",
        "configMap": {"name": "authorities", "items": [{"key": "ca.crt", "path": "ca.crt"}]},
    }
    assert want_volume in pod_of(with_them)["volumes"]
    want_mount = {"name": "ca", "mountPath": "/etc/genmodel/ca", "readOnly": True}
    assert want_mount in prepare_of(with_them)["volumeMounts"]
    assert want_mount not in server_of(with_them)["volumeMounts"]
    assert "ca" not in {volume["name"] for volume in pod_of(frozen())["volumes"]}


def test_the_models_own_hub_wins() -> None:
    revision = frozen(model=a_model(source={"hub": {"endpoint": "http://hub.team-a.svc:8080"}}))
    assert env_of(prepare_of(revision))["HF_ENDPOINT"] == "http://hub.team-a.svc:8080"


def test_probes() -> None:
    server = server_of(frozen(settings=Settings(engines=EngineSettings(startup_seconds=600))))
    startup, ready, live = server["startupProbe"], server["readinessProbe"], server["livenessProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 601 + 60
    assert (startup["httpGet"]["path"], ready["httpGet"]["path"]) == ("/startupz", "/readyz")
    assert startup["timeoutSeconds"] > startup["periodSeconds"] > STARTUP_ANSWER_SECONDS
    assert live["httpGet"]["path"] == "/livez"
    assert {p["httpGet"]["port"] for p in (startup, ready, live)} == {"runtime"}
    assert (live["periodSeconds"], live["failureThreshold"], live["terminationGracePeriodSeconds"]) == (10, 2, 5)
    assert (ready["periodSeconds"], ready["failureThreshold"]) == (5, 3)


def test_grace_period_covers_the_drain() -> None:
    revision = frozen(settings=Settings(engines=EngineSettings(drain_seconds=100)))
    assert pod_of(revision)["terminationGracePeriodSeconds"] == 15 + 100 + 15
    assert "lifecycle" not in server_of(revision)


def test_ports() -> None:
    revision = frozen()
    assert {p["name"]: p["containerPort"] for p in server_of(revision)["ports"]} == {"http": 8000, "runtime": 8001}
    assert "ports" not in prepare_of(revision)


def test_gpu_resources() -> None:
    resources = server_of(frozen(a_gpu_plan(count=2, tensor_parallel=2)))["resources"]
    assert resources == {
        "requests": {"cpu": "4", "memory": "12Gi", "ephemeral-storage": "17Gi", "nvidia.com/gpu": "2"},
        "limits": {"memory": "12Gi", "ephemeral-storage": "29760Mi", "nvidia.com/gpu": "2"},
    }


def test_cpu_resources() -> None:
    resources = server_of(frozen(a_cpu_plan(), settings=Settings(engines=EngineSettings(cpu_request="0.2"))))[
        "resources"
    ]
    assert resources["requests"] == {"cpu": "200m", "memory": "6Gi", "ephemeral-storage": "2Gi"}
    assert "cpu" not in resources["limits"]


def test_placement_on_gpu() -> None:
    plan = a_gpu_plan(
        tolerations=(
            Taint("nvidia.com/gpu", "present", "NoSchedule"),
            Taint("team", "a", "NoSchedule"),
            Taint("spot", "", "NoExecute"),
        )
    )
    pod = pod_of(frozen(plan))
    required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-L4"]}]}
    ]
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists"},
        {"key": "team", "operator": "Equal", "value": "a", "effect": "NoSchedule"},
        {"key": "spot", "operator": "Exists", "effect": "NoExecute"},
    ]


def test_placement_on_any_cpu_node() -> None:
    pod = pod_of(frozen(a_cpu_plan()))
    assert "affinity" not in pod
    assert "tolerations" not in pod


def test_replicas_prefer_different_nodes() -> None:
    revision = frozen()
    spread = pod_of(revision)["topologySpreadConstraints"]
    assert [entry["whenUnsatisfiable"] for entry in spread] == ["ScheduleAnyway"]
    assert spread[0]["labelSelector"]["matchLabels"] == labels.server_selector("mistral", revision.id)


def test_labels() -> None:
    revision = frozen()
    assert revision.template["metadata"]["labels"] == labels.revision_labels("mistral", revision.id, A_COMMIT)


def test_images_and_pull_secrets() -> None:
    engines = EngineSettings(gpu_image="mirror/gpu:1", image_pull_secrets=["a", "b"], pull_policy="Always")
    revision = frozen(settings=Settings(runtime_image="mirror/operator:1", engines=engines))
    assert server_of(revision)["image"] == "mirror/gpu:1"
    assert prepare_of(revision)["image"] == "mirror/operator:1"
    assert pod_of(revision)["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert server_of(revision)["imagePullPolicy"] == "Always"
    assert "imagePullSecrets" not in pod_of(frozen())


def test_the_users_image_takes_the_place_of_the_engines() -> None:
    revision = frozen(model=a_model(engine={"image": "mirror/mine:2"}))
    assert server_of(revision)["image"] == "mirror/mine:2"
    assert revision.engine_image == "mirror/mine:2"
    assert prepare_of(revision)["image"] == Settings().runtime_image
