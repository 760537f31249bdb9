"""Which entries of ``spec.engine`` are not passed on, because correctness or safety needs ours.

The escape hatch stays wide: whatever is not named here is passed on as written, and the engine says
itself what it does not understand. Names of what was left out are shown in ``status.plan.overridden``
without their values, which may be secret.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, TypeVar

Arity = Literal["none", "one", "many"]
"""How many values follow a flag."""

_WIRING: dict[str, Arity] = {
    # Service, probes and readiness stand on these names, addresses and one plain HTTP server.
    "--model": "one",
    "--served-model-name": "many",
    "--host": "one",
    "--port": "one",
    "--uds": "one",
    "--root-path": "one",
    "--ssl-keyfile": "one",
    "--ssl-certfile": "one",
    "--ssl-ca-certs": "one",
    "--ssl-cert-reqs": "one",
    "--ssl-ciphers": "one",
    "--enable-ssl-refresh": "none",
    "--headless": "none",
    "--grpc": "none",
    "--grpc-port": "one",
    # A file could bring any flag of this list without being seen.
    "--config": "one",
    # Liveness is read from the engine's metrics.
    "--disable-log-stats": "none",
    # The supervisor drains; an engine that also waits would outlive the pod's grace period.
    "--shutdown-timeout": "one",
    # Prints and exits.
    "--help": "none",
}

_PLAN: dict[str, Arity] = {
    # status.plan promises these, and the pod's requests are computed from them. Each has a field
    # of the spec, or follows from one.
    "--max-model-len": "one",
    "--kv-cache-memory-bytes": "one",
    "--kv-cache-dtype": "one",
    "--dtype": "one",
    "--quantization": "one",
    "--quantization-config": "one",
    "--allow-deprecated-quantization": "none",
    "--runner": "one",
    "--convert": "one",
    "--tensor-parallel-size": "one",
    "--pipeline-parallel-size": "one",
    "--prefill-context-parallel-size": "one",
    "--data-parallel-size": "one",
    "--data-parallel-rank": "one",
    "--data-parallel-start-rank": "one",
    "--data-parallel-size-local": "one",
    "--data-parallel-address": "one",
    "--data-parallel-rpc-port": "one",
    "--data-parallel-backend": "one",
    "--data-parallel-hybrid-lb": "none",
    "--data-parallel-external-lb": "none",
    "--data-parallel-multi-port-external-lb": "none",
    "--nnodes": "one",
    "--node-rank": "one",
    "--master-addr": "one",
    "--master-port": "one",
    "--enable-elastic-ep": "none",
    "--elastic-ep-max-dp-size": "one",
}

_SAFETY: dict[str, Arity] = {
    # Code of a repository is run by spec.trust.remoteCode alone, and pickle files never are.
    "--trust-remote-code": "none",
    "--load-format": "one",
    "--hf-token": "one",
    # A key in the spec is a secret in plain text, and this check leaves most routes open.
    "--api-key": "many",
    # Runs before every other check of a request.
    "--middleware": "one",
    # Inputs of a request that crash the engine or read what they should not.
    "--enable-prompt-embeds": "none",
    "--enable-mm-embeds": "none",
    "--allowed-local-media-path": "one",
    "--trust-request-chat-template": "none",
    "--trust-request-mm-kwargs": "none",
    # Routes that nobody may reach: tools that run code, profiler, weights, tokens, documentation.
    "--tool-server": "one",
    "--profiler-config": "one",
    "--enable-tokenizer-info-endpoint": "none",
    "--enable-scale-out": "none",
    "--tokens-only": "none",
    "--weight-transfer-config": "one",
    "--disable-fastapi-docs": "none",
    "--enable-offline-docs": "none",
    # Ports without authentication that listen on all addresses.
    "--kv-transfer-config": "one",
    "--ec-transfer-config": "one",
}

_SHORT = {
    "-tp": "--tensor-parallel-size",
    "-pp": "--pipeline-parallel-size",
    "-pcp": "--prefill-context-parallel-size",
    "-dp": "--data-parallel-size",
    "-dpn": "--data-parallel-rank",
    "-dpr": "--data-parallel-start-rank",
    "-dpl": "--data-parallel-size-local",
    "-dpa": "--data-parallel-address",
    "-dpp": "--data-parallel-rpc-port",
    "-dpb": "--data-parallel-backend",
    "-dph": "--data-parallel-hybrid-lb",
    "-dpe": "--data-parallel-external-lb",
    "-dpm": "--data-parallel-multi-port-external-lb",
    "-n": "--nnodes",
    "-r": "--node-rank",
    "-q": "--quantization",
    "-h": "--help",
}

OURS: dict[str, Arity] = _WIRING | _PLAN | _SAFETY
"""Flags that are never taken from the user, with the number of their values."""


def overridden_args(user_args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the user's arguments that are passed on, and the names of the flags that are not.

    ``--flag value``, ``--flag=value``, ``--flag_name``, ``--flag.key value``, ``--no-flag``, short
    flags and abbreviations are all seen.
    """
    kept: list[str] = []
    overridden: list[str] = []
    index = 0
    while index < len(user_args):
        written, has_value = _split(user_args[index])
        ours = _our_flag(written)
        index += 1
        if ours is None:
            kept.append(user_args[index - 1])
            continue
        overridden.append(written)
        if not has_value:
            index += _values_after(user_args[index:], _arity(ours, written))
    return kept, list(dict.fromkeys(overridden))


