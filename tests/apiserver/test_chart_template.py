"""The chart as real helm renders it: values, schema, images, settings."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from genmodel_operator.api.crd import CRD_NAME, build_crd
from genmodel_operator.settings import Settings
from tests.cluster import Cluster
from tests.helm import CHART, KUBE_VERSION, RELEASE, Helm

pytestmark = pytest.mark.apiserver

DIGEST = f"sha256:{'0' * 64}"
EVERYTHING: dict[str, Any] = {
    "global": {"imageRegistry": "mirror.example:5000/upstream"},
    "fullnameOverride": "models",
    "commonLabels": {"team": "platform"},
    "image": {"digest": DIGEST, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "serviceAccount": {"annotations": {"a": "b"}},
    "metrics": {"service": {"annotations": {"prometheus.io/scrape": "true"}}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"a": "b"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "infra", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "priorityClassName": "system-cluster-critical",
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "extraEnvFrom": [{"configMapRef": {"name": "proxy"}}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/extra"}],
}
VALUE_SETS = [
    pytest.param({}, id="defaults"),
    pytest.param({"watchNamespaces": ["team-a", "team-b"]}, id="two namespaces"),
    pytest.param({"crds": {"enabled": False}, "rbac": {"create": False}}, id="neither CRD nor roles"),
    pytest.param({"serviceAccount": {"create": False, "name": "mine"}}, id="a given service account"),
    pytest.param({"metrics": {"service": {"enabled": False}}, "networkPolicy": {"enabled": False}}, id="no network"),
    pytest.param(EVERYTHING, id="everything set"),
]


@pytest.fixture(scope="module")
def helm(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(control_plane, tmp_path_factory.mktemp("helm"))


@pytest.mark.parametrize("values", VALUE_SETS)
def test_lint_is_strictly_clean(helm: Helm, values: dict[str, Any]) -> None:
    answer = helm.run("lint", "--strict", str(CHART), "--kube-version", KUBE_VERSION, values=values)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("values", VALUE_SETS)
def test_every_object_is_valid(helm: Helm, values: dict[str, Any]) -> None:
    for document in helm.objects(values).values():
        kubernetes_validate.validate(document, "1.37", strict=True)


@pytest.mark.parametrize("values", VALUE_SETS)
def test_no_object_of_the_chart_looks_like_a_model_s_child(helm: Helm, values: dict[str, Any]) -> None:
    for document in helm.objects(values).values():
        assert document["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param({"watchNamespace": ["a"]}, "watchNamespace", id="a misspelt key"),
        pytest.param({"hub": {"tokenSecretName_": "x"}}, "tokenSecretName_", id="a misspelt setting"),
        pytest.param({"image": {"tags": "x"}}, "tags", id="a misspelt part of the image"),
        pytest.param({"metrics": {"service": {"enable": True}}}, "enable", id="a misspelt switch"),
        pytest.param({"runtimeImage": "x"}, "runtimeImage", id="a setting that the chart derives"),
        pytest.param({"workers": "many"}, "workers", id="words for a number"),
        pytest.param({"workers": 0}, "workers", id="a number below its bound"),
        pytest.param({"hub": {"timeoutSeconds": 0}}, "timeoutSeconds", id="a bound that is excluded"),
        pytest.param({"httpPort": 80}, "httpPort", id="a port that needs root"),
        pytest.param({"image": {"digest": "sha256:abc"}}, "digest", id="half a digest"),
        pytest.param({"tolerations": [{"keys": "x"}]}, "keys", id="a misspelt toleration"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(helm: Helm, values: dict[str, Any], want: str) -> None:
    answer = helm.template(values)
    assert answer.returncode != 0
    assert "values don't meet the specifications of the schema" in answer.stderr
    assert want in answer.stderr


def settings_of(helm: Helm, values: dict[str, Any]) -> Settings:
    configs = [found["data"] for (kind, _), found in helm.objects(values).items() if kind == "ConfigMap"]
    config = {"data": next(data for data in configs if "settings.yaml" in data)}
    return Settings.model_validate(yaml.safe_load(config["data"]["settings.yaml"]), strict=True)


def test_the_default_values_are_the_default_settings(helm: Helm) -> None:
    assert settings_of(helm, {}) == Settings()


EVERY_VALUE: dict[str, Any] = {
    "watchNamespaces": ["a"],
    "workers": 3,
    "resyncSeconds": 60,
    "drainPatienceSeconds": 9,
    "httpPort": 9090,
    "logLevel": "DEBUG",
    "logFormat": "text",
    "hub": {
        "endpoint": "http://hub:80",
        "tokenSecretName": "t",
        "tokenSecretNames": ["t", "u"],
        "timeoutSeconds": 1.5,
        "resolveTimeoutSeconds": 9,
        "branchCacheSeconds": 0,
        "threads": 2,
        "pinnedCheckSeconds": 600,
        "followCheckSeconds": 90,
        "httpsProxy": "http://proxy:3128",
        "httpProxy": "http://proxy:3129",
        "noProxy": ".svc,10.0.0.0/8",
        "caConfigMap": "authorities",
    },
    "engines": {
        "gpuImage": "g:1",
        "rocmImage": "r:1",
        "rocmGroups": [44],
        "cpuImage": "c:1",
        "version": "0.33.0",
        "pullPolicy": "Always",
        "imagePullSecrets": ["p"],
        "cpuRequest": "200m",
        "cpuThreads": 2,
        "cpuMaxModelGib": 4,
        "startupSeconds": 60,
        "drainSeconds": 0,
        "stallSeconds": 10,
    },
    "accelerators": {
        "products": [{"name": "NVIDIA-Next", "memoryGib": 31.5, "computeCapability": "9.0"}],
        "pools": [{"name": "p", "product": "NVIDIA-L4", "devices": 2, "labels": {"example.com/pool": "l4"}}],
        "timeSlices": True,
    },
    "policy": {"allowedPrecisions": ["FP8"]},
    "limits": {"bodyMib": 8, "choices": 4, "inputs": 64, "mediaHosts": ["images.example"]},
    "measurements": {"configMap": "learnt", "namespace": "platform"},
    "metrics": {"podMonitor": {"enabled": False, "labels": {"release": "prom"}, "intervalSeconds": 15}},
}


def test_every_setting_is_reached_by_its_value(helm: Helm) -> None:
    default, changed = Settings().model_dump(), settings_of(helm, EVERY_VALUE).model_dump()
    same = {name for name in default if default[name] == changed[name]}
    same |= {
        f"{part}.{name}"
        for part in ("hub", "engines", "accelerators", "policy", "limits", "measurements", "pod_monitors")
        for name in default[part]
        if default[part][name] == changed[part][name]
    }
    assert same == {"runtime_image"}


@pytest.mark.parametrize(
    ("values", "want_operator", "want_gpu"),
    [
        pytest.param({}, "ghcr.io/genmodel/operator:0.1.0", "docker.io/vllm/vllm-openai:v0.32.0", id="defaults"),
        pytest.param(
            {"image": {"tag": "1.2.3"}},
            "ghcr.io/genmodel/operator:1.2.3",
            "docker.io/vllm/vllm-openai:v0.32.0",
            id="a tag",
        ),
        pytest.param(
            {"image": {"tag": "1.2.3", "digest": DIGEST}},
            f"ghcr.io/genmodel/operator@{DIGEST}",
            "docker.io/vllm/vllm-openai:v0.32.0",
            id="the digest wins over the tag",
        ),
        pytest.param(
            {"global": {"imageRegistry": "mirror:5000"}},
            "mirror:5000/genmodel/operator:0.1.0",
            "mirror:5000/vllm/vllm-openai:v0.32.0",
            id="a mirror for every image",
        ),
        pytest.param(
            {"global": {"imageRegistry": "mirror:5000"}, "engines": {"gpuImage": "vllm/vllm-openai:v1"}},
            "mirror:5000/genmodel/operator:0.1.0",
            "mirror:5000/vllm/vllm-openai:v1",
            id="a mirror for an image without registry",
        ),
    ],
)
def test_images(helm: Helm, values: dict[str, Any], want_operator: str, want_gpu: str) -> None:
    settings = settings_of(helm, values)
    deployment = helm.objects(values)["Deployment", RELEASE]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == want_operator
    assert settings.runtime_image == want_operator
    assert settings.engines.gpu_image == want_gpu


@pytest.mark.parametrize(
    ("image", "want_image"),
    [
        pytest.param("", "", id="none set"),
        pytest.param("docker.io/vllm/vllm-openai-rocm:v1", "mirror:5000/vllm/vllm-openai-rocm:v1", id="mirrored"),
    ],
)
def test_the_rocm_image(helm: Helm, image: str, want_image: str) -> None:
    values = {"global": {"imageRegistry": "mirror:5000"}, "engines": {"rocmImage": image}}
    assert settings_of(helm, values).engines.rocm_image == want_image


def test_labels_of_a_pool_stay_as_they_are_written(helm: Helm) -> None:
    pool = {"name": "p", "product": "l4", "devices": 1, "labels": {"cloud.google.com/gke-nodepool": "aB_c"}}
    found = settings_of(helm, {"accelerators": {"pools": [pool]}}).accelerators.pools
    assert [one.labels for one in found] == [pool["labels"]]


def test_changed_settings_restart_the_operator(helm: Helm) -> None:
    def checksum(values: dict[str, Any]) -> str:
        template = helm.objects(values)["Deployment", RELEASE]["spec"]["template"]
        return str(template["metadata"]["annotations"]["genmodel.dev/settings-checksum"])

    assert checksum({}) == checksum({})
    assert checksum({}) != checksum({"workers": 3})


def test_the_crd_is_the_committed_one_and_stays(helm: Helm) -> None:
    crd = helm.objects()["CustomResourceDefinition", CRD_NAME]
    assert crd["spec"] == build_crd()["spec"]
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert (
        "annotations" not in helm.objects({"crds": {"keep": False}})["CustomResourceDefinition", CRD_NAME]["metadata"]
    )
    assert ("CustomResourceDefinition", CRD_NAME) not in helm.objects({"crds": {"enabled": False}})


def test_the_service_leads_to_the_port_of_the_container(helm: Helm) -> None:
    found = helm.objects({"httpPort": 9090})
    (port,) = found["Service", RELEASE]["spec"]["ports"]
    container = found["Deployment", RELEASE]["spec"]["template"]["spec"]["containers"][0]
    assert port["targetPort"] == container["ports"][0]["name"]
    assert container["ports"][0]["containerPort"] == 9090
    assert found["NetworkPolicy", RELEASE]["spec"]["ingress"][0]["ports"][0]["port"] == 9090


def test_chart_and_package_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    package = (Path(__file__).parents[2] / "operator/genmodel_operator/__init__.py").read_text()
    assert f'"{chart["version"]}"' in package
    assert chart["appVersion"] == chart["version"]
