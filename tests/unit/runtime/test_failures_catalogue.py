"""Every entry of the catalogue, by the lines that vLLM 0.32.0 prints."""

import pytest

from genmodel_runtime.catalogue import CATALOGUE, VAGUE
from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.failures import Ending, Stage, classify

WORKER = "(Worker_TP0 pid=12) ERROR 11-23 10:00:00 [multiproc_executor.py:953] "
R = RuntimeReason

CASES = [
    pytest.param(
        "vllm: error: unrecognized arguments: --no-such-flag --other",
        R.BAD_ENGINE_ARGUMENT,
        "the engine does not know the arguments --no-such-flag --other",
        id="unknown flags",
    ),
    pytest.param(
        "vllm: error: argument --dtype: invalid choice: 'fp4' (choose from 'auto', 'half')",
        R.BAD_ENGINE_ARGUMENT,
        "the engine refused its arguments: argument --dtype: invalid choice: 'fp4' (choose from 'auto', 'half')",
        id="bad value of a flag",
    ),
    pytest.param(
        "  Value error, Model architectures ['FooForCausalLM'] are not supported for now. Supported architectures: ...",
        R.ENGINE_UNSUPPORTED_ARCHITECTURE,
        "the engine does not support the architecture 'FooForCausalLM'",
        id="unknown architecture",
    ),
    pytest.param(
        "  Value error, Model architecture MPTForCausalLM was supported in vLLM until v0.10.2, and is not supported",
        R.ENGINE_UNSUPPORTED_ARCHITECTURE,
        "the engine supported the architecture MPTForCausalLM only until v0.10.2",
        id="dropped architecture",
    ),
    pytest.param(
        "ValueError: Model architecture BartModel is not supported in-tree anymore. Please install the plugin at ...",
        R.ENGINE_UNSUPPORTED_ARCHITECTURE,
        "the engine supports the architecture BartModel only with a plugin",
        id="architecture in a plugin",
    ),
    pytest.param(
        "ValueError: The checkpoint has model type `foobar` but Transformers does not recognize this architecture.",
        R.ENGINE_UNSUPPORTED_ARCHITECTURE,
        "the engine's transformers library does not know the model type foobar",
        id="unknown model type",
    ),
    pytest.param(
        "ValueError: The repository x contains custom code which must be executed to correctly load the model. "
        "Please pass the argument `trust_remote_code=True`",
        R.ENGINE_REMOTE_CODE_REQUIRED,
        "the model needs Python code of its own, which is not run here",
        id="remote code",
    ),
    pytest.param(
        "  Value error, User-specified max_model_len (9000) is greater than the derived max_model_len "
        "(max_position_embeddings=4096.0 or model_max_length=None in model's config.json).",
        R.ENGINE_CONTEXT_TOO_LONG,
        "a context of 9000 tokens is more than the model was made for",
        id="context too long",
    ),
    pytest.param(
        "  Value error, Unknown quantization method: aqlm. Must be one of ['awq', 'fp8'].",
        R.ENGINE_QUANTIZATION_REFUSED,
        "the engine does not know the quantisation aqlm",
        id="unknown quantisation",
    ),
    pytest.param(
        "  Value error, Cannot find the config file for awq [type=value_error]",
        R.ENGINE_QUANTIZATION_REFUSED,
        "the repository has no configuration for the quantisation awq",
        id="no quantisation config",
    ),
    pytest.param(
        "ValueError: The quantization method fp8 is not supported for the current GPU. Minimum capability: 89.",
        R.ENGINE_QUANTIZATION_REFUSED,
        "this device cannot run the quantisation fp8",
        id="quantisation needs a newer device",
    ),
    pytest.param(
        "  Value error, modelopt quantization is currently not supported in cpu. [type=value_error, input_value=...]",
        R.ENGINE_QUANTIZATION_REFUSED,
        "the engine cannot run the quantisation modelopt on cpu",
        id="quantisation of another device",
    ),
    pytest.param(
        "  Value error, Quantization method specified in the model config (compressed-tensors) does not match the "
        "quantization method specified in the `quantization` argument (awq). [type=value_error, input_value=...]",
        R.ENGINE_QUANTIZATION_REFUSED,
        "the weights are stored as compressed-tensors and cannot be run as awq",
        id="another quantisation than the stored one",
    ),
    pytest.param(
        "  Value error, Total number of attention heads (4) must be divisible by tensor parallel size (3).",
        R.ENGINE_BAD_PARALLEL_SIZE,
        "the model's 4 attention heads cannot be divided among 3 devices",
        id="heads do not divide",
    ),
    pytest.param(
        "ValueError: World size (4) is larger than the number of available GPUs (2) in this node. If this is",
        R.ENGINE_BAD_PARALLEL_SIZE,
        "the engine was told to use 4 devices and finds 2",
        id="too few devices",
    ),
    pytest.param(
        WORKER + "RuntimeError: Not enough allowed NUMA nodes to bind threads of 2 local CPUWorkers.",
        R.ENGINE_BAD_PARALLEL_SIZE,
        "the engine was told to use 2 CPU workers, more than there are NUMA nodes",
        id="too few NUMA nodes",
    ),
    pytest.param(
        WORKER + "ValueError: Free memory on device cuda:0 (3.10/22.03 GiB) on startup is less than desired GPU memory "
        "utilization (0.92, 20.27 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
        R.DEVICE_MEMORY_SHORT,
        "of cuda:0 only 3.10 of 22.03 GiB were free, 20.27 GiB were wanted",
        id="device in use",
    ),
    pytest.param(
        "(EngineCore pid=9) ERROR 11-23 10:00:00 [core.py:1] ValueError: To serve at least one request with the "
        "model's max seq len (131072), (16.0 GiB KV cache is needed, which is larger than the available KV cache "
        "memory (3.52 GiB). Based on the available memory, the estimated maximum model length is 28816. Try increasing",
        R.CACHE_TOO_SMALL,
        "a context of 131072 tokens needs 16.0 GiB of KV cache, 3.52 GiB are there",
        id="cache too small",
    ),
    pytest.param(
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        R.CACHE_TOO_SMALL,
        "no memory is left for the KV cache after loading the weights",
        id="no cache at all",
    ),
    pytest.param(
        WORKER
        + "ValueError: Available memory on node 0 (8.85/10.84 GiB) on kv cache allocation is less than requested "
        "memory for kv (200.0 GiB). Decrease --kv-cache-memory-bytes, VLLM_CPU_KVCACHE_SPACE, or reduce CPU memory",
        R.DEVICE_MEMORY_SHORT,
        "a KV cache of 200.0 GiB does not fit: 8.85 of 10.84 GiB of memory are free",
        id="cache larger than the node",
    ),
    pytest.param(
        WORKER
        + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB. GPU 0 has a total capacity of",
        R.DEVICE_MEMORY_SHORT,
        "the device ran out of memory: 1.96 GiB more were wanted",
        id="out of device memory",
    ),
    pytest.param(
        WORKER + "RuntimeError: HIP out of memory.",
        R.DEVICE_MEMORY_SHORT,
        "the device ran out of memory",
        id="out of device memory, without figures",
    ),
    pytest.param(
        "OSError: /models/x: Invalid repository ID or local directory specified: '/models/x'.",
        R.ENGINE_BAD_MODEL_FILES,
        "the engine finds no config.json among the model's files",
        id="no config.json",
    ),
    pytest.param(
        WORKER + "RuntimeError: Cannot find any model weights with `/models/x`",
        R.ENGINE_BAD_MODEL_FILES,
        "the engine finds no weights among the model's files",
        id="no weights",
    ),
    pytest.param(
        WORKER + "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata",
        R.ENGINE_BAD_MODEL_FILES,
        "a weight file is damaged or truncated: Error while deserializing header: incomplete metadata",
        id="truncated shard",
    ),
    pytest.param(
        WORKER + "RuntimeError: start (0) + length (1024) exceeds dimension size (512).",
        R.ENGINE_BAD_MODEL_FILES,
        "config.json and the weights do not fit together: start (0) + length (1024) exceeds dimension size (512)",
        id="mismatch",
    ),
    pytest.param(
        "OSError: You are trying to access a gated repo. Make sure to have access to it",
        R.ACCESS_DENIED,
        "the engine asked the Hub for a gated repository instead of reading the fetched files",
        id="engine asks for a gated repository",
    ),
    pytest.param(
        "OSError: acme/x is not a valid model identifier listed on the Hub",
        R.FILE_NOT_FOUND,
        "the engine asked the Hub for acme/x instead of reading the fetched files",
        id="engine asks for a repository",
    ),
    pytest.param(
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for",
        R.ENGINE_BAD_MODEL_FILES,
        "the engine wants a file that the repository does not hold",
        id="file missing offline",
    ),
    pytest.param(
        WORKER + "FileNotFoundError: No such file or directory: /models/x/model.safetensors",
        R.ENGINE_ENVIRONMENT,
        "the engine cannot open /models/x/model.safetensors: it is missing, or user 10001 may not read it",
        id="unreadable weights",
    ),
    pytest.param(
        "RuntimeError: Insufficient space in /dev/shm for shared-memory allocation: 160 MiB required, 64 MiB free. ",
        R.ENGINE_ENVIRONMENT,
        "/dev/shm is too small: 160 MiB are needed, 64 MiB are free",
        id="small shared memory",
    ),
    pytest.param(
        "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/']",
        R.ENGINE_ENVIRONMENT,
        "the engine finds no directory for temporary files that it may write",
        id="no temporary directory",
    ),
    pytest.param(
        "OSError: [Errno 98] Address already in use",
        R.ENGINE_ENVIRONMENT,
        "the engine's port is in use",
        id="port in use",
    ),
    pytest.param(
        "ValueError: invalid literal for int() with base 10: 'much'",
        R.ENGINE_ENVIRONMENT,
        "an environment variable of the engine is malformed: invalid literal for int() with base 10: 'much'",
        id="variable that is no number",
    ),
    pytest.param(
        "ValueError: VLLM_PORT 'tcp://10.0.0.1:80' appears to be a URI. This may be caused by a Kubernetes service",
        R.ENGINE_ENVIRONMENT,
        "an environment variable of the engine is malformed: VLLM_PORT 'tcp://10.0.0.1:80' appears to be a URI. "
        "This may be caused by a Kubernetes service",
        id="a Service called vllm",
    ),
    pytest.param(
        "OSError: [Errno 30] Read-only file system: '~'",
        R.ENGINE_ENVIRONMENT,
        "the engine may not use the pod's file system as it wants to: [Errno 30] Read-only file system: '~'",
        id="read-only home",
    ),
    pytest.param(
        "/usr/bin/python3: No module named vllm",
        R.ENGINE_ENVIRONMENT,
        "the engine's image or the node lacks a part: No module named vllm",
        id="image without vLLM",
    ),
    pytest.param(
        "RuntimeError: Failed to infer device type, please set the environment variable",
        R.ENGINE_ENVIRONMENT,
        "the engine's image or the node lacks a part: Failed to infer device type, please set the environment variable",
        id="no device",
    ),
    pytest.param(
        WORKER + "RuntimeError: The size of tensor a (512) must match the size of tensor b (256)",
        R.ENGINE_BAD_MODEL_FILES,
        "config.json and the weights do not fit together: "
        "The size of tensor a (512) must match the size of tensor b (256)",
        id="shapes differ",
    ),
    pytest.param(
        "TimeoutError: Timed out waiting for engine core processes to start. Waited 600s",
        R.START_TIMEOUT,
        "the engine itself gave up waiting for its processes to start",
        id="the engine's own time-out",
    ),
    pytest.param(
        "  Value error, max_num_batched_tokens (1) must be greater [type=value_error, input_value=ArgsKwargs()]",
        R.BAD_ENGINE_ARGUMENT,
        "the engine refused its configuration: max_num_batched_tokens (1) must be greater",
        id="any other refused value",
    ),
]