def _split(argument: str) -> tuple[str, bool]:
    """Return a flag as written without its value, and whether the value was part of it."""
    flag, equals, _ = argument.partition("=")
    if len(flag) > 2 and not flag.startswith("--") and flag not in _SHORT and flag[:2] in _SHORT:
        return flag[:2], True
    return flag, bool(equals)


def _our_flag(written: str) -> str | None:
    """Return the flag of the list that the engine would read here, None where it is the user's."""
    if not written.startswith("--"):
        return _SHORT.get(written)
    name = "--" + written[2:].partition(".")[0].replace("_", "-")
    for candidate in (name, "--" + name.removeprefix("--no-").removeprefix("--")):
        if candidate in OURS:
            return candidate
        # The engine completes an abbreviation that fits one flag only.
        completed = [flag for flag in OURS if len(candidate) > 2 and flag.startswith(candidate)]
        if completed:
            return completed[0]
    return None


def _arity(flag: str, written: str) -> Arity:
    """Return how many values follow; ``--flag.key`` always has one."""
    return "one" if "." in written else OURS[flag]


def _values_after(rest: Sequence[str], arity: Arity) -> int:
    """Return how many of the next arguments are values of a flag."""
    if arity == "none":
        return 0
    count = 0
    for argument in rest[: 1 if arity == "one" else None]:
        if not _is_value(argument):
            break
        count += 1
    return count


def _is_value(argument: str) -> bool:
    return not argument.startswith("-") or argument[1:].replace(".", "", 1).isdigit()


_ENV = frozenset(
    {
        # No network: what is served is what was verified.
        "HF_HUB_OFFLINE",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "HF_TOKEN_PATH",
        "VLLM_USE_MODELSCOPE",
        "VLLM_MODEL_REDIRECT_PATH",
        "VLLM_TEST_FORCE_LOAD_FORMAT",
        # Routes and inputs that nobody may reach.
        "VLLM_SERVER_DEV_MODE",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
        "VLLM_ALLOW_INSECURE_SERIALIZATION",
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS",
        "VLLM_API_KEY",
        # Another server program, without our checks in it.
        "VLLM_USE_RUST_FRONTEND",
        "VLLM_RUST_FRONTEND_PATH",
        # The plan and the supervisor.
        "VLLM_CPU_KVCACHE_SPACE",
        "VLLM_ENGINE_READY_TIMEOUT_S",
        "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH",
        "VLLM_PORT",
        "VLLM_HOST_IP",
        # Would show the pod devices that it was not given.
        "NVIDIA_VISIBLE_DEVICES",
        # Removes the engine's own checks (CVE-2026-41523).
        "PYTHONOPTIMIZE",
        # Would keep the runtime, which is found in the working directory, from being found.
        "PYTHONSAFEPATH",
        # Writable folders; everything else is read-only.
        "HOME",
        "TMPDIR",
        "HF_HOME",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "VLLM_CACHE_ROOT",
        "VLLM_CONFIG_ROOT",
    }
)
_ENV_PREFIX = "GENMODEL_"


class Named(Protocol):
    """An environment variable of the spec."""

    @property
    def name(self) -> str:
        """Name of the variable."""
        ...


Variable = TypeVar("Variable", bound=Named)


def overridden_env(user_env: Iterable[Variable]) -> tuple[list[Variable], list[str]]:
    """Return the user's variables that are passed on, and the names of those that are not."""
    kept: list[Variable] = []
    overridden: list[str] = []
    for variable in user_env:
        if is_our_variable(variable.name):
            overridden.append(variable.name)
        else:
            kept.append(variable)
    return kept, overridden


def is_our_variable(name: str) -> bool:
    """Return whether a variable is never taken from the user."""
    return name in _ENV or name.startswith(_ENV_PREFIX)
