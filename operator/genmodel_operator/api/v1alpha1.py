"""``GenerativeModel`` v1alpha1: what a user writes (spec) and what the operator answers (status).

The CRD, the field reference and the validation all come from these models. Attribute docstrings
become the field descriptions of ``kubectl explain``; constraints become the CRD's schema.
"""

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from genmodel_operator.api import labels
from genmodel_operator.api.base import ApiModel, Rule, lacks, matches
from genmodel_operator.api.v1alpha1_access import Access, SecretKeyRef, SecretRef
from genmodel_operator.api.v1alpha1_cache import Cache, ClaimCache
from genmodel_operator.api.v1alpha1_network import LabelSelector, NetworkPeer, SelectorOperator, SelectorRequirement
from genmodel_operator.api.v1alpha1_pod_template import PodTemplate, PodTemplateMetadata
from genmodel_operator.api.v1alpha1_source import ClaimSource, HubSource, Source
from genmodel_operator.api.v1alpha1_status import (
    CacheStatus,
    Condition,
    ConditionStatus,
    ConditionType,
    DisplayStatus,
    DownloadStatus,
    EndpointStatus,
    GenerativeModelStatus,
    MeasuredStatus,
    MemoryBreakdown,
    ModelStatus,
    PlannedAccelerator,
    PlanStatus,
    Rejected,
    RevisionStatus,
    UpstreamStatus,
)
from genmodel_operator.api.v1alpha1_trust import Trust

__all__ = [
    "Accelerator",
    "AcceleratorKind",
    "AcceleratorPolicy",
    "Access",
    "ApiModel",
    "Cache",
    "CacheStatus",
    "ClaimCache",
    "ClaimSource",
    "Condition",
    "ConditionStatus",
    "ConditionType",
    "Context",
    "DisplayStatus",
    "DownloadStatus",
    "EndpointStatus",
    "Engine",
    "EnvValueFrom",
    "EnvVar",
    "GenerativeModel",
    "GenerativeModelSpec",
    "GenerativeModelStatus",
    "HubSource",
    "KVCachePrecision",
    "LabelSelector",
    "MeasuredStatus",
    "MemoryBreakdown",
    "ModelStatus",
    "NetworkPeer",
    "ObjectMeta",
    "PlanStatus",
    "PlannedAccelerator",
    "PodTemplate",
    "PodTemplateMetadata",
    "Precision",
    "Rejected",
    "RevisionStatus",
    "SecretKeyRef",
    "SecretRef",
    "SelectorOperator",
    "SelectorRequirement",
    "Source",
    "Task",
    "Trust",
    "UpdatePolicy",
    "UpstreamStatus",
]

_PART = "[A-Za-z0-9_]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
REPOSITORY_PATTERN = f"{_PART}/{_PART}"
_LABEL_VALUE = "[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?"
NAME_MAX_LENGTH = 52
"""Longest ``metadata.name``: every child name and label value built from it still fits."""


class Task(StrEnum):
    """What the endpoint does."""

    AUTO = "Auto"
    GENERATE = "Generate"
    EMBED = "Embed"
    SCORE = "Score"


class Precision(StrEnum):
    """Number format of the weights as served."""

    AUTO = "Auto"
    BFLOAT16 = "BFloat16"
    FLOAT16 = "Float16"
    FLOAT32 = "Float32"
    FP8 = "FP8"
    INT8 = "INT8"
    INT4 = "INT4"


class KVCachePrecision(StrEnum):
    """Number format of the KV cache."""

    AUTO = "Auto"
    FP8 = "FP8"


class AcceleratorKind(StrEnum):
    """Which kind of device may be used."""

    AUTO = "Auto"
    GPU = "GPU"
    CPU = "CPU"


class AcceleratorPolicy(StrEnum):
    """How the planner ranks candidates that fit."""

    CHEAPEST = "Cheapest"
    FEWEST_DEVICES = "FewestDevices"
    LARGEST_CONTEXT = "LargestContext"


class UpdatePolicy(StrEnum):
    """What happens when the branch moves."""

    PINNED = "Pinned"
    FOLLOW = "Follow"


class Context(ApiModel):
    """How long requests may be and how many must fit at once."""

    max_model_len: Annotated[int, Field(ge=16, le=100_000_000)] | None = None
    """Tokens per request, prompt and answer together; absent: the model's own limit, or the largest that fits."""
    concurrency: Annotated[int, Field(ge=1, le=4096)] = 1
    """Requests of that length that must fit into the KV cache at once."""


