"""One file from the Hub to its verified place on the volume, resumed wherever it stopped."""

import threading
from collections.abc import Callable
from typing import IO

from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.hub import FetchFailed, HubConnection, OtherContent, TryAgain
from genmodel_runtime.manifest import Hasher, RemoteFile, StoredFile
from genmodel_runtime.meter import Meter
from genmodel_runtime.termination import Failure
from genmodel_runtime.volume import Volume, volume_errors

_READ_BYTES = 4 * 1024 * 1024
_ATTEMPTS = 2

Persist = Callable[[Callable[[], None]], None]
"""Runs an action again and again while it raises ``TryAgain``; see ``patience.Patience``."""


class Stopped(Exception):
    """Another file failed; this one is given up as it is."""


class Transfer:
    """Fetches one file.

    The bytes are hashed as they arrive; what an earlier process left is hashed first. A file whose
    hash is wrong is fetched once more from its first byte, in case the partial file was damaged.
    """

    def __init__(
        self, file: RemoteFile, *, hub: HubConnection, volume: Volume, meter: Meter, stop: threading.Event
    ) -> None:
        self._file, self._hub, self._volume, self._meter, self._stop = file, hub, volume, meter, stop
        self._hasher = Hasher(file)
        self._size = 0

    def run(self, persist: Persist) -> StoredFile:
        """Return the file, verified and in its place; raises ``FetchFailed`` and ``VolumeBroken``."""
        self._take_back()
        difference = ""
        for _ in range(_ATTEMPTS):
            try:
                with (
                    volume_errors(self._volume.models_dir),
                    self._volume.partial_path(self._file).open("ab+") as stream,
                ):
                    self._collect(stream, persist)
                if self._hasher.matches():
                    return self._volume.place(self._file, sha256=self._hasher.sha256)
                difference = f"{self._file.path} differs from the hash that the commit lists"
            except OtherContent as error:
                difference = str(error)
            self._discard()
        raise FetchFailed(
            Failure(
                RuntimeReason.INTEGRITY_FAILED,
                f"{difference}; it was fetched twice from {self._hub.endpoint}",
                ExitCode.NEEDS_A_PERSON,
            )
        )

    def _take_back(self) -> None:
        # A file that an earlier process placed is hashed once more like any partial file: without
        # a manifest nobody vouches for it.
        final = self._volume.final_path(self._file)
        with volume_errors(self._volume.models_dir):
            if final.is_file():
                final.replace(self._volume.partial_path(self._file))

    def _collect(self, stream: IO[bytes], persist: Persist) -> None:
        self._hash_present(stream)
        while self._size < self._file.size_bytes:
            persist(lambda: self._receive(stream))

    def _hash_present(self, stream: IO[bytes]) -> None:
        self._hasher, self._size = Hasher(self._file), 0
        stream.seek(0)
        while chunk := stream.read(_READ_BYTES):
            self._check_stop()
            self._hasher.update(chunk)
            self._size += len(chunk)
            self._meter.count_present(len(chunk))
        if self._size > self._file.size_bytes:
            self._restart(stream)

    def _receive(self, stream: IO[bytes]) -> None:
        with self._hub.open(self._file, offset=self._size) as body:
            if body.start != self._size:
                self._restart(stream)
            for chunk in body.chunks:
                self._check_stop()
                self._append(stream, chunk)
        if self._size < self._file.size_bytes:
            raise TryAgain(RuntimeReason.HUB_UNREACHABLE, f"{self._file.path}: the server ended the file early")

    def _append(self, stream: IO[bytes], chunk: bytes) -> None:
        if self._size + len(chunk) > self._file.size_bytes:
            raise OtherContent(f"{self._file.path} is longer on the server than the commit lists")
        with volume_errors(self._volume.models_dir):
            stream.write(chunk)
            stream.flush()
        self._hasher.update(chunk)
        self._size += len(chunk)
        self._meter.count_received(len(chunk))

    def _restart(self, stream: IO[bytes]) -> None:
        with volume_errors(self._volume.models_dir):
            stream.truncate(0)
        self._forget_progress()

    def _discard(self) -> None:
        with volume_errors(self._volume.models_dir):
            self._volume.partial_path(self._file).unlink(missing_ok=True)
        self._forget_progress()

    def _forget_progress(self) -> None:
        self._meter.count_present(-self._size)
        self._hasher, self._size = Hasher(self._file), 0

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped
