"""Ways in which a real vLLM on CPU refuses to start, and what a person must be told of each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from genmodel_runtime.contract import TERMINATION_LOG_MAX_BYTES
from tests.fakes.hub_models import as_json, llama_files
from tests.real_engine import CONFIG, Server, serving

REFUSED_SECONDS = 240
WEIGHTS = "model.safetensors"
IN_OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private", "sh", "-ec")
SMALL_SHM = (*IN_OWN_MOUNTS, 'mount -t tmpfs -o size=64m small /dev/shm; exec "$@"', "sh")
READ_ONLY_HOME = (*IN_OWN_MOUNTS, 'mount -t tmpfs -o ro empty /mnt; exec "$@"', "sh")
WITHOUT_RIGHTS_ON_FILES = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""Root reads everything; this is what any other user sees of a file with the wrong mode."""


@dataclass(frozen=True)
class Refusal:
    """A start that fails: what is wrong, and what must be said.

    ``config`` is laid over the model's configuration, ``files`` replaces files (None: it is not
    there), ``words`` must all be in the message, ``hint`` in the hint.
    """

    id: str
    reason: str
    words: tuple[str, ...]
    hint: str = ""
    exit_code: int = 20
    config: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    environ: Mapping[str, str | None] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    modes: Mapping[str, int] = field(default_factory=dict)
    eager: bool = True


def weights(**changes: int) -> bytes:
    """Return the weights of the model that is served, or of one like it."""
    return llama_files({**CONFIG, **changes})[WEIGHTS]


QUICK = (
    Refusal(
        "an unknown architecture",
        "EngineUnsupportedArchitecture",
        ("FooForCausalLM",),
        config={"architectures": ["FooForCausalLM"]},
    ),
    Refusal(
        "a context longer than the model's",
        "EngineContextTooLong",
        ("100000 tokens",),
        hint="4096 tokens",
        arguments=("--max-model-len", "100000"),
    ),
)
"""Told within seconds: before the engine's processes start."""

FURTHER = (
    Refusal(
        "an unknown flag",
        "BadEngineArgument",
        ("the engine does not know the arguments --no-such-flag",),
        hint="remove them",
        arguments=("--no-such-flag",),
    ),
    Refusal(
        "code of its own",
        "EngineRemoteCodeRequired",
        ("needs Python code of its own",),
        config={"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.Own"}},
        files={"own.py": b"class OwnConfig: ...\nclass Own: ...\n"},
    ),
    Refusal("no config.json", "EngineBadModelFiles", ("config.json",), files={"config.json": None}),
    Refusal(
        "another quantisation than the stored one",
        "EngineQuantizationRefused",
        ("stored as compressed-tensors", "run as awq"),
        config={"quantization_config": {"quant_method": "compressed-tensors"}},
        arguments=("--quantization", "awq"),
    ),
    Refusal(
        "heads that do not divide",
        "EngineBadParallelSize",
        ("4 attention heads", "3 devices"),
        arguments=("--tensor-parallel-size", "3"),
    ),
    Refusal(
        "a variable that is no number",
        "EngineEnvironment",
        ("environment variable of the engine is malformed", "'plenty'"),
        environ={"VLLM_CPU_KVCACHE_SPACE": "plenty"},
    ),
    Refusal(
        "a word instead of a number",
        "BadEngineArgument",
        ("--max-num-seqs", "banana"),
        arguments=("--max-num-seqs", "banana"),
    ),
    Refusal(
        "an unknown model type",
        "EngineUnsupportedArchitecture",
        ("foobar",),
        config={"architectures": ["FoobarForCausalLM"], "model_type": "foobar"},
    ),
    Refusal(
        "an unknown quantisation",
        "EngineQuantizationRefused",
        ("nosuch",),
        config={"quantization_config": {"quant_method": "nosuch"}},
    ),
    Refusal(
        "a quantisation without its configuration",
        "EngineQuantizationRefused",
        ("awq",),
        arguments=("--quantization", "awq"),
    ),
)
"""As quick; left to the long tests."""

