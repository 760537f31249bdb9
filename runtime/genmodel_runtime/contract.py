"""The contract between operator and runtime: names that both sides must agree on.

This module imports nothing but the standard library's enum, so that either side may import it.
A change here that an older partner would misread raises ``CONTRACT``.
"""

from enum import Enum, IntEnum

CONTRACT = 1
"""Version of everything in this module; travels as GENMODEL_CONTRACT and in every JSON document."""

# Containers and ports ------------------------------------------------------------------------
PREPARE_CONTAINER = "prepare"
SERVER_CONTAINER = "server"
HTTP_PORT = 8000
HTTP_PORT_NAME = "http"
RUNTIME_PORT = 8001
RUNTIME_PORT_NAME = "runtime"

# Paths in the pod ----------------------------------------------------------------------------
RUNTIME_DIR = "/genmodel"
MODELS_DIR = "/models"
CACHE_DIR = "/cache"
TMP_DIR = "/tmp"
SHM_DIR = "/dev/shm"
TOKEN_DIR = "/etc/genmodel/token"
TOKEN_KEY = "token"
KEYS_DIR = "/etc/genmodel/keys"
"""API keys: each file is one, mounted in the server only, where keys are asked for."""
CA_DIR = "/etc/genmodel/ca"
CA_KEY = "ca.crt"
TERMINATION_LOG = "/dev/termination-log"
TERMINATION_LOG_MAX_BYTES = 4096

USER_ID = 10001
"""User, group and fsGroup of every process in a model's pod."""

WEIGHTS_FETCH, WEIGHTS_PRESENT, WEIGHTS_MOUNTED = "Fetch", "Present", "Mounted"
"""Values of ``Env.WEIGHTS``."""

# Drain and probes ----------------------------------------------------------------------------
ENDPOINT_PROPAGATION_SECONDS = 15
"""After SIGTERM: answering with ``Connection: close`` while endpoints propagate."""
TEARDOWN_SECONDS = 15
"""After the last stream: time for the engine to end."""
STARTUP_PATH = "/startupz"
"""Answers as ``/readyz`` does, but holds a refusal back for a moment: the startup probe learns at once of readiness."""
STARTUP_ANSWER_SECONDS = 0.8
"""How long ``STARTUP_PATH`` waits for readiness; below the startup probe's period of one second."""
STARTUP_PROBE_SLACK_SECONDS = 60
"""The startup probe waits this much longer than the supervisor, which decides first."""


# Tasks and access ----------------------------------------------------------------------------
TASK_GENERATE = "Generate"
TASK_EMBED = "Embed"
TASK_SCORE = "Score"
TASKS = (TASK_GENERATE, TASK_EMBED, TASK_SCORE)
ACCESS_OPEN = "Open"
ACCESS_API_KEYS = "ApiKeys"

# Limits of one request, where GENMODEL_LIMITS names no other --------------------------------
DEFAULT_BODY_BYTES = 32 * 1024 * 1024
DEFAULT_CHOICES = 16
DEFAULT_INPUTS = 2048


class Env(str, Enum):
    """Environment variables that the operator sets and the runtime reads."""

    CONTRACT = "GENMODEL_CONTRACT"
    REPOSITORY = "GENMODEL_REPOSITORY"
    COMMIT = "GENMODEL_COMMIT"
    TASK = "GENMODEL_TASK"
    """``Generate``, ``Embed`` or ``Score``."""
    ACCESS = "GENMODEL_ACCESS"
    """``Open``, or ``ApiKeys``: only with a key of ``KEYS_DIR``."""
    SERVED_NAMES = "GENMODEL_SERVED_NAMES"
    """Comma-separated, the first is the name in answers and metrics."""
    ENGINE = "GENMODEL_ENGINE"
    """``vllm`` or ``vllm-cpu``."""
    ALLOW = "GENMODEL_ALLOW"
    """Comma-separated: ``Pickle``, ``RemoteCode``. Empty: neither."""
    EXPECTED_BYTES = "GENMODEL_EXPECTED_BYTES"
    STARTUP_SECONDS = "GENMODEL_STARTUP_SECONDS"
    STALL_SECONDS = "GENMODEL_STALL_SECONDS"
    DRAIN_SECONDS = "GENMODEL_DRAIN_SECONDS"
    WEIGHTS = "GENMODEL_WEIGHTS"
    """``Fetch`` (as without it): this container brings the weights. ``Present``: a Job brings them to the volume.
    ``Mounted``: a user's own files are mounted, and the commit is the digest of them."""
    SOURCE_PATH = "GENMODEL_SOURCE_PATH"
    """For ``inspect``: the model's folder on the volume; empty: the volume's root."""
    IN_USE = "GENMODEL_IN_USE"
    """JSON object for the sweep of a shared volume: ``serving`` and ``kept`` commits, ``asOf`` seconds since 1970."""
    LIMITS = "GENMODEL_LIMITS"
    """JSON object: ``bodyBytes``, ``choices``, ``inputs``, ``mediaHosts``; what is absent has its default."""


class Phase(str, Enum):
    """What a pod's runtime is doing, in order of a start."""

    CHECKING = "Checking"
    DOWNLOADING = "Downloading"
    VERIFYING = "Verifying"
    STARTING = "Starting"
    LOADING = "Loading"
    COMPILING = "Compiling"
    WARMING_UP = "WarmingUp"
    SERVING = "Serving"
    DRAINING = "Draining"
    FAILED = "Failed"


class ExitCode(IntEnum):
    """Exit codes of ``prepare`` and ``server``; information for status, see architecture 15."""

    DONE = 0
    TEMPORARY = 10
    NEEDS_A_PERSON = 11
    NO_SPACE = 12
    ENGINE_REFUSED = 20
    OUT_OF_MEMORY = 21
    ENGINE_DIED = 22
    HUNG = 23
    START_TIMEOUT = 24


class RuntimeReason(str, Enum):
    """Why the runtime failed; each is part of the operator's table of reasons."""

    HUB_UNREACHABLE = "HubUnreachable"
    HUB_RATE_LIMITED = "HubRateLimited"
    ACCESS_DENIED = "AccessDenied"
    FILE_NOT_FOUND = "FileNotFound"
    INTEGRITY_FAILED = "IntegrityFailed"
    VOLUME_FULL = "VolumeFull"
    VOLUME_NOT_WRITABLE = "VolumeNotWritable"
    WEIGHTS_INCOMPLETE = "WeightsIncomplete"
    SOURCE_EMPTY = "SourceEmpty"
    SOURCE_INVALID = "SourceInvalid"
    SOURCE_CHANGED = "SourceChanged"
    CONTRACT_MISMATCH = "ContractMismatch"
    BAD_ENGINE_ARGUMENT = "BadEngineArgument"
    ENGINE_UNSUPPORTED_ARCHITECTURE = "EngineUnsupportedArchitecture"
    ENGINE_REMOTE_CODE_REQUIRED = "EngineRemoteCodeRequired"
    ENGINE_BAD_MODEL_FILES = "EngineBadModelFiles"
    ENGINE_CONTEXT_TOO_LONG = "EngineContextTooLong"
    ENGINE_BAD_PARALLEL_SIZE = "EngineBadParallelSize"
    ENGINE_QUANTIZATION_REFUSED = "EngineQuantizationRefused"
    ENGINE_ENVIRONMENT = "EngineEnvironment"
    DEVICE_MEMORY_SHORT = "DeviceMemoryShort"
    CACHE_TOO_SMALL = "CacheTooSmall"
    ENGINE_DIED = "EngineDied"
    ENGINE_HUNG = "EngineHung"
    START_TIMEOUT = "StartTimeout"
