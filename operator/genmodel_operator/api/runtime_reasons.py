"""The reasons that a pod's runtime gives: their message is its own, the remedy is ours."""

from genmodel_operator.api.reason_info import ReasonInfo, Severity
from genmodel_runtime.contract import RuntimeReason

_PROGRESS, _PERSON = Severity.PROGRESS, Severity.PERSON

RUNTIME_TABLE: dict[str, ReasonInfo] = {
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
    RuntimeReason.VOLUME_FULL: ReasonInfo(
        _PERSON, "{message}", "free or add disk space on the node, or on the claim that the weights are on"
    ),
    RuntimeReason.VOLUME_NOT_WRITABLE: ReasonInfo(
        _PERSON, "{message}", "the volume must be writable for user and group 10001"
    ),
    RuntimeReason.WEIGHTS_INCOMPLETE: ReasonInfo(_PROGRESS, "{message}", "they are downloaded again by themselves"),
    RuntimeReason.SOURCE_EMPTY: ReasonInfo(
        _PERSON,
        "{message}",
        "put config.json and the safetensors files there, or correct spec.source.persistentVolumeClaim.path; it is "
        "looked at again within five minutes",
    ),
    RuntimeReason.SOURCE_INVALID: ReasonInfo(
        _PERSON,
        "{message}",
        "put it right on the volume; it is looked at again within five minutes, or at once when the annotation "
        "genmodel.dev/update changes (genmodel update)",
    ),
    RuntimeReason.SOURCE_CHANGED: ReasonInfo(
        _PERSON,
        "{message}",
        "to serve the new files change the annotation genmodel.dev/update (genmodel update), else put the old ones "
        "back; pods that serve go on with what they have loaded",
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
"""Severity and remedy of every reason of the runtime, keyed by its name."""
