"""What vLLM prints when it fails, and what it means: one entry per cause."""

import re
from dataclasses import dataclass

from genmodel_runtime.contract import RuntimeReason


@dataclass(frozen=True)
class Rule:
    """One entry of the catalogue: what is looked for and what it means.

    ``message`` and ``hint`` are format strings over the pattern's groups.
    """

    pattern: re.Pattern[str]
    reason: RuntimeReason
    message: str
    hint: str = ""


def _rule(reason: RuntimeReason, pattern: str, message: str, hint: str = "") -> Rule:
    return Rule(re.compile(pattern), reason, message, hint)


_R = RuntimeReason
CATALOGUE: tuple[Rule, ...] = (
    _rule(
        _R.BAD_ENGINE_ARGUMENT,
        r"error: unrecognized arguments: (?P<found>.+)",
        "the engine does not know the arguments {found}",
        "remove them; other releases of the engine know other arguments",
    ),
    _rule(
        _R.BAD_ENGINE_ARGUMENT,
        r"error: (?P<found>(?:argument|ambiguous option|the following arguments|expected) .+)",
        "the engine refused its arguments: {found}",
    ),
    _rule(
        _R.ENGINE_UNSUPPORTED_ARCHITECTURE,
        r"Model architectures \[(?P<found>[^\]]*)\] (?:are not supported|failed to be inspected)",
        "the engine does not support the architecture {found}",
    ),
    _rule(
        _R.ENGINE_UNSUPPORTED_ARCHITECTURE,
        r"Model architecture (?P<found>\S+) was supported in vLLM until (?P<version>v?[\w.]*\w)",
        "the engine supported the architecture {found} only until {version}",
    ),
    _rule(
        _R.ENGINE_UNSUPPORTED_ARCHITECTURE,
        r"(?:Model architecture )?(?P<found>\S+) (?:is |was )?not supported in-tree anymore",
        "the engine supports the architecture {found} only with a plugin",
    ),
    _rule(
        _R.ENGINE_UNSUPPORTED_ARCHITECTURE,
        r"model type `(?P<found>[^`]*)` but Transformers does not recognize",
        "the engine's transformers library does not know the model type {found}",
    ),
    _rule(
        _R.ENGINE_REMOTE_CODE_REQUIRED,
        r"contains custom code which must be executed|set the option `?trust_remote_code=True",
        "the model needs Python code of its own, which is not run here",
    ),
    _rule(
        _R.ENGINE_CONTEXT_TOO_LONG,
        r"max_model_len \((?P<wanted>\d+)\) is greater than the derived max_model_len(?: \([^=)]*=(?P<limit>\d+))?",
        "a context of {wanted} tokens is more than the model was made for",
        "the model's own limit is {limit} tokens",
    ),
    _rule(
        _R.ENGINE_QUANTIZATION_REFUSED,
        r"Unknown quantization method: (?P<found>[\w-]+)",
        "the engine does not know the quantisation {found}",
    ),
    _rule(
        _R.ENGINE_QUANTIZATION_REFUSED,
        r"Cannot find the config file for (?P<found>[\w-]+)",
        "the repository has no configuration for the quantisation {found}",
    ),
    _rule(
        _R.ENGINE_QUANTIZATION_REFUSED,
        r"quantization method (?P<found>[\w-]+) is not supported for the current (?:GPU|device|platform)",
        "this device cannot run the quantisation {found}",
    ),
    _rule(
        _R.ENGINE_QUANTIZATION_REFUSED,
        r"(?P<found>[\w-]+) quantization is currently not supported in (?P<device>\w+)",
        "the engine cannot run the quantisation {found} on {device}",
    ),
    _rule(
        _R.ENGINE_QUANTIZATION_REFUSED,
        r"specified in the model config \((?P<stored>[\w-]+)\) does not match the quantization method specified in the "
        r"`quantization` argument \((?P<found>[\w-]+)\)",
        "the weights are stored as {stored} and cannot be run as {found}",
    ),
    _rule(
        _R.ENGINE_BAD_PARALLEL_SIZE,
        r"attention heads \((?P<heads>\d+)\) must be divisible by tensor parallel size \((?P<size>\d+)\)",
        "the model's {heads} attention heads cannot be divided among {size} devices",
    ),
    _rule(
        _R.ENGINE_BAD_PARALLEL_SIZE,
        r"World size \((?P<wanted>\d+)\) is larger than the number of available GPUs \((?P<found>\d+)\)",
        "the engine was told to use {wanted} devices and finds {found}",
    ),
    _rule(
        _R.ENGINE_BAD_PARALLEL_SIZE,
        r"Not enough allowed NUMA nodes to bind threads of (?P<wanted>\d+)",
        "the engine was told to use {wanted} CPU workers, more than there are NUMA nodes",
    ),
    _rule(
        _R.DEVICE_MEMORY_SHORT,
        r"Free memory on device (?P<device>\S+) \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup\s+"
        r"is less than desired GPU memory utilization(?: \([\d.]+, (?P<wanted>[\d.]+) GiB\))?",
        "of {device} only {free} of {total} GiB were free, {wanted} GiB were wanted",
        "another process may hold memory of the device",
    ),
    _rule(
        _R.CACHE_TOO_SMALL,
        r"model's max seq len \((?P<length>\d+)\), \(?(?P<needed>[\d.]+) GiB KV\s+cache is needed, "
        r"which is larger than the available KV cache memory \((?P<available>[\d.]+) GiB\)"
        r"(?:.*?estimated maximum model length is (?P<most>\d+))?",
        "a context of {length} tokens needs {needed} GiB of KV cache, {available} GiB are there",
        "at most {most} tokens fit",
    ),
    _rule(
        _R.CACHE_TOO_SMALL,
        r"No available memory for the cache blocks",
        "no memory is left for the KV cache after loading the weights",
    ),
    _rule(
        _R.DEVICE_MEMORY_SHORT,
        r"on node (?P<node>\d+) \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on kv cache\s+allocation is less than "
        r"requested memory for kv \((?P<wanted>[\d.]+)",
        "a KV cache of {wanted} GiB does not fit: {free} of {total} GiB of memory are free",
    ),
    _rule(
        _R.DEVICE_MEMORY_SHORT,
        r"(?:OutOfMemoryError|(?:CUDA|HIP|XPU) out of memory|DefaultCPUAllocator: can't allocate memory)"
        r"(?:.*?Tried to allocate (?P<wanted>[\d.]+ \w+))?",
        "the device ran out of memory: {wanted} more were wanted",
    ),
    _rule(
        _R.ENGINE_BAD_MODEL_FILES,
        r"Invalid repository ID or local directory specified|HFValidationError: Repo id must be",
        "the engine finds no config.json among the model's files",
    ),
    _rule(
        _R.ENGINE_BAD_MODEL_FILES,
        r"Cannot find any model weights with",
        "the engine finds no weights among the model's files",
    ),
    _rule(
        _R.ENGINE_BAD_MODEL_FILES,
        r"SafetensorError: (?P<found>.+)",
        "a weight file is damaged or truncated: {found}",
    ),
    _rule(
        _R.ENGINE_BAD_MODEL_FILES,
        r"(?P<found>start \(\d+\) \+ length \(\d+\) exceeds dimension size \(\d+\)"
        r"|size mismatch for .+|There is no module or parameter named .+"
        r"|Attempted to load weight .+ into parameter .+|Following weights were not initialized .+)",
        "config.json and the weights do not fit together: {found}",
    ),
    _rule(
        _R.ACCESS_DENIED,
        r"You are trying to access a gated repo",
        "the engine asked the Hub for a gated repository instead of reading the fetched files",
    ),
    _rule(
        _R.FILE_NOT_FOUND,
        r"(?P<found>\S+) is not a valid (?:model identifier|git identifier)",
        "the engine asked the Hub for {found} instead of reading the fetched files",
    ),
    _rule(
        _R.ENGINE_BAD_MODEL_FILES,
        r"Cannot find an appropriate cached snapshot folder",
        "the engine wants a file that the repository does not hold",
    ),
    _rule(
        _R.ENGINE_ENVIRONMENT,
        r"FileNotFoundError: No such file or directory: (?P<found>.+)",
        "the engine cannot open {found}: it is missing, or user 10001 may not read it",
    ),
    _rule(
        _R.ENGINE_ENVIRONMENT,
        r"Insufficient space in /dev/shm.*?: (?P<needed>\d+ MiB) required, (?P<free>\d+ MiB)",
        "/dev/shm is too small: {needed} are needed, {free} are free",
    ),
    _rule(
        _R.ENGINE_ENVIRONMENT,
        r"No usable temporary directory found",
        "the engine finds no directory for temporary files that it may write",
    ),
    _rule(
        _R.ENGINE_ENVIRONMENT,
        r"Address already in use",
        "the engine's port is in use",
    ),
)
"""What is specific enough to be the cause wherever it appears."""

