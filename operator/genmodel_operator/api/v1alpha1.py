"""``GenerativeModel`` v1alpha1: what a user writes (spec) and what the operator answers (status).

The CRD, the field reference and the validation all come from these models. Attribute docstrings
become the field descriptions of ``kubectl explain``; constraints become the CRD's schema.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from genmodel_operator.api import labels

REPOSITORY_PATTERN = (
    r"^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?/[A-Za-z0-9_]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?$"
)
NAME_MAX_LENGTH = 52
"""Longest ``metadata.name``: every child name and label value built from it still fits."""

Text = Annotated[str, Field(max_length=4096)]


def rule(expression: str, message: str, **more: str) -> dict[str, str]:
    """One CEL rule of the CRD (``x-kubernetes-validations``)."""
    return {"rule": expression, "message": message, **more}


def rules(*expressions: dict[str, str]) -> dict[str, Any]:
    """The ``json_schema_extra`` that carries CEL rules."""
    return {"x-kubernetes-validations": list(expressions)}


class ApiModel(BaseModel):
    """Base of spec and status: camelCase on the wire, immutable, unknown fields dropped.

    Unknown fields are refused by the API server under strict validation; a stored object that a
    newer version wrote must still be readable here.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )


class Task(StrEnum):
    """What the endpoint does."""

    AUTO = "Auto"
    GENERATE = "Generate"
    EMBED = "Embed"


class Precision(StrEnum):
    """Number format of the weights as served."""

    AUTO = "Auto"
    BFLOAT16 = "BFloat16"
    FLOAT16 = "Float16"
    FLOAT32 = "Float32"
    FP8 = "FP8"
    INT8 = "INT8"
    INT4 = "INT4"


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


class SecretKeyRef(ApiModel):
    """A key of a Secret in the model's namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the Secret."""
    key: Annotated[str, Field(min_length=1, max_length=253)] = "token"
    """Key in the Secret."""


class HubSource(ApiModel):
    """A Hugging Face Hub, or a server that speaks its protocol."""

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$", max_length=512)] | None = None
    """Base URL of the Hub; absent: the operator's default. Example: http://hub.mirror.svc:8080"""
    token_secret_ref: SecretKeyRef | None = None
    """Access token for gated and private repositories; absent: the Secret genmodel-hub-token, if there is one."""


class Source(ApiModel):
    """Where the model's files come from."""

    hub: HubSource | None = None
    """From a Hugging Face Hub; absent: the operator's default Hub."""


class Context(ApiModel):
    """How long requests may be and how many must fit at once."""

    max_model_len: Annotated[int, Field(ge=16, le=100_000_000)] | None = None
    """Tokens per request, prompt and answer together; absent: the model's own limit, or the largest that fits."""
    concurrency: Annotated[int, Field(ge=1, le=4096)] = 1
    """Requests of that length that must fit into the KV cache at once."""


class Accelerator(ApiModel):
    """Limits what the planner may choose."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.kind) || self.kind != 'CPU' || (!has(self.products) && !has(self.count))",
                "spec.accelerator: products and count choose GPUs and cannot be set with kind CPU; "
                "remove them or set kind to GPU",
            )
        )
    )

    kind: AcceleratorKind = AcceleratorKind.AUTO
    """Auto takes a GPU where one fits, else CPU for small models."""
    products: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=63)]], Field(min_length=1, max_length=32)] | None
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

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.value) != has(self.valueFrom)",
                "spec.engine.env: each entry needs exactly one of value and valueFrom",
            )
        )
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """The value; for a secret use valueFrom."""
    value_from: EnvValueFrom | None = None
    """A reference to the value."""


class Engine(ApiModel):
    """Escape hatch to the engine; what correctness needs is overridden and named in status."""

    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^\S+$")] | None = None
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


class GenerativeModelSpec(ApiModel):
    """What is to be served. Only ``model`` is required."""

    model: Annotated[str, Field(pattern=REPOSITORY_PATTERN, min_length=3, max_length=193)]
    """Hub repository as org/name, for example mistralai/Mistral-7B-Instruct-v0.3."""
    revision: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\s~^:?*\[\\]+$")] = "main"
    """Branch, tag or commit; resolved once to a commit that stays pinned."""
    source: Source | None = None
    """Where the files come from; absent: the operator's default Hub."""
    task: Task = Task.AUTO
    """What the endpoint does; Auto decides from the repository's facts."""
    precision: Precision = Precision.AUTO
    """Number format of the weights as served; Auto serves them as stored."""
    context: Context = Context()
    """How long requests may be and how many must fit at once."""
    accelerator: Accelerator = Accelerator()
    """Limits what the planner may choose."""
    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    """Pods that serve; 0 keeps everything but the pods."""
    engine: Engine = Engine()
    """Escape hatch to the engine."""
    suspend: bool = False
    """True serves nothing and keeps everything, whatever replicas says."""

    @property
    def desired_replicas(self) -> int:
        """Pods that must serve now."""
        return 0 if self.suspend else self.replicas


class ConditionStatus(StrEnum):
    """Value of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ConditionType(StrEnum):
    """The conditions that the operator sets; Reconciling and Stalled exist only while true."""

    READY = "Ready"
    MODEL_RESOLVED = "ModelResolved"
    PLANNED = "Planned"
    WEIGHTS_READY = "WeightsReady"
    AVAILABLE = "Available"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Condition(ApiModel):
    """One observation about the model, in the standard Kubernetes form."""

    type: Annotated[str, Field(max_length=316)]
    """Name of the condition."""
    status: ConditionStatus
    """True, False or Unknown."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec that the condition speaks of."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, as one CamelCase word of the documented list."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, and what a person can do about it."""


