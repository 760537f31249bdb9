"""Every reason that a condition or Event can carry, with its message and its remedy.

Reasons are part of the API. The documentation is generated from this table, and ``explain`` is
the only way to make a message, so that no message can leave out what its reason promises.
"""

from dataclasses import dataclass
from enum import StrEnum
from string import Formatter

from genmodel_runtime.contract import RuntimeReason


class Severity(StrEnum):
    """What a reason means for the reader."""

    GOOD = "good"
    """Nothing to do."""
    PROGRESS = "progress"
    """Wait; the operator or the cluster is at work."""
    PERSON = "person"
    """A person must act."""


@dataclass(frozen=True, slots=True)
class ReasonInfo:
    """A reason's documented behaviour.

    ``message`` is a format string over named values; ``remedy`` is what a person does about it.
    """

    severity: Severity
    message: str
    remedy: str = ""

    @property
    def fields(self) -> frozenset[str]:
        """Names of the values that the message and its remedy need."""
        return frozenset(name for _, name, _, _ in Formatter().parse(f"{self.message} {self.remedy}") if name)


class Reason(StrEnum):
    """Reasons of the operator; those of the runtime are in ``RuntimeReason`` and in the table."""

    # resolve
    RESOLVED = "Resolved"
    HUB_UNREACHABLE = "HubUnreachable"
    HUB_RATE_LIMITED = "HubRateLimited"
    MODEL_NOT_FOUND = "ModelNotFound"
    MODEL_GATED = "ModelGated"
    MODEL_DISABLED = "ModelDisabled"
    REVISION_NOT_FOUND = "RevisionNotFound"
    TOKEN_REJECTED = "TokenRejected"
    TOKEN_SECRET_MISSING = "TokenSecretMissing"
    TOKEN_SECRET_FORBIDDEN = "TokenSecretForbidden"
    METADATA_INVALID = "MetadataInvalid"
    TASK_UNSUPPORTED = "TaskUnsupported"
    PICKLE_ONLY = "PickleOnly"
    GGUF_ONLY = "GGUFOnly"
    NO_WEIGHTS = "NoWeights"
    ADAPTER_REPOSITORY = "AdapterRepository"
    DRAFT_MODEL = "DraftModel"
    REMOTE_CODE_REQUIRED = "RemoteCodeRequired"
    ARCHITECTURE_UNSUPPORTED = "ArchitectureUnsupported"
    QUANTIZATION_UNSUPPORTED = "QuantizationUnsupported"
    # size
    PLANNED = "Planned"
    CACHE_NOT_COMPUTABLE = "CacheNotComputable"
    CONTEXT_TOO_LONG = "ContextTooLong"
    PRECISION_NOT_AVAILABLE = "PrecisionNotAvailable"
    NO_FIT = "NoFit"
    NO_CANDIDATE_NODES = "NoCandidateNodes"
    # apply
    NAME_CONFLICT = "NameConflict"
    WAITING_FOR_CLEANUP = "WaitingForCleanup"
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    REFUSED_BY_CLUSTER = "RefusedByCluster"
    OPERATOR_FORBIDDEN = "OperatorForbidden"
    SPEC_INVALID = "SpecInvalid"
    CONTESTED = "Contested"
    # observe
    PODS_PENDING = "PodsPending"
    POD_CREATION_REFUSED = "PodCreationRefused"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_CONFIG_FAILED = "ContainerConfigFailed"
    DOWNLOADING = "Downloading"
    VERIFYING = "Verifying"
    LOADING = "Loading"
    WARMING_UP = "WarmingUp"
    WEIGHTS_READY = "WeightsReady"
    OUT_OF_MEMORY = "OutOfMemory"
    POD_CRASHED = "PodCrashed"
    POD_EVICTED = "PodEvicted"
    NODE_LOST = "NodeLost"
    STARTING = "Starting"
    ROLLING_OUT = "RollingOut"
    SCALING = "Scaling"
    SERVING = "Serving"
    SUSPENDED = "Suspended"
    RETRYING = "Retrying"


AnyReason = Reason | RuntimeReason

_GOOD, _PROGRESS, _PERSON = Severity.GOOD, Severity.PROGRESS, Severity.PERSON