EXIT_CODES = {
    R.ACCESS_DENIED: ExitCode.NEEDS_A_PERSON,
    R.FILE_NOT_FOUND: ExitCode.NEEDS_A_PERSON,
    R.DEVICE_MEMORY_SHORT: ExitCode.OUT_OF_MEMORY,
    R.CACHE_TOO_SMALL: ExitCode.OUT_OF_MEMORY,
    R.START_TIMEOUT: ExitCode.START_TIMEOUT,
}


def classify_line(line: str) -> tuple[RuntimeReason, str, ExitCode]:
    tracebacks = [
        "(EngineCore pid=9) ERROR 11-23 10:00:01 [core.py:1] Exception: WorkerProc initialization failed due to ...",
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
    ]
    failure = classify(Ending(["INFO 11-23 09:59:00 [x.py:1] hello", line, *tracebacks], 1, Stage.STARTING))
    assert failure.log[0] == line.rstrip()
    return failure.reason, failure.message, failure.exit_code


@pytest.mark.parametrize(("line", "want_reason", "want_message"), CASES)
def test_entry(line: str, want_reason: RuntimeReason, want_message: str) -> None:
    assert classify_line(line) == (want_reason, want_message, EXIT_CODES.get(want_reason, ExitCode.ENGINE_REFUSED))


def test_every_entry_has_a_case() -> None:
    lines = [str(case.values[0]) for case in CASES]

    assert [rule.pattern.pattern for rule in (*CATALOGUE, *VAGUE) if not any(map(rule.pattern.search, lines))] == []


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.pattern.pattern[:40]) for rule in (*CATALOGUE, *VAGUE)])
def test_messages_and_hints_need_only_the_groups_of_their_pattern(rule: object) -> None:
    assert isinstance(rule, type(CATALOGUE[0]))
    values = dict.fromkeys(rule.pattern.groupindex, "x")

    assert rule.message.format(**values)
    assert rule.hint.format(**values) is not None
