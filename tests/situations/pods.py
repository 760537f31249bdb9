"""What a kubelet finds when it starts a model's pod, and what the pod's runtime says of itself.

The failures of the runtime are not written here: its own code makes them, from what vLLM prints.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genmodel_operator.api.reasons import AnyReason, Reason, Severity, info
from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.failures import Ending, Stage, classify, hung, start_timeout
from genmodel_runtime.termination import Failure, termination_document
from tests.fakes.hand_node import DONE, NOT_YET, RUNNING, STARTED, container, pod_status

GIB = 1024**3
R = RuntimeReason


@dataclass(frozen=True)
class PodSituation:
    """Containers as the kubelet finds them, what the runtime tells over HTTP, Events, the reason and its words."""

    id: str
    reason: AnyReason
    words: str
    server: Mapping[str, Any] = field(default_factory=lambda: NOT_YET)
    prepare: Mapping[str, Any] = field(default_factory=lambda: DONE)
    runtime: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[tuple[str, str], ...] = ()
    is_told_by_event: bool = True

    @property
    def needs_person(self) -> bool:
        """Whether it is one that only a person can end."""
        return info(self.reason).severity is Severity.PERSON

    def status(self, address: str) -> dict[str, Any]:
        """Return the pod's status as its kubelet writes it."""
        return pod_status(address, dict(self.prepare), dict(self.server))


def looping(name: str, last: dict[str, Any], *, restarts: int = 2) -> dict[str, Any]:
    """A container that ended and waits to be started again."""
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container"}
    return container(name, restarts=restarts, last=last, waiting=waiting)


def ended(failure: Failure) -> dict[str, Any]:
    """How the kubelet reports the end of a container that left its words."""
    message = termination_document(failure).decode()
    return {"exitCode": int(failure.exit_code), "reason": "Error", "message": message, "finishedAt": STARTED}


def printed(*lines: str, stage: Stage = Stage.STARTING, code: int = 1) -> Failure:
    """The failure that the runtime makes of what vLLM printed."""
    return classify(Ending(list(lines), code, stage))


KV_CACHE = (
    "(EngineCore pid=9) ERROR 11-23 10:00:00 [core.py:1] ValueError: To serve at least one request with the "
    "model's max seq len (131072), (16.0 GiB KV cache is needed, which is larger than the available KV cache "
    "memory (3.52 GiB). Based on the available memory, the estimated maximum model length is 28816. Try increasing"
)
ENGINE: tuple[tuple[Failure, str], ...] = (
    (printed("vllm: error: unrecognized arguments: --no-such-flag", code=2), "--no-such-flag"),
    (printed("  Value error, Model architectures ['FooForCausalLM'] are not supported for now."), "FooForCausalLM"),
    (printed("ValueError: x contains custom code which must be executed to correctly load the model."), "Python code"),
    (printed("ERROR x RuntimeError: Cannot find any model weights with `/models/x`"), "no weights"),
    (
        printed(
            "Value error, User-specified max_model_len (9000) is greater than the derived max_model_len "
            "(max_position_embeddings=4096.0 or model_max_length=None in model's config.json)."
        ),
        "the model's own limit is 4096 tokens; lower spec.context.maxModelLen",
    ),
    (
        printed("ValueError: World size (4) is larger than the number of available GPUs (2) in this node."),
        "told to use 4 devices and finds 2; change spec.accelerator.count",
    ),
    (printed("Value error, Unknown quantization method: aqlm. Must be one of ['awq']."), "the quantisation aqlm"),
    (
        printed("RuntimeError: Insufficient space in /dev/shm for shared memory: 160 MiB required, 64 MiB free."),
        "160 MiB are needed, 64 MiB are free",
    ),
    (
        printed("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB. GPU 0 has a total"),
        "1.96 GiB more were wanted",
    ),
    (
        printed(KV_CACHE),
        "a context of 131072 tokens needs 16.0 GiB of KV cache, 3.52 GiB are there; at most 28816 tokens fit; lower",
    ),
    (printed("EngineDeadError: x", stage=Stage.SERVING, code=0), "the engine ended while serving"),
    (hung("3 requests run and no token came for 120 s"), "no token came for 120 s"),
    (start_timeout(600, ["Loading safetensors checkpoint shards: 10%"]), "no answer within 600 s"),
)
PREPARE: tuple[tuple[Failure, str], ...] = (
    (Failure(R.HUB_UNREACHABLE, "127.0.0.1:8090: connection refused", ExitCode.TEMPORARY), "connection refused"),
    (Failure(R.HUB_RATE_LIMITED, "the Hub limits requests for 60 s", ExitCode.TEMPORARY), "for 60 s"),
    (Failure(R.ACCESS_DENIED, "model.safetensors: 403", ExitCode.NEEDS_A_PERSON), "403"),
    (Failure(R.FILE_NOT_FOUND, "model.safetensors: 404", ExitCode.NEEDS_A_PERSON), "404"),
    (Failure(R.INTEGRITY_FAILED, "model.safetensors has another sha256", ExitCode.NEEDS_A_PERSON), "another sha256"),
    (Failure(R.VOLUME_FULL, "/models needs 14.5 GiB and has 3.1 GiB free", ExitCode.NO_SPACE), "has 3.1 GiB free"),
    (Failure(R.VOLUME_NOT_WRITABLE, "/models cannot be written", ExitCode.NEEDS_A_PERSON), "user and group 10001"),
    (Failure(R.CONTRACT_MISMATCH, "GENMODEL_CONTRACT is 2", ExitCode.NEEDS_A_PERSON), "use one image for both"),
)


