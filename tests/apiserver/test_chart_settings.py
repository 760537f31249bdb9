"""The chart's values as the operator reads them: settings, and the policy in a document of its own."""

from pathlib import PurePosixPath
from typing import Any

import pytest

from genmodel_operator.policy.document import Policy
from genmodel_operator.policy.parse import parse_policy
from genmodel_operator.settings import Settings
from tests.helm import RELEASE, Helm, settings_of

pytestmark = pytest.mark.apiserver


def test_the_default_values_are_the_default_settings(helm: Helm) -> None:
    assert settings_of(helm, {}) == Settings(policy_file="/etc/genmodel-policy/policy.yaml")


EVERY_VALUE: dict[str, Any] = {
    "fullnameOverride": "models",
    "replicas": 3,
    "leaderElection": {"leaseNamespace": "platform", "leaseSeconds": 30},
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
    "inventory": {"mode": "pools"},
    "limits": {"bodyMib": 8, "choices": 4, "inputs": 64, "mediaHosts": ["images.example"]},
    "network": {
        "policies": False,
        "operatorNamespace": "platform",
        "monitoringNamespaces": ["monitoring"],
        "extraEgress": [{"namespaces": ["mirror"], "cidrs": ["10.9.0.0/16"], "ports": [8080]}],
    },
    "measurements": {"configMap": "learnt", "namespace": "platform"},
    "metrics": {"podMonitor": {"enabled": False, "labels": {"release": "prom"}, "intervalSeconds": 15}},
}


def test_every_setting_is_reached_by_its_value(helm: Helm) -> None:
    default, changed = Settings().model_dump(), settings_of(helm, EVERY_VALUE).model_dump()
    same = {name for name in default if default[name] == changed[name]}
    same |= {
        f"{part}.{name}"
        for part in (
            "hub",
            "engines",
            "accelerators",
            "inventory",
            "limits",
            "network",
            "measurements",
            "leader_election",
            "pod_monitors",
        )
        for name in default[part]
        if default[part][name] == changed[part][name]
    }
    assert same == {"runtime_image", "policy"}


EVERY_RULE: dict[str, Any] = {
    "allowedPublishers": ["mistralai", "Qwen/Qwen3-*"],
    "allowedLicenseClasses": ["Open"],
    "licenseClasses": {"acme-internal": "Open"},
    "allowGated": False,
    "remoteCode": [{"repository": "acme/own", "commits": ["0123456789abcdef0123456789abcdef01234567"]}],
    "pools": [{"name": "l4", "product": "NVIDIA-L4", "devices": 1, "labels": {"example.com/pool": "l4"}}],
    "allowedEngineImages": ["registry.example.com/vllm/*"],
    "devicesPerNamespace": {"team-a": 8, "*": 2},
    "allowedPrecisions": ["FP8"],
    "prices": {"NVIDIA-L4": 0.71, "NVIDIA-H100-80GB-HBM3": 4},
    "advisories": [
        {"id": "CVE-2027-1", "severity": "High", "affected": [{"fixed": "0.34.0"}], "summary": "it: has a #"},
    ],
    "ignoredAdvisories": ["CVE-2026-114051"],
}


def policy_of(helm: Helm, values: dict[str, Any]) -> Policy:
    """The policy as the operator reads it from its mount, wherever the chart puts that."""
    found = helm.objects(values)
    pod = found["Deployment", RELEASE]["spec"]["template"]["spec"]
    path = PurePosixPath(settings_of(helm, values).policy_file)
    (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["mountPath"] == str(path.parent)]
    assert mount["readOnly"] is True
    assert "subPath" not in mount, "the kubelet never renews such a file"
    (volume,) = [one for one in pod["volumes"] if one["name"] == mount["name"]]
    return parse_policy(found["ConfigMap", volume["configMap"]["name"]]["data"][path.name])


def test_the_policy_is_a_document_of_its_own_that_has_every_rule(helm: Helm) -> None:
    assert policy_of(helm, {}) == Policy()
    found = policy_of(helm, {"policy": EVERY_RULE})
    assert found == Policy.model_validate(EVERY_RULE)
    assert [name for name in Policy.model_fields if getattr(found, name) == getattr(Policy(), name)] == []


def test_another_policy_restarts_nothing(helm: Helm) -> None:
    def pods(values: dict[str, Any]) -> Any:
        return helm.objects(values)["Deployment", RELEASE]["spec"]["template"]

    assert pods({"policy": EVERY_RULE}) == pods({})
