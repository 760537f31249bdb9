"""The names of all reasons that a condition or Event can carry. Part of the API: none is ever renamed."""

from enum import StrEnum

from genmodel_runtime.contract import RuntimeReason


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
    POD_TEMPLATE_REFUSED = "PodTemplateRefused"
    SPEC_INVALID = "SpecInvalid"
    CONTESTED = "Contested"
    # observe
    PODS_PENDING = "PodsPending"
    POD_CREATION_REFUSED = "PodCreationRefused"
    QUOTA_EXCEEDED = "QuotaExceeded"
    UNSCHEDULABLE = "Unschedulable"
    WAITING_FOR_NODE = "WaitingForNode"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_CONFIG_FAILED = "ContainerConfigFailed"
    POD_SETUP_FAILED = "PodSetupFailed"
    DOWNLOADING = "Downloading"
    VERIFYING = "Verifying"
    LOADING = "Loading"
    COMPILING = "Compiling"
    WARMING_UP = "WarmingUp"
    WEIGHTS_READY = "WeightsReady"
    OUT_OF_MEMORY = "OutOfMemory"
    POD_CRASHED = "PodCrashed"
    PROBE_FAILING = "ProbeFailing"
    API_KEYS_UNUSABLE = "ApiKeysUnusable"
    DEVICE_UNHEALTHY = "DeviceUnhealthy"
    POD_EVICTED = "PodEvicted"
    NODE_LOST = "NodeLost"
    STARTING = "Starting"
    ROLLING_OUT = "RollingOut"
    MAKING_ROOM = "MakingRoom"
    SCALING = "Scaling"
    SERVING = "Serving"
    SUSPENDED = "Suspended"
    RETRYING = "Retrying"
    # only while true
    BRANCH_MOVED = "BranchMoved"
    FOLLOWING_FAILED = "FollowingFailed"
    NEWER_ENGINE = "NewerEngine"
    NEWER_RENDERING = "NewerRendering"


AnyReason = Reason | RuntimeReason