def _failures() -> tuple[PodSituation, ...]:
    servers = tuple(
        PodSituation(f"the engine: {f.reason.value}", f.reason, words, server=looping("server", ended(f)))
        for f, words in ENGINE
    )
    prepares = tuple(
        PodSituation(f"the fetch: {f.reason.value}", f.reason, words, prepare=looping("prepare", ended(f)))
        for f, words in PREPARE
    )
    return (*servers, *prepares)


def told(phase: str, **more: Any) -> dict[str, Any]:
    """The runtime's status document."""
    return {"contract": 1, "phase": phase, "since": STARTED, "failure": None, **more}


FETCHING = container("prepare", running={"startedAt": STARTED})
BYTES = {"bytesDone": GIB, "bytesTotal": 4 * GIB, "bytesPerSecond": 2**26, "secondsLeft": 48}
NO_SECRET = 'secret "keys" not found'
UNHEALTHY = {"name": "nvidia.com/gpu", "resources": [{"resourceID": "GPU-7", "health": "Unhealthy"}]}
PODS: tuple[PodSituation, ...] = (
    PodSituation(
        "an image that is not there",
        Reason.IMAGE_PULL_FAILED,
        "the image example/server:1 cannot be pulled: manifest unknown",
        server=container("server", waiting={"reason": "ImagePullBackOff", "message": "manifest unknown"}),
    ),
    PodSituation(
        "a Secret that is missing",
        Reason.CONTAINER_CONFIG_FAILED,
        NO_SECRET,
        server=container("server", waiting={"reason": "CreateContainerConfigError", "message": NO_SECRET}),
    ),
    PodSituation(
        "a volume that cannot be mounted",
        Reason.POD_SETUP_FAILED,
        'MountVolume.SetUp failed for volume "keys"',
        prepare=container("prepare", waiting={"reason": "PodInitializing"}),
        events=(("FailedMount", 'MountVolume.SetUp failed for volume "keys": secret "keys" not found'),),
    ),
    PodSituation(
        "certificate authorities that are not in the namespace",
        Reason.AUTHORITIES_MISSING,
        "hub.caConfigMap names the ConfigMap authorities, which is not in the namespace ",
        prepare=container("prepare", waiting={"reason": "PodInitializing"}),
        events=(("FailedMount", 'MountVolume.SetUp failed for volume "ca" : configmap "authorities" not found'),),
    ),
    PodSituation(
        "nothing started yet",
        Reason.STARTING,
        "prepares the pod",
        prepare=container("prepare", waiting={"reason": "PodInitializing"}),
        is_told_by_event=False,
    ),
    PodSituation(
        "a download",
        Reason.DOWNLOADING,
        "1.0 GiB of 4.0 GiB (25 %), 64.0 MiB/s, 48 s left",
        prepare=FETCHING,
        runtime=told("Downloading", download=BYTES),
    ),
    PodSituation("hashes", Reason.VERIFYING, "checking", prepare=FETCHING, runtime=told("Verifying")),
    PodSituation(
        "loading", Reason.LOADING, "loads the weights, since 10:00:00 UTC", server=RUNNING, runtime=told("Loading")
    ),
    PodSituation("compiling", Reason.COMPILING, "compiles the model", server=RUNNING, runtime=told("Compiling")),
    PodSituation(
        "warming up",
        Reason.WARMING_UP,
        "not ready: the first request was refused: 500",
        server=RUNNING,
        runtime=told("WarmingUp", readiness={"ready": False, "reason": "the first request was refused: 500"}),
    ),
    PodSituation(
        "an engine that answers, but not to the kubelet",
        Reason.PROBE_FAILING,
        "Readiness probe failed: i/o timeout",
        server=RUNNING,
        runtime=told("Serving"),
        events=(("Unhealthy", "Readiness probe failed: i/o timeout"),),
    ),
    PodSituation(
        "an engine that answers, but without API keys",
        Reason.API_KEYS_UNUSABLE,
        "nobody is let in: the Secret has no entries; put one API key into each entry of that Secret",
        server=RUNNING,
        runtime=told("Serving", access={"keys": 0, "unusable": [], "problem": "the Secret has no entries"}),
    ),
    PodSituation(
        "killed at its memory limit",
        Reason.OUT_OF_MEMORY,
        "was killed at its memory limit of ",
        server=looping("server", {"exitCode": 137, "reason": "OOMKilled"}),
    ),
    PodSituation(
        "a crash without words",
        Reason.POD_CRASHED,
        "ended with exit code 3 (2 restarts): Error; read its log: kubectl -n ",
        server=looping("server", {"exitCode": 3, "reason": "Error"}),
    ),
    PodSituation(
        "an unhealthy device",
        Reason.DEVICE_UNHEALTHY,
        "the device plugin reports GPU-7 as Unhealthy; repair or cordon the node by-hand",
        server={**looping("server", {"exitCode": 1, "reason": "Error"}), "allocatedResourcesStatus": [UNHEALTHY]},
    ),
    *_failures(),
)  # fmt: skip