class ModelStatus(ApiModel):
    """What the repository holds, as resolved."""

    repository: str
    """Hub repository."""
    commit: str
    """The pinned commit, 40 hex digits."""
    architecture: str
    """First entry of architectures in config.json."""
    task: str
    """Generate or Embed."""
    license: str | None = None
    """Licence as the model card names it."""
    gated: bool = False
    """Whether the licence has to be accepted on the Hub."""
    parameters: int | None = None
    """Number of parameters as stored."""
    precision: str | None = None
    """Number format of the weights as stored."""
    weights_bytes: int | None = None
    """Bytes of the weight files."""
    max_context: int | None = None
    """Longest context of the model itself, in tokens."""


class PlannedAccelerator(ApiModel):
    """What one replica gets."""

    resource: str
    """Extended resource of the devices, or cpu."""
    product: str
    """Product of the devices, or CPU."""
    count: int
    """Devices per replica; 0 on CPU."""


class MemoryBreakdown(ApiModel):
    """Memory of one device, or of the container on CPU, in GiB; the parts add up to the total."""

    total_gib: float
    """Usable memory of one device; on CPU: the container's memory request."""
    weights_gib: float
    """Weights."""
    kv_cache_gib: float
    """KV cache."""
    activation_gib: float
    """Peak of intermediate results."""
    overhead_gib: float
    """Runtime, libraries and graphs."""
    margin_gib: float
    """Kept free."""


class Rejected(ApiModel):
    """A candidate that was not chosen."""

    product: str
    """Product of the devices, or CPU."""
    count: int
    """Devices per replica."""
    reason: str
    """Why not, in one line."""


class PlanStatus(ApiModel):
    """How the model is served, and why."""

    accelerator: PlannedAccelerator
    """What one replica gets."""
    replicas_fit: int | None = None
    """Replicas of this plan that the cluster could hold when it was made."""
    tensor_parallel: int
    """Tensor parallel size."""
    pipeline_parallel: int = 1
    """Pipeline parallel size."""
    max_model_len: int
    """Tokens per request."""
    concurrency: float
    """Requests of that length that fit into the KV cache at once."""
    memory: MemoryBreakdown
    """Where the memory goes."""
    explanation: str
    """The arithmetic, for a person to check."""
    rejected: list[Rejected] = []
    """Candidates that were not chosen."""
    overridden: list[str] = []
    """Entries of spec.engine that were not passed on because correctness needs ours."""


class DownloadStatus(ApiModel):
    """Progress of the download of the slowest pod."""

    bytes_done: int
    """Bytes on the volume."""
    bytes_total: int
    """Bytes that the model needs."""
    seconds_left: int | None = None
    """Estimate; absent: unknown."""


class MeasuredStatus(ApiModel):
    """What a running pod reported."""

    weights_gib: float | None = None
    """Memory of the loaded weights per device."""
    kv_cache_gib: float | None = None
    """Memory of the KV cache per device."""
    kv_tokens: int | None = None
    """Tokens that the KV cache holds."""
    start_seconds: float | None = None
    """From the engine's start to the first answer."""
    engine_version: str | None = None
    """Version that the engine reports."""


class EndpointStatus(ApiModel):
    """Where the model is reached."""

    url: str
    """OpenAI-compatible base URL inside the cluster."""
    served_model_name: str
    """Value of model in requests."""


class RevisionStatus(ApiModel):
    """Which revision is wanted and which one answers."""

    current: str | None = None
    """The desired revision."""
    serving: str | None = None
    """The revision that the Service selects."""


class DisplayStatus(ApiModel):
    """Strings for the columns of kubectl get."""

    commit: str | None = None
    """First 7 hex digits of the commit."""
    accelerator: str | None = None
    """Such as 1 x NVIDIA L4, or CPU."""
    replicas: str | None = None
    """Ready and desired replicas."""


class GenerativeModelStatus(ApiModel):
    """What the operator observed. Written only by the operator."""

    observed_generation: int | None = None
    """Generation of the spec that was acted on."""
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = []
    """Observations in the standard form; Ready is the summary."""
    model: ModelStatus | None = None
    """What the repository holds."""
    plan: PlanStatus | None = None
    """How the model is served, and why."""
    download: DownloadStatus | None = None
    """Progress of the download while there is one."""
    measured: MeasuredStatus | None = None
    """What a running pod reported."""
    endpoint: EndpointStatus | None = None
    """Where the model is reached."""
    revision: RevisionStatus | None = None
    """Which revision is wanted and which one answers."""
    display: DisplayStatus | None = None
    """Strings for the columns of kubectl get."""
    replicas: int | None = None
    """Pods of the serving revision."""
    ready_replicas: int | None = None
    """Pods that answer."""
    selector: str | None = None
    """Label selector of the serving pods, for autoscalers."""


class ObjectMeta(ApiModel):
    """The part of the metadata that the operator reads."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    annotations: dict[str, str] = {}
    deletion_timestamp: str | None = None


class GenerativeModel(ApiModel):
    """An open generative model served on this cluster, behind an OpenAI-compatible endpoint."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"self.metadata.name.size() <= {NAME_MAX_LENGTH} && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                f"metadata.name must be a DNS-1035 label of at most {NAME_MAX_LENGTH} characters "
                "(lower case letters, digits and '-', starting with a letter): the names of its Service and pods are built from it",
            )
        )
    )

    api_version: str = labels.API_VERSION
    kind: str = labels.KIND
    metadata: ObjectMeta
    spec: GenerativeModelSpec
    """What is to be served."""
    status: GenerativeModelStatus = GenerativeModelStatus()
    """What the operator observed."""