SLOW = (
    Refusal("no weights", "EngineBadModelFiles", ("finds no weights",), files={WEIGHTS: None}),
    Refusal(
        "a truncated file of weights",
        "EngineBadModelFiles",
        ("a weight file is damaged or truncated",),
        files={WEIGHTS: weights()[:-1000]},
    ),
    Refusal(
        "a file of weights that is none",
        "EngineBadModelFiles",
        ("a weight file is damaged or truncated",),
        files={WEIGHTS: b"\x00" * 4096},
    ),
    Refusal(
        "weights of another model",
        "EngineBadModelFiles",
        ("config.json and the weights do not fit together",),
        files={WEIGHTS: weights(hidden_size=128)},
    ),
    Refusal(
        "weights that user 10001 may not read",
        "EngineEnvironment",
        (WEIGHTS,),
        modes={WEIGHTS: 0o000},
        prefix=WITHOUT_RIGHTS_ON_FILES,
    ),
    Refusal(
        "a context too long for the cache",
        "CacheTooSmall",
        ("131072 tokens", "GiB of KV cache"),
        # 64 MiB of 1 KiB per token, without the block of 128 that the engine keeps to itself.
        hint="65408 tokens fit",
        exit_code=21,
        config={"max_position_embeddings": 131072},
        arguments=("--max-model-len", "131072", "--kv-cache-memory-bytes", str(64 * 1024**2)),
        environ={"VLLM_CPU_KVCACHE_SPACE": None},
    ),
    Refusal(
        "a cache larger than the memory",
        "DeviceMemoryShort",
        ("a KV cache of 2000.0 GiB does not fit",),
        exit_code=21,
        environ={"VLLM_CPU_KVCACHE_SPACE": "2000"},
    ),
    Refusal(
        "more workers than NUMA nodes",
        "EngineBadParallelSize",
        ("2 CPU workers",),
        arguments=("--tensor-parallel-size", "2"),
    ),
    Refusal(
        "a small /dev/shm",
        "EngineEnvironment",
        ("/dev/shm is too small", "160 MiB", "64 MiB"),
        prefix=SMALL_SHM,
    ),
    Refusal(
        "a home that is read-only",
        "EngineEnvironment",
        ("Read-only file system",),
        environ={"HOME": "/mnt"},
        prefix=READ_ONLY_HOME,
        eager=False,
    ),
)
"""Told by a worker, when the engine's processes have all started."""


def cases(refusals: tuple[Refusal, ...]) -> list[Any]:
    """Return them as parameters of a test."""
    return [pytest.param(one, id=one.id) for one in refusals]


def write_model(folder: Path, refusal: Refusal) -> Path:
    """Write a model with what is wrong in it."""
    folder.mkdir()
    own = {name: content for name, content in llama_files(CONFIG).items() if "/" not in name}
    files = own | {"config.json": as_json({**CONFIG, **refusal.config})} | dict(refusal.files)
    for name, content in files.items():
        if content is not None:
            (folder / name).write_bytes(content)
            (folder / name).chmod(refusal.modes.get(name, 0o644))
    return folder


def check(refusal: Refusal, folder: Path, site_packages: Path, *, port: int = 0) -> None:
    """Start the engine; it must end as the refusal says."""
    arguments = (*refusal.arguments, *(("--enforce-eager",) if refusal.eager else ()))
    model = write_model(folder / "model", refusal)
    with serving(
        folder / "pod",
        site_packages,
        *arguments,
        model=model,
        port=port,
        prefix=refusal.prefix,
        environ=refusal.environ,
    ) as server:
        code = server.pod.wait(REFUSED_SECONDS)
        check_words(refusal, server, code)


def check_words(refusal: Refusal, server: Server, code: int) -> None:
    """Compare what the container left with what the refusal says."""
    log = server.pod.termination_log()
    assert log, server.pod.log
    assert len(log) <= TERMINATION_LOG_MAX_BYTES
    found = json.loads(log)
    assert (found["reason"], found["exitCode"], code) == (refusal.reason, refusal.exit_code, refusal.exit_code), found
    assert all(words in found["message"] for words in refusal.words), found
    assert refusal.hint in found["hint"]
    assert found["log"], found