class Accelerator(ApiModel):
    """Limits what the planner may choose."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.kind) || self.kind != 'CPU' || (!has(self.products) && !has(self.count))",
            "products and count choose GPUs and cannot be set with kind CPU; remove them or set kind to GPU",
            lambda it: it.kind != AcceleratorKind.CPU or (it.products is None and it.count is None),
        ),
    )

    kind: AcceleratorKind = AcceleratorKind.AUTO
    """Auto takes a GPU where one fits, else CPU for small models."""
    products: (
        Annotated[
            list[
                Annotated[
                    str,
                    Field(max_length=63),
                    matches(
                        _LABEL_VALUE,
                        "must be a value of the node label nvidia.com/gpu.product, such as NVIDIA-L4; "
                        "see kubectl get nodes -L nvidia.com/gpu.product",
                    ),
                ]
            ],
            Field(min_length=1, max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Allowed GPU products as in the node label nvidia.com/gpu.product; absent: any."""
    count: Annotated[int, Field(ge=1, le=64)] | None = None
    """Exact number of GPUs per replica (the tensor parallel size); absent: the planner chooses."""
    policy: AcceleratorPolicy = AcceleratorPolicy.CHEAPEST
    """How candidates that fit are ranked."""


class EnvValueFrom(ApiModel):
    """Where an environment variable's value comes from."""

    secret_key_ref: SecretKeyRef
    """A key of a Secret in the model's namespace."""


