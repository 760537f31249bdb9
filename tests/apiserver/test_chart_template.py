"""The chart as real helm renders it: values, schema, images."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from genmodel_operator.api.crd import CRD_NAME, build_crd
from tests.helm import CHART, KUBE_VERSION, RELEASE, Helm, Objects, settings_of

DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
pytestmark = pytest.mark.apiserver

DIGEST = f"sha256:{'0' * 64}"
A_CONFIG_MAP = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "extra", "namespace": "models", "labels": {"app.kubernetes.io/managed-by": "Helm"}},
}
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
    "namespaceOverride": "models",
    "replicas": 3,
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    "proxy": {"httpsProxy": "http://proxy:3128", "httpProxy": "http://proxy:3129", "noProxy": ".example.com"},
    "extraCA": {"configMap": "authorities", "key": "bundle.pem"},
    "startupProbe": {"failureThreshold": 90},
    "livenessProbe": {"periodSeconds": 30},
    "readinessProbe": {"initialDelaySeconds": 1},
    "podSecurityContext": {"fsGroup": 1},
    "securityContext": {"privileged": False},
    "extraObjects": [A_CONFIG_MAP],
}
VALUE_SETS = [
    pytest.param({"replicas": 2, "podDisruptionBudget": {"enabled": True}}, id="two operators"),
    pytest.param({}, id="defaults"),
    pytest.param({"watchNamespaces": ["team-a", "team-b"]}, id="two namespaces"),
    pytest.param({"crds": {"enabled": False}, "rbac": {"create": False}}, id="neither CRD nor roles"),
    pytest.param({"serviceAccount": {"create": False, "name": "mine"}}, id="a given service account"),
    pytest.param({"metrics": {"service": {"enabled": False}}, "networkPolicy": {"enabled": False}}, id="no network"),
    pytest.param(EVERYTHING, id="everything set"),
]


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
        pytest.param({"policy": {"allowedPublisher": ["a"]}}, "allowedPublisher", id="a misspelt rule of the policy"),
        pytest.param({"policy": {"allowGated": "no"}}, "allowGated", id="a word for a switch of the policy"),
        pytest.param({"policy": {"allowedLicenseClasses": ["open"]}}, "allowedLicenseClasses", id="no class"),
        pytest.param({"policy": {"prices": {"NVIDIA-L4": "cheap"}}}, "prices", id="a word for a price"),
        pytest.param({"tolerations": [{"keys": "x"}]}, "keys", id="a misspelt toleration"),
        pytest.param({"replicas": 0}, "replicas", id="no operator"),
        pytest.param({"watchNamespaces": ["a", "a"]}, "watchNamespaces", id="a namespace twice"),
        pytest.param({"leaderElection": {"leaseName": "x"}}, "leaseName", id="a part that the chart derives"),
        pytest.param({"proxy": {"httpsProxy": "proxy:3128"}}, "httpsProxy", id="a proxy that is no URL"),
        pytest.param({"livenessProbe": {"httpGet": {}}}, "httpGet", id="a probe of another kind"),
        pytest.param(
            {"podDisruptionBudget": {"maxUnavailable": 0}}, "maxUnavailable", id="a budget that drains nothing"
        ),
        pytest.param({"inventory": {"mode": "configmap"}}, "/inventory/mode", id="no way to know nodes"),
        pytest.param({"hub": {"endpoint": "huggingface.co"}}, "/hub/endpoint", id="a Hub without a scheme"),
        pytest.param({"fullnameOverride": "Foo_Bar"}, "/fullnameOverride", id="a name that no Service has"),
        pytest.param({"namespaceOverride": "A"}, "namespaceOverride", id="a name that no namespace has"),
        pytest.param({"extraObjects": [3]}, "extraObjects", id="an object that is a number"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(helm: Helm, values: dict[str, Any], want: str) -> None:
    answer = helm.template(values)
    assert answer.returncode != 0
    assert "values don't meet the specifications of the schema" in answer.stderr
    assert want in answer.stderr


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param(
            {"podDisruptionBudget": {"enabled": True}},
            ("podDisruptionBudget.enabled is true", "replicas is 1", "set replicas to 2 or more"),
            id="a budget for a single operator",
        ),
        pytest.param(
            {"serviceAccount": {"create": False}},
            ("serviceAccount.create is false", "serviceAccount.name is empty"),
            id="rights for the account of all pods",
        ),
        pytest.param(
            {"hub": {"tokenSecretName": "mine"}},
            ("hub.tokenSecretName is mine", "hub.tokenSecretNames"),
            id="a token that may not be read",
        ),
        pytest.param(
            {
                "accelerators": {"pools": [{"name": "a", "product": "L4", "devices": 1, "labels": {"a": "b"}}]},
                "policy": {"pools": [{"name": "a", "product": "L4", "devices": 1, "labels": {"a": "b"}}]},
            },
            ("accelerators.pools and policy.pools are both set", "keep the pools in one of the two"),
            id="pools in two places",
        ),
        pytest.param(
            {"inventory": {"mode": "pools"}},
            ("inventory.mode is pools", "neither policy.pools nor accelerators.pools", "describe them in policy.pools"),
            id="no nodes at all",
        ),
        pytest.param(
            {"policy": {"pools": [{"name": "a", "product": "L4", "devices": 0, "labels": {"a": "b"}}]}},
            ("the pool a", "product L4 and devices 0"),
            id="a pool of GPUs without any",
        ),
        pytest.param(
            {"accelerators": {"pools": [{"name": "a", "product": "CPU", "devices": 1, "labels": {"a": "b"}}]}},
            ("the pool a", "product CPU and devices 1"),
            id="a pool of processors with GPUs",
        ),
        pytest.param(
            {"watchNamespaces": ["a"], "rbac": {"aggregate": True}},
            ("watchNamespaces is set", "rbac.aggregate is true"),
            id="users of the whole cluster for an operator of one namespace",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused_by_both_names(
    helm: Helm, values: dict[str, Any], want: tuple[str, ...]
) -> None:
    answer = helm.template(values)
    assert answer.returncode != 0
    assert [words for words in want if words not in answer.stderr] == []


@pytest.mark.parametrize("key", [*DEFAULTS, *(f"metrics.{part}" for part in DEFAULTS["metrics"])])
def test_a_key_without_a_value_is_named_or_means_the_default(helm: Helm, key: str) -> None:
    outer, _, inner = key.partition(".")
    answer = helm.template({outer: {inner: None} if inner else None})
    if answer.returncode:
        assert f"there is no value {key}: it is a key without a value" in answer.stderr


def test_two_operators_roll_and_prefer_different_nodes(helm: Helm) -> None:
    spec = helm.objects({"replicas": 2})["Deployment", RELEASE]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (2, {"type": "RollingUpdate"})
    assert "podAntiAffinity" in spec["template"]["spec"]["affinity"]
    own = helm.objects({"replicas": 2, "affinity": {"nodeAffinity": {}}})["Deployment", RELEASE]["spec"]
    assert own["template"]["spec"]["affinity"] == {"nodeAffinity": {}}
    single = helm.objects()["Deployment", RELEASE]["spec"]
    assert (single["replicas"], single["strategy"]) == (1, {"type": "Recreate"})
    assert "affinity" not in single["template"]["spec"]


def container_env(found: Objects) -> dict[str, str]:
    (container,) = found["Deployment", RELEASE]["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def test_a_proxy_is_that_of_the_operator_and_of_the_pods_that_fetch(helm: Helm) -> None:
    values = {"proxy": {"httpsProxy": "http://proxy:3128", "noProxy": ".example.com"}}
    env, hub = container_env(helm.objects(values)), settings_of(helm, values).hub
    assert env["HTTPS_PROXY"] == hub.https_proxy == "http://proxy:3128"
    assert env["NO_PROXY"].split(",")[0] == "$(KUBERNETES_SERVICE_HOST)"
    assert env["NO_PROXY"].split(",")[-1] == hub.no_proxy == ".example.com"
    assert "HTTP_PROXY" not in env
    own = settings_of(helm, {**values, "hub": {"httpsProxy": "http://other:1"}}).hub
    assert own.https_proxy == "http://other:1"
    assert {"HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"} & set(container_env(helm.objects())) == set()


def test_certificate_authorities_are_mounted_where_the_operator_looks(helm: Helm) -> None:
    found = helm.objects({"extraCA": {"configMap": "authorities", "key": "bundle.pem"}})
    spec = found["Deployment", RELEASE]["spec"]["template"]["spec"]
    (mount,) = [mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "ca"]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "ca"]
    (item,) = volume["configMap"]["items"]
    assert (volume["configMap"]["name"], item["key"]) == ("authorities", "bundle.pem")
    assert container_env(found)["SSL_CERT_FILE"] == f"{mount['mountPath']}/{item['path']}"


def test_extra_objects_are_maps_or_templates(helm: Helm) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-text'}\n"
    found = helm.objects({"extraObjects": [A_CONFIG_MAP, text]})
    assert found["ConfigMap", "models/extra"] == A_CONFIG_MAP
    assert ("ConfigMap", f"{RELEASE}-text") in found


def test_another_namespace_takes_every_object(helm: Helm) -> None:
    found = helm.objects({"namespaceOverride": "models", "replicas": 2, "podDisruptionBudget": {"enabled": True}})
    places = {document["metadata"].get("namespace", "the cluster") for document in found.values()}
    assert places == {"models", "the cluster"}
    subjects = [subject for document in found.values() for subject in document.get("subjects", [])]
    assert {subject["namespace"] for subject in subjects} == {"models"}


@pytest.mark.parametrize("values", VALUE_SETS)
def test_the_check_runs_as_the_operator_does_and_no_service_leads_to_it(helm: Helm, values: dict[str, Any]) -> None:
    found = helm.objects(values)
    check = next(found for (kind, _), found in found.items() if kind == "Pod")
    operator = next(found for (kind, _), found in found.items() if kind == "Deployment")["spec"]
    pod, own = check["spec"], operator["template"]["spec"]
    assert check["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["serviceAccountName"] == own["serviceAccountName"]
    for part in ("env", "image", "securityContext", "resources"):
        assert pod["containers"][0].get(part) == own["containers"][0].get(part)
    assert not operator["selector"]["matchLabels"].items() <= check["metadata"]["labels"].items()


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
