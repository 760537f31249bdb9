"""What the pod's runtime knows of itself, and the ``/status`` document made from it."""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from genmodel_runtime.contract import CONTRACT, Phase
from genmodel_runtime.termination import Failure

STARTING_PHASES = (Phase.STARTING, Phase.LOADING, Phase.COMPILING, Phase.WARMING_UP)
"""Phases of an engine's start, in order."""


@dataclass(frozen=True)
class Download:
    """Progress of a download; rates and times are unknown until bytes arrived.

    ``elsewhere``: another pod brings the bytes to the volume that both share.
    """

    bytes_done: int
    bytes_total: int
    bytes_per_second: float | None = None
    seconds_left: float | None = None
    elsewhere: bool = False

    def document(self) -> dict[str, object]:
        """Return the ``download`` object of ``/status``."""
        return _known(
            bytesDone=self.bytes_done,
            bytesTotal=self.bytes_total,
            bytesPerSecond=None if self.bytes_per_second is None else round(self.bytes_per_second),
            secondsLeft=None if self.seconds_left is None else round(self.seconds_left),
            elsewhere=True if self.elsewhere else None,
        )


@dataclass(frozen=True)
class Measured:
    """What the engine measured at its start, per device, in GiB; None where it did not say.

    ``checkpoint_gib`` is what the weights take on disk, which an engine on CPU tells in place of memory.
    """

    weights_gib: float | None = None
    checkpoint_gib: float | None = None
    kv_cache_gib: float | None = None
    kv_tokens: int | None = None
    activation_gib: float | None = None
    non_torch_gib: float | None = None
    cuda_graph_gib: float | None = None
    start_seconds: float | None = None

    def updated(self, other: "Measured") -> "Measured":
        """Return these figures with those of ``other`` that are known."""
        known = {name: value for name, value in asdict(other).items() if value is not None}
        return replace(self, **known)

    def document(self) -> dict[str, object]:
        """Return the ``measured`` object of ``/status``."""
        return _known(
            weightsGiB=self.weights_gib,
            checkpointGiB=self.checkpoint_gib,
            kvCacheGiB=self.kv_cache_gib,
            kvTokens=self.kv_tokens,
            activationGiB=self.activation_gib,
            nonTorchGiB=self.non_torch_gib,
            cudaGraphGiB=self.cuda_graph_gib,
            startSeconds=None if self.start_seconds is None else round(self.start_seconds, 1),
        )


@dataclass(frozen=True)
class Requests:
    """Requests inside the engine at the last look."""

    running: int
    waiting: int

    def document(self) -> dict[str, int]:
        """Return the ``requests`` object of ``/status``."""
        return {"running": self.running, "waiting": self.waiting}


@dataclass(frozen=True)
class Snapshot:
    """Everything that ``/status`` shows, at one moment."""

    phase: Phase
    since: float
    """Seconds since the epoch at which the phase began."""
    download: Download | None = None
    measured: Measured = field(default_factory=Measured)
    engine_name: str | None = None
    engine_version: str | None = None
    requests: Requests | None = None
    failure: Failure | None = None

    def document(self) -> dict[str, object]:
        """Return the ``/status`` document of the contract."""
        known = _known(
            contract=CONTRACT,
            phase=self.phase.value,
            since=_rfc3339(self.since),
            download=self.download.document() if self.download else None,
            measured=self.measured.document(),
            engine=_known(name=self.engine_name, version=self.engine_version),
            requests=self.requests.document() if self.requests else None,
        )
        return {**known, "failure": self.failure.summary() if self.failure else None}


class RuntimeState:
    """The current snapshot; safe to change and read from any thread."""

    def __init__(self, phase: Phase, *, engine_name: str | None = None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._snapshot = Snapshot(phase=phase, since=clock(), engine_name=engine_name)
        self._download: Callable[[], Download] | None = None

    def snapshot(self) -> Snapshot:
        """Return the state at this moment."""
        with self._lock:
            current, download = self._snapshot, self._download
        return current if download is None else replace(current, download=download())

    def enter(self, phase: Phase) -> None:
        """Change the phase; entering the current one again changes nothing."""
        with self._lock:
            if phase is not self._snapshot.phase:
                self._snapshot = replace(self._snapshot, phase=phase, since=self._clock())

    def advance(self, phase: Phase) -> None:
        """Enter a phase of the engine's start, unless the start is over already."""
        with self._lock:
            if self._snapshot.phase in STARTING_PHASES and phase is not self._snapshot.phase:
                self._snapshot = replace(self._snapshot, phase=phase, since=self._clock())

    def update(
        self,
        *,
        measured: Measured | None = None,
        requests: Requests | None = None,
        engine_version: str | None = None,
    ) -> None:
        """Change what is given."""
        with self._lock:
            now = self._snapshot
            self._snapshot = replace(
                now,
                measured=now.measured if measured is None else now.measured.updated(measured),
                requests=now.requests if requests is None else requests,
                engine_version=now.engine_version if engine_version is None else engine_version,
            )

    def track_download(self, progress: Callable[[], Download]) -> None:
        """Ask ``progress`` for the download's numbers at every snapshot from now on."""
        with self._lock:
            self._download = progress

    def trouble(self, failure: Failure | None) -> None:
        """Show why it does not go on for the moment; None: it does."""
        with self._lock:
            self._snapshot = replace(self._snapshot, failure=failure)

    def fail(self, failure: Failure) -> None:
        """Enter ``Failed`` for good."""
        with self._lock:
            self._snapshot = replace(self._snapshot, phase=Phase.FAILED, since=self._clock(), failure=failure)


def _rfc3339(epoch_seconds: float) -> str:
    """Return a moment to the millisecond: phases of a small model's start are shorter than a second."""
    milliseconds = round(epoch_seconds * 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{stamp}.{milliseconds % 1000:03}Z"


def _known(**fields: object) -> dict[str, object]:
    # What is missing is unknown, by the contract.
    return {name: value for name, value in fields.items() if value is not None}
