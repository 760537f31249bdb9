"""For every CEL rule of the CRD one object that keeps it and one that breaks it."""

from dataclasses import dataclass, field
from typing import Any

MODEL = "mistralai/Mistral-7B-Instruct-v0.3"


@dataclass(frozen=True, slots=True)
class RuleSample:
    """Samples of one rule, which is named by its node and the first words of its message."""

    path: str
    message: str
    keeps: dict[str, Any]
    breaks: dict[str, Any]
    field: str = field(default="")
    """Where kubectl's answer puts the finding; empty: at ``path``."""

    @property
    def id(self) -> str:
        """Readable name of the case."""
        return f"{self.path or 'object'} {self.message[:40]}"


def manifest(name: str = "sample", **spec: Any) -> dict[str, Any]:
    """Return a whole object with this spec; ``model`` is filled in where it is not given."""
    return {
        "apiVersion": "genmodel.dev/v1alpha1",
        "kind": "GenerativeModel",
        "metadata": {"name": name},
        "spec": {"model": MODEL, **spec},
    }


def _hub(**hub: Any) -> dict[str, Any]:
    return manifest(source={"hub": hub})


def _claim(**claim: Any) -> dict[str, Any]:
    return manifest(cache={"persistentVolumeClaim": claim})


def _source(**claim: Any) -> dict[str, Any]:
    return manifest(source=_on_claim(**claim))


def _on_claim(**claim: Any) -> dict[str, Any]:
    return {"persistentVolumeClaim": {"claimName": "models", **claim}}


def _hub_secret(**reference: str) -> dict[str, Any]:
    return _hub(tokenSecretRef=reference)


def _env(*entries: dict[str, Any]) -> dict[str, Any]:
    return manifest(engine={"env": list(entries)})


def _env_secret(**reference: str) -> dict[str, Any]:
    return _env({"name": "A", "valueFrom": {"secretKeyRef": reference}})


def _secret_samples(path: str, build: Any, where: str) -> list[RuleSample]:
    return [
        RuleSample(
            f"{path}.name",
            "must be the name of a Secret",
            build(name="team-a.hub"),
            build(name="Team_A"),
            f"{where}.name",
        ),
        RuleSample(
            f"{path}.key",
            "must be a key of the Secret",
            build(name="hub", key="hf_token.txt"),
            build(name="hub", key="a key"),
            f"{where}.key",
        ),
    ]


def _from(where: str, **selector: Any) -> dict[str, Any]:
    return manifest(access={"allowFrom": [{where: selector}]})


def _condition(where: str, **requirement: Any) -> dict[str, Any]:
    return _from(where, matchExpressions=[requirement])


def _selector_samples(where: str) -> list[RuleSample]:
    path = f".spec.access.allowFrom[].{where}"
    first = f"spec.access.allowFrom[0].{where}"
    return [
        RuleSample(
            f"{path}.matchLabels",
            "each key must be the key of a label",
            _from(where, matchLabels={"kubernetes.io/metadata.name": "web"}),
            _from(where, matchLabels={"two words": "web"}),
            f"{first}.matchLabels",
        ),
        RuleSample(
            f"{path}.matchLabels.*",
            "must be the value of a label",
            _from(where, matchLabels={"app": ""}),
            _from(where, matchLabels={"app": "two words"}),
            f"{first}.matchLabels[app]",
        ),
        RuleSample(
            f"{path}.matchExpressions[]",
            "operators In and NotIn need values",
            _condition(where, key="app", operator="Exists"),
            _condition(where, key="app", operator="In"),
            f"{first}.matchExpressions[0]",
        ),
        RuleSample(
            f"{path}.matchExpressions[].key",
            "must be the key of a label",
            _condition(where, key="example.com/app", operator="DoesNotExist"),
            _condition(where, key="/app", operator="DoesNotExist"),
            f"{first}.matchExpressions[0].key",
        ),
        RuleSample(
            f"{path}.matchExpressions[].values[]",
            "must be the value of a label",
            _condition(where, key="app", operator="NotIn", values=["a", "b.C_d-1"]),
            _condition(where, key="app", operator="NotIn", values=["-a"]),
            f"{first}.matchExpressions[0].values[0]",
        ),
    ]