TABLE: dict[str, ReasonInfo] = {
    Reason.RESOLVED: ReasonInfo(_GOOD, "{repository} at {revision} is commit {commit}"),
    Reason.HUB_UNREACHABLE: ReasonInfo(
        _PROGRESS,
        "the Hub at {endpoint} cannot be reached: {detail}",
        "retried by itself; check the endpoint, the proxy and the network path from the operator to the Hub",
    ),
    Reason.HUB_RATE_LIMITED: ReasonInfo(
        _PROGRESS,
        "the Hub at {endpoint} limits the rate of requests for another {seconds} s",
        "retried by itself; an access token raises the limit",
    ),
    Reason.MODEL_NOT_FOUND: ReasonInfo(
        _PERSON,
        "spec.model: {repository} does not exist on {endpoint}, or it is private and {credential} has no access",
        "check the name; for a private repository put a token with access into the Secret {secret}",
    ),
    Reason.MODEL_GATED: ReasonInfo(
        _PERSON,
        "spec.model: {repository} is gated and {credential} is not authorised",
        "accept the licence on the model's page, then put that account's token into the Secret {secret}",
    ),
    Reason.MODEL_DISABLED: ReasonInfo(
        _PERSON,
        "spec.model: {repository} was disabled on {endpoint}",
        "choose another model; the Hub's staff disabled access to this one",
    ),
    Reason.REVISION_NOT_FOUND: ReasonInfo(
        _PERSON,
        "spec.revision: {repository} has no branch, tag or commit {revision}",
        "set spec.revision to one that exists; the default is main",
    ),
    Reason.TOKEN_REJECTED: ReasonInfo(
        _PERSON,
        "the Hub at {endpoint} does not accept the token in the Secret {secret}",
        "the token is wrong or expired: replace it; it is read again within a minute",
    ),
    Reason.TOKEN_SECRET_MISSING: ReasonInfo(
        _PERSON,
        "spec.source.hub.tokenSecretRef: the Secret {secret} has no key {key} "
        "or does not exist in namespace {namespace}",
        "create it, for example: kubectl -n {namespace} create secret generic {secret} --from-literal={key}=hf_...",
    ),
    Reason.TOKEN_SECRET_FORBIDDEN: ReasonInfo(
        _PERSON,
        "spec.source.hub.tokenSecretRef: the operator may not read the Secret {secret}",
        "add {secret} to the chart value hub.tokenSecretNames, or use the Secret genmodel-hub-token",
    ),
    Reason.METADATA_INVALID: ReasonInfo(
        _PERSON,
        "{repository}: {file}: {detail}",
        "the repository's own files are wrong or incomplete: choose another revision or model",
    ),
    Reason.TASK_UNSUPPORTED: ReasonInfo(
        _PERSON,
        "spec.task: {repository} is made for {found}, which cannot be served as {wanted}",
        "choose a text generation or embedding model, or set spec.task to what the model does",
    ),
    Reason.PICKLE_ONLY: ReasonInfo(
        _PERSON,
        "{repository} has its weights only as pickle files ({example}), which can run code when loaded",
        "choose a revision or a model with safetensors files",
    ),
    Reason.GGUF_ONLY: ReasonInfo(
        _PERSON,
        "{repository} has its weights only as GGUF ({example}), which the engine does not read",
        "choose the original repository with safetensors files",
    ),
    Reason.NO_WEIGHTS: ReasonInfo(
        _PERSON,
        "{repository} has no model*.safetensors at commit {commit}",
        "choose a revision or a model with safetensors files",
    ),
    Reason.ADAPTER_REPOSITORY: ReasonInfo(
        _PERSON,
        "{repository} is an adapter for {base}, not a model",
        "serve {base}",
    ),
    Reason.DRAFT_MODEL: ReasonInfo(
        _PERSON,
        "{repository} ({architecture}) is a draft model for speculative decoding and cannot be served alone",
        "serve the model that it was made for",
    ),
    Reason.REMOTE_CODE_REQUIRED: ReasonInfo(
        _PERSON,
        "{repository} brings its own Python code (auto_map in {file}), which is never run here, "
        "even where the engine might do without it",
        "choose a model that the engine supports natively",
    ),
    Reason.ARCHITECTURE_UNSUPPORTED: ReasonInfo(
        _PERSON,
        "{repository}: {architecture} is not served by vLLM {engine_version}{detail}",
        "choose a model of a supported architecture, or an operator with a newer engine",
    ),
    Reason.QUANTIZATION_UNSUPPORTED: ReasonInfo(
        _PERSON,
        "{repository} is quantised with {method}, which vLLM {engine_version} does not read",
        "choose a repository with one of: {supported}",
    ),
    Reason.PLANNED: ReasonInfo(_GOOD, "{explanation}"),
    Reason.CACHE_NOT_COMPUTABLE: ReasonInfo(
        _PERSON,
        "the memory of {architecture} cannot be computed: {detail}",
        "this operator refuses to guess; choose another model, or a newer operator",
    ),
    Reason.CONTEXT_TOO_LONG: ReasonInfo(
        _PERSON,
        "spec.context.maxModelLen: {wanted} is more than the {limit} tokens that the model was made for",
        "set it to {limit} or less, or leave it out",
    ),
    Reason.PRECISION_NOT_AVAILABLE: ReasonInfo(
        _PERSON,
        "spec.precision: {wanted} cannot be served from weights stored as {stored}",
        "leave spec.precision out, or choose a repository that is stored as {wanted}; 16 and 32 bit weights are "
        "narrowed to FP8 where the platform team lists it in policy.allowedPrecisions",
    ),
    Reason.NO_FIT: ReasonInfo(_PERSON, "{detail}", "{change}"),
    Reason.NO_CANDIDATE_NODES: ReasonInfo(
        _PERSON,
        "no node of the cluster may be used for this model: {detail}",
        "{change}",
    ),
    Reason.NAME_CONFLICT: ReasonInfo(
        _PERSON,
        "the {kind} {name} exists already and belongs to {owner}; it was left alone",
        "rename this model, or delete that {kind}",
    ),
    Reason.WAITING_FOR_CLEANUP: ReasonInfo(
        _PROGRESS,
        "the {kind} {name} of an earlier model of this name is still being removed",
        "wait; the cluster's garbage collector removes it",
    ),
    Reason.NAMESPACE_TERMINATING: ReasonInfo(
        _PROGRESS, "the namespace {namespace} is being deleted, and this model with it"
    ),
    Reason.REFUSED_BY_CLUSTER: ReasonInfo(
        _PERSON,
        "the cluster refused the {kind} {name}: {detail}",
        "change what the message names, or ask for an exception",
    ),
    Reason.OPERATOR_FORBIDDEN: ReasonInfo(
        _PERSON,
        "the operator may not {verb} {kind}: {detail}",
        "install the chart's RBAC again",
    ),
    Reason.SPEC_INVALID: ReasonInfo(
        _PERSON,
        "{detail}",
        "correct the field; kubectl explain gm.spec tells what it takes",
    ),
    Reason.CONTESTED: ReasonInfo(
        _PERSON,
        "the {kind} {name}: {fields} is changed again and again by {writers}; it is put back less and less often",
        "stop what changes it: change and scale the model itself, not its children",
    ),
    Reason.PODS_PENDING: ReasonInfo(_PROGRESS, "{detail}"),
    Reason.POD_CREATION_REFUSED: ReasonInfo(
        _PERSON,
        "pods cannot be created: {detail}",
        "raise the quota or change the policy that the message names",
    ),
    Reason.UNSCHEDULABLE: ReasonInfo(
        _PROGRESS,
        "no node takes the pod: {detail}",
        "free or add what is short; the pod is placed as soon as there is room",
    ),
    Reason.IMAGE_PULL_FAILED: ReasonInfo(
        _PERSON,
        "the image {image} cannot be pulled: {detail}",
        "check the image's name and the node's path and credentials to its registry",
    ),
    Reason.CONTAINER_CONFIG_FAILED: ReasonInfo(
        _PERSON,
        "the container {container} cannot be created: {detail}",
        "create what the message names, for example a missing Secret",
    ),
    Reason.DOWNLOADING: ReasonInfo(_PROGRESS, "downloading the weights: {progress}"),
    Reason.VERIFYING: ReasonInfo(_PROGRESS, "checking the downloaded files against the Hub's hashes"),
    Reason.LOADING: ReasonInfo(_PROGRESS, "the engine loads the weights"),
    Reason.WARMING_UP: ReasonInfo(_PROGRESS, "the engine warms up"),
    Reason.WEIGHTS_READY: ReasonInfo(_GOOD, "the weights are on the node and verified"),
    Reason.OUT_OF_MEMORY: ReasonInfo(
        _PERSON,
        "the container {container} was killed at its memory limit of {limit}",
        "shorten spec.context.maxModelLen, or choose a smaller model",
    ),
    Reason.POD_CRASHED: ReasonInfo(
        _PERSON,
        "the container {container} ended with exit code {code} ({restarts} restarts): {detail}",
        "read its log: kubectl -n {namespace} logs {pod} -c {container} --previous",
    ),
    Reason.POD_EVICTED: ReasonInfo(_PROGRESS, "the pod was evicted: {detail}", "it is placed again by itself"),
    Reason.NODE_LOST: ReasonInfo(
        _PROGRESS,
        "the node {node} does not answer",
        "the pod is placed elsewhere when the cluster gives the node up",
    ),
    Reason.STARTING: ReasonInfo(_PROGRESS, "{detail}"),
    Reason.ROLLING_OUT: ReasonInfo(_PROGRESS, "revision {revision} comes up while {serving} serves: {detail}"),
    Reason.SCALING: ReasonInfo(_PROGRESS, "{ready} of {desired} replicas answer: {detail}"),
    Reason.SERVING: ReasonInfo(_GOOD, "{ready} of {desired} replicas answer at {url}"),
    Reason.SUSPENDED: ReasonInfo(
        _GOOD, "no replicas are wanted", "set spec.suspend to false and spec.replicas to 1 or more to serve again"
    ),
    Reason.RETRYING: ReasonInfo(_PROGRESS, "{step} failed and is tried again: {detail}"),
    RuntimeReason.ACCESS_DENIED: ReasonInfo(
        _PERSON, "{message}", "the pod's token may not read the files: replace the token in its Secret"
    ),
    RuntimeReason.FILE_NOT_FOUND: ReasonInfo(
        _PERSON, "{message}", "the commit is gone from the Hub: set spec.revision to one that exists"
    ),
    RuntimeReason.INTEGRITY_FAILED: ReasonInfo(
        _PERSON,
        "{message}",
        "the file was fetched twice and differs from its hash: check the mirror or proxy on the way",
    ),
    RuntimeReason.VOLUME_FULL: ReasonInfo(_PERSON, "{message}", "free or add disk space on the node"),
    RuntimeReason.VOLUME_NOT_WRITABLE: ReasonInfo(
        _PERSON, "{message}", "the volume must be writable for user and group 10001"
    ),
    RuntimeReason.CONTRACT_MISMATCH: ReasonInfo(
        _PERSON, "{message}", "operator and runtime are of different releases: use one image for both"
    ),
    RuntimeReason.BAD_ENGINE_ARGUMENT: ReasonInfo(
        _PERSON, "{message}", "correct or remove the entry in spec.engine.args"
    ),
    RuntimeReason.ENGINE_UNSUPPORTED_ARCHITECTURE: ReasonInfo(
        _PERSON, "{message}", "choose a model or an engine image that fit together"
    ),
    RuntimeReason.ENGINE_REMOTE_CODE_REQUIRED: ReasonInfo(
        _PERSON, "{message}", "choose a model that needs no code of its own"
    ),
    RuntimeReason.ENGINE_BAD_MODEL_FILES: ReasonInfo(
        _PERSON, "{message}", "the repository's files do not fit together: choose another revision or model"
    ),
    RuntimeReason.ENGINE_CONTEXT_TOO_LONG: ReasonInfo(_PERSON, "{message}", "lower spec.context.maxModelLen"),
    RuntimeReason.ENGINE_BAD_PARALLEL_SIZE: ReasonInfo(_PERSON, "{message}", "change spec.accelerator.count"),
    RuntimeReason.ENGINE_QUANTIZATION_REFUSED: ReasonInfo(
        _PERSON, "{message}", "choose a model stored in a format that this device and engine support"
    ),
    RuntimeReason.ENGINE_ENVIRONMENT: ReasonInfo(
        _PERSON, "{message}", "the pod lacks something that the engine needs: report this with the pod's description"
    ),
    RuntimeReason.DEVICE_MEMORY_SHORT: ReasonInfo(
        _PERSON, "{message}", "lower spec.context.maxModelLen, or allow a larger or more accelerators"
    ),
    RuntimeReason.CACHE_TOO_SMALL: ReasonInfo(_PERSON, "{message}", "lower spec.context.maxModelLen"),
    RuntimeReason.ENGINE_DIED: ReasonInfo(
        _PROGRESS, "{message}", "restarted by itself; read the pod's log if it goes on"
    ),
    RuntimeReason.ENGINE_HUNG: ReasonInfo(_PROGRESS, "{message}", "restarted by itself"),
    RuntimeReason.START_TIMEOUT: ReasonInfo(
        _PROGRESS, "{message}", "restarted by itself; read the pod's log if it goes on"
    ),
}
"""Message pattern, severity and remedy of every reason, keyed by its name."""


def info(reason: AnyReason) -> ReasonInfo:
    """Return the documented behaviour of a reason."""
    return TABLE[reason.value]


def explain(reason: AnyReason, **values: object) -> str:
    """Return the full message of a reason: what is the case, then what a person can do.

    Raises ``KeyError`` where a value that the pattern needs is missing: a bug of the caller.
    """
    entry = info(reason)
    said = entry.message.format(**values)
    if not entry.remedy:
        return said
    return f"{said}; {entry.remedy.format(**values)}"


def explain_runtime(reason: RuntimeReason, message: str) -> str:
    """Return the full message of a failure that a pod's runtime reported in its own words."""
    return f"{message}; {TABLE[reason.value].remedy}"
