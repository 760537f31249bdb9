"""The status of ``GenerativeModel`` v1alpha1: what the operator answers."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from genmodel_operator.api.base import ApiModel


class ConditionStatus(StrEnum):
    """Value of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ConditionType(StrEnum):
    """The conditions that the operator sets; from Reconciling on they exist only while true."""

    READY = "Ready"
    MODEL_RESOLVED = "ModelResolved"
    PLANNED = "Planned"
    WEIGHTS_READY = "WeightsReady"
    AVAILABLE = "Available"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    DRIFTED = "Drifted"
    UPDATE_AVAILABLE = "UpdateAvailable"
    POLICY_VIOLATED = "PolicyViolated"
    RUNTIME_VULNERABLE = "RuntimeVulnerable"


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
    """Generate, Embed or Score."""
    license: str | None = None
    """Licence as the model card names it."""
    gated: bool = False
    """Whether the licence has to be accepted on the Hub."""
    remote_code: str | None = None
    """File that names Python code of the repository, which the model's pods run; absent: they run none."""
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
    bytes_per_second: int | None = None
    """Rate of the download; absent: unknown."""
    seconds_left: int | None = None
    """Estimate; absent: unknown."""


class CacheStatus(ApiModel):
    """The claim that the weights are on."""

    claim_name: str
    """Name of the PersistentVolumeClaim."""
    kept: bool
    """Whether the operator created it; it is left when the model is deleted, and used again by one of the same
    name."""


class MeasuredStatus(ApiModel):
    """What a running pod reported."""

    weights_gib: float | None = None
    """Memory of the loaded weights per device; an engine on CPU does not tell."""
    kv_cache_gib: float | None = None
    """Memory of the KV cache per device."""
    kv_tokens: int | None = None
    """Tokens that the KV cache holds."""
    activation_gib: float | None = None
    """Peak of intermediate results per device, where the engine measured it."""
    non_torch_gib: float | None = None
    """Memory of the engine outside torch per device, where the engine measured it."""
    cuda_graph_gib: float | None = None
    """Memory of CUDA graphs per device."""
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
    answered: str | None = None
    """The last revision of which a pod was ready. Its plan is not made anew."""
    commit: str | None = None
    """Commit of the revision that the Service selects, 40 hex digits."""


class UpstreamStatus(ApiModel):
    """Where a branch or tag points now, while that is not the pinned commit."""

    repository: str
    """Hub repository that was asked for."""
    revision: str
    """Branch or tag that was asked for."""
    commit: str
    """The commit that it points to, 40 hex digits."""


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
    """Generation of the spec that was acted on; -1: none yet."""
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
    cache: CacheStatus | None = None
    """The claim that the weights are on; absent where each pod has its own."""
    measured: MeasuredStatus | None = None
    """What a running pod reported."""
    endpoint: EndpointStatus | None = None
    """Where the model is reached."""
    revision: RevisionStatus | None = None
    """Which revision is wanted and which one answers."""
    upstream: UpstreamStatus | None = None
    """Where spec.revision points now, while that is not the pinned commit."""
    display: DisplayStatus | None = None
    """Strings for the columns of kubectl get."""
    replicas: int | None = None
    """Pods of the serving revision."""
    ready_replicas: int | None = None
    """Pods that answer."""
    selector: str | None = None
    """Label selector of the serving pods, for autoscalers."""