SAMPLES = [
    RuleSample("", "metadata.name must be a DNS-1035", manifest("a" * 52), manifest("a" * 53), "<nil>"),
    RuleSample(
        ".spec",
        "kvCachePrecision FP8 needs a GPU",
        manifest(kvCachePrecision="FP8", accelerator={"kind": "GPU"}),
        manifest(kvCachePrecision="FP8", accelerator={"kind": "CPU"}),
    ),
    RuleSample(
        ".spec.access.apiKeysSecretRef.name",
        "must be the name of a Secret",
        manifest(access={"apiKeysSecretRef": {"name": "team-a.keys"}}),
        manifest(access={"apiKeysSecretRef": {"name": "Team_A"}}),
    ),
    RuleSample(
        ".spec.access.allowFrom[]",
        "each entry of allowFrom needs",
        manifest(access={"allowFrom": [{"podSelector": {}}]}),
        manifest(access={"allowFrom": [{}]}),
        "spec.access.allowFrom[0]",
    ),
    *_selector_samples("namespaceSelector"),
    *_selector_samples("podSelector"),
    RuleSample(".spec.model", "must be org/name", manifest(model="a/b.C_d-1"), manifest(model="mistral")),
    RuleSample(".spec.model", "names on the Hub never hold '..'", manifest(model="a/b.c"), manifest(model="a/b..c")),
    RuleSample(".spec.model", "names on the Hub never hold '--'", manifest(model="a/b-c"), manifest(model="a/b--c")),
    RuleSample(".spec.model", "names on the Hub never end", manifest(model="a/git"), manifest(model="a/b.git")),
    RuleSample(
        ".spec.revision", "must be a branch, tag or commit", manifest(revision="refs/pr/7"), manifest(revision="a b")
    ),
    RuleSample(
        ".spec.revision", "must be one branch, tag or commit", manifest(revision="v1.0"), manifest(revision="a..b")
    ),
    RuleSample(
        ".spec.source.hub.endpoint",
        "must be an address such as",
        _hub(endpoint="http://hub.mirror.svc:8080/api"),
        _hub(endpoint="https://me:secret@huggingface.co"),
    ),
    RuleSample(
        ".spec.source",
        "hub and persistentVolumeClaim are two places",
        manifest(source={"hub": {"endpoint": "http://hub.mirror.svc"}}),
        manifest(source={"hub": {"endpoint": "http://hub.mirror.svc"}, **_on_claim()}),
    ),
    RuleSample(
        ".spec.source.persistentVolumeClaim.claimName",
        "must be the name of a claim",
        _source(claimName="team-a.models"),
        _source(claimName="Models"),
    ),
    RuleSample(
        ".spec.source.persistentVolumeClaim.path",
        "must be a folder's path on the volume",
        _source(path="llama/v3.1"),
        _source(path="/llama"),
    ),
    RuleSample(
        ".spec.source.persistentVolumeClaim.path",
        "must be a path without '..'",
        _source(path="llama/.hidden"),
        _source(path="llama/../other"),
    ),
    RuleSample(
        ".spec",
        "cache is for weights that are downloaded",
        _source(),
        manifest(source=_on_claim(), cache={"persistentVolumeClaim": {}}),
    ),
    RuleSample(
        ".spec",
        "revision is a branch, tag or commit on a Hub",
        manifest(source=_on_claim(), revision="main"),
        manifest(source=_on_claim(), revision="v2"),
    ),
    RuleSample(
        ".spec",
        "updatePolicy Follow follows a branch on a Hub",
        manifest(source=_on_claim(), updatePolicy="Pinned"),
        manifest(source=_on_claim(), updatePolicy="Follow"),
    ),
    RuleSample(
        ".spec.cache.persistentVolumeClaim",
        "claimName is a claim that exists",
        _claim(claimName="weights"),
        _claim(claimName="weights", size="10Gi"),
    ),
    RuleSample(
        ".spec.cache.persistentVolumeClaim.claimName",
        "must be the name of a claim",
        _claim(claimName="team-a.weights"),
        _claim(claimName="Weights"),
    ),
    RuleSample(
        ".spec.cache.persistentVolumeClaim.storageClassName",
        "must be the name of a StorageClass",
        _claim(storageClassName="fast.ssd"),
        _claim(storageClassName="fast ssd"),
    ),
    RuleSample(
        ".spec.cache.persistentVolumeClaim.size", "must be a size such as", _claim(size="1.5Ti"), _claim(size="a lot")
    ),
    *_secret_samples(
        ".spec.source.hub.tokenSecretRef",
        _hub_secret,
        "spec.source.hub.tokenSecretRef",
    ),
    RuleSample(
        ".spec.accelerator",
        "products and count choose GPUs",
        manifest(accelerator={"kind": "GPU", "count": 2, "products": ["NVIDIA-L4"]}),
        manifest(accelerator={"kind": "CPU", "count": 2}),
    ),
    RuleSample(
        ".spec.accelerator.products[]",
        "must be a value of the node label",
        manifest(accelerator={"products": ["NVIDIA-A100-SXM4-80GB"]}),
        manifest(accelerator={"products": ["NVIDIA L4"]}),
        "spec.accelerator.products[0]",
    ),
    RuleSample(
        ".spec.engine.image",
        "must be an image reference",
        manifest(engine={"image": "registry.example:5000/vllm/vllm-openai:v0.32.0"}),
        manifest(engine={"image": "vllm openai"}),
    ),
    RuleSample(
        ".spec.engine.env[]",
        "each entry of env needs exactly one",
        _env({"name": "A", "value": "1"}),
        _env({"name": "A"}),
        "spec.engine.env[0]",
    ),
    RuleSample(
        ".spec.engine.env[].name",
        "must be a variable's name",
        _env({"name": "_A1", "value": ""}),
        _env({"name": "1A", "value": ""}),
        "spec.engine.env[0].name",
    ),
    *_secret_samples(
        ".spec.engine.env[].valueFrom.secretKeyRef",
        _env_secret,
        "spec.engine.env[0].valueFrom.secretKeyRef",
    ),
]