VAGUE: tuple[Rule, ...] = (
    _rule(
        _R.ENGINE_ENVIRONMENT,
        r"(?P<found>invalid literal for int\(\).*?|VLLM_PORT .* appears to be a URI.*?)(?: \[type=value_error.*)?$",
        "an environment variable of the engine is malformed: {found}",
    ),
    _rule(
        _R.ENGINE_ENVIRONMENT,
        r"(?P<found>\[Errno 30\].*|\[Errno 28\].*|PermissionError: .*|getpwuid\(\): uid not found.*)",
        "the engine may not use the pod's file system as it wants to: {found}",
    ),
    _rule(
        _R.ENGINE_ENVIRONMENT,
        r"(?P<found>No module named .+|Failed to infer device type.*|No CUDA GPUs are available"
        r"|\S+: cannot open shared object file.*|No package metadata was found for .+)",
        "the engine's image or the node lacks a part: {found}",
    ),
    _rule(
        _R.ENGINE_BAD_MODEL_FILES,
        r"(?P<found>The size of tensor a \(\d+\) must match the size of tensor b \(\d+\).*)",
        "config.json and the weights do not fit together: {found}",
    ),
    _rule(
        _R.START_TIMEOUT,
        r"Timed out waiting for engine core processes to start",
        "the engine itself gave up waiting for its processes to start",
    ),
    _rule(
        _R.BAD_ENGINE_ARGUMENT,
        r"Value error, (?P<found>.+?)(?: \[type=value_error.*)?$",
        "the engine refused its configuration: {found}",
    ),
)
"""What other errors may mention too: asked only where nothing specific was found."""