class EnvVar(ApiModel):
    """One environment variable of the engine's container."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.value) != has(self.valueFrom)",
            "each entry of env needs exactly one of value and valueFrom",
            lambda it: (it.value is None) != (it.value_from is None),
        ),
    )

    name: Annotated[
        str,
        Field(max_length=128),
        matches(r"[A-Za-z_][A-Za-z0-9_]*", "must be a variable's name: letters, digits and '_', no digit first"),
    ]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """The value; for a secret use valueFrom."""
    value_from: EnvValueFrom | None = None
    """A reference to the value."""


class Engine(ApiModel):
    """Escape hatch to the engine; what correctness needs is overridden and named in status."""

    image: (
        Annotated[
            str,
            Field(max_length=512),
            matches(
                r"[A-Za-z0-9]([A-Za-z0-9._:@/-]*[A-Za-z0-9])?",
                "must be an image reference, such as docker.io/vllm/vllm-openai:v0.32.0",
            ),
        ]
        | None
    ) = None
    """Engine image; absent: the operator's default for the chosen accelerator."""
    args: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=64)] = []
    """Arguments added to the engine's command line, as written."""
    env: Annotated[
        list[EnvVar],
        Field(
            max_length=64,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = []
    """Environment variables added to the engine's container."""


_NOT_ON_CLAIM = "!has(self.source) || !has(self.source.persistentVolumeClaim)"


class GenerativeModelSpec(ApiModel):
    """What is to be served. Only ``model`` is required."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.kvCachePrecision) || self.kvCachePrecision != 'FP8' || !has(self.accelerator) "
            "|| !has(self.accelerator.kind) || self.accelerator.kind != 'CPU'",
            "kvCachePrecision FP8 needs a GPU; set accelerator.kind to GPU or Auto, or leave kvCachePrecision out",
            lambda it: it.kv_cache_precision != KVCachePrecision.FP8 or it.accelerator.kind != AcceleratorKind.CPU,
        ),
        Rule(
            f"{_NOT_ON_CLAIM} || !has(self.cache)",
            "cache is for weights that are downloaded; with source.persistentVolumeClaim leave it out, since the files "
            "are served from that claim",
            lambda it: it.claim_source is None or it.cache is None,
        ),
        Rule(
            f"{_NOT_ON_CLAIM} || !has(self.revision) || self.revision == 'main'",
            "revision is a branch, tag or commit on a Hub; with source.persistentVolumeClaim leave it out, and name "
            "the folder in path",
            lambda it: it.claim_source is None or it.revision == "main",
        ),
        Rule(
            f"{_NOT_ON_CLAIM} || !has(self.updatePolicy) || self.updatePolicy != 'Follow'",
            "updatePolicy Follow follows a branch on a Hub; with source.persistentVolumeClaim leave it out, and set "
            "the annotation genmodel.dev/update when the files are new",
            lambda it: it.claim_source is None or it.update_policy is not UpdatePolicy.FOLLOW,
        ),
    )

    model: Annotated[
        str,
        Field(max_length=193),
        matches(
            REPOSITORY_PATTERN,
            "must be org/name as on the Hub, for example mistralai/Mistral-7B-Instruct-v0.3",
        ),
        lacks("..", "names on the Hub never hold '..'; copy org/name from the model's page"),
        lacks("--", "names on the Hub never hold '--'; copy org/name from the model's page"),
        Rule(
            "!self.endsWith('.git')",
            "names on the Hub never end with '.git'; leave the ending out",
            lambda it: not it.endswith(".git"),
        ),
    ]
    """Hub repository as org/name, for example mistralai/Mistral-7B-Instruct-v0.3; with another source the name under
    which the files are served."""
    revision: Annotated[
        str,
        Field(max_length=255),
        matches(
            r"[^\x00-\x20\x7f~^:?*\[\\-][^\x00-\x20\x7f~^:?*\[\\]*",
            "must be a branch, tag or commit as git names them: no spaces, none of ~^:?*[\\ and no '-' first",
        ),
        lacks("..", "must be one branch, tag or commit; a range with '..' is none"),
    ] = "main"
    """Branch, tag or commit; resolved once to a commit that stays pinned."""
    update_policy: UpdatePolicy = UpdatePolicy.PINNED
    """Pinned keeps the commit and only says with the condition Drifted that the branch has moved; Follow rolls to
    the new commit."""
    source: Source | None = None
    """Where the files come from; absent: the operator's default Hub."""
    task: Task = Task.AUTO
    """What the endpoint does; Auto decides from the repository's facts."""
    precision: Precision = Precision.AUTO
    """Number format of the weights as served; Auto serves them as stored, and in FP8 only where the operator's
    policy allows it and nothing else fits."""
    kv_cache_precision: KVCachePrecision = KVCachePrecision.AUTO
    """Number format of the KV cache; FP8 holds twice the tokens at slightly less accuracy, on GPUs that can do it."""
    context: Context = Context()
    """How long requests may be and how many must fit at once."""
    accelerator: Accelerator = Accelerator()
    """Limits what the planner may choose."""
    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    """Pods that serve; 0 keeps everything but the pods, and with a cache on a claim downloads the weights all the
    same."""
    cache: Cache | None = None
    """Where weights live; absent: on the disk of each pod's node, for as long as the pod lives."""
    engine: Engine = Engine()
    """Escape hatch to the engine."""
    access: Access = Access()
    """Who may ask the model."""
    trust: Trust = Trust()
    """What of the repository may be run."""
    pod_template: PodTemplate = PodTemplate()
    """A part of a pod template, laid over the operator's own last; what would break the model's pods is refused."""
    suspend: bool = False
    """True serves nothing and keeps everything, whatever replicas says."""

    @property
    def claim_source(self) -> ClaimSource | None:
        """The claim that a user filled with the model's files, None where they come from a Hub."""
        return self.source.persistent_volume_claim if self.source else None

    @property
    def desired_replicas(self) -> int:
        """Pods that must serve now."""
        return 0 if self.suspend else self.replicas


class ObjectMeta(ApiModel):
    """The part of the metadata that the operator reads."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    annotations: dict[str, str] = {}
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class GenerativeModel(ApiModel):
    """An open generative model served on this cluster, behind an OpenAI-compatible endpoint."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.metadata.name.size() <= {NAME_MAX_LENGTH} "
            "&& self.metadata.name.matches(r'^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            f"metadata.name must be a DNS-1035 label of at most {NAME_MAX_LENGTH} characters "
            "(lower case letters, digits and '-', starting with a letter): "
            "the names of its Service and pods are built from it",
            lambda it: (
                len(it.metadata.name) <= NAME_MAX_LENGTH
                and re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", it.metadata.name) is not None
            ),
        ),
    )

    api_version: str = labels.API_VERSION
    kind: str = labels.KIND
    metadata: ObjectMeta
    spec: GenerativeModelSpec
    """What is to be served."""
    status: GenerativeModelStatus = GenerativeModelStatus()
    """What the operator observed."""
