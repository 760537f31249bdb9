"""One file from the Hub to its verified place on the volume, in pieces that come side by side."""

import threading

from genmodel_runtime.blocks import gathered
from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.hub import Body, HubConnection
from genmodel_runtime.lease import Lease
from genmodel_runtime.manifest import Hasher, RemoteFile, StoredFile
from genmodel_runtime.meter import Meter
from genmodel_runtime.partial import Piece
from genmodel_runtime.refusals import FetchFailed, OtherContent, TryAgain
from genmodel_runtime.termination import Failure
from genmodel_runtime.volume import Volume, volume_errors

_HASH_BYTES = 1024 * 1024
_HASH_EVERY_BYTES = 32 * 1024 * 1024
_ATTEMPTS = 2
_PIECES = 64
_LEAST_PIECE_BYTES = 8 * 1024 * 1024


class Stopped(Exception):
    """Another file failed; this one is given up as it is."""


class RangesIgnored(Exception):
    """The server sends the whole file whatever part of it is asked for."""


def piece_bytes_of(file: RemoteFile, *, at_most: int) -> int:
    """Return the size of a file's pieces, in bytes.

    What comes side by side can only be hashed when all before it is there: with pieces that are large
    for their file much of it would be hashed after the last byte came.
    """
    return min(at_most, max(_LEAST_PIECE_BYTES, file.size_bytes // _PIECES))


class Transfer:
    """Fetches one file; several threads may each receive another piece of it.

    The hash follows the bytes that are there without a gap, so that it reads what the kernel still
    has in memory. A file whose hash is wrong is fetched once more from its first byte, in case the
    partial file was damaged.
    """

    def __init__(
        self,
        file: RemoteFile,
        *,
        hub: HubConnection,
        volume: Volume,
        lease: Lease,
        meter: Meter,
        stop: threading.Event,
        most_piece_bytes: int,
    ) -> None:
        self.file = file
        self._hub, self._volume, self._lease, self._meter, self._stop = hub, volume, lease, meter, stop
        self._partial = volume.partial(file, piece_bytes=piece_bytes_of(file, at_most=most_piece_bytes))
        self._hasher, self._hashed_bytes = Hasher(file), 0
        self._hashing = threading.Lock()
        self._attempts, self._difference = 0, ""
        self._is_open = False

    def load(self) -> None:
        """Find what is on the volume already; raises ``VolumeBroken``."""
        self._volume.take_back(self.file)
        with volume_errors(self._volume.models_dir):
            self._partial.load()
        self._meter.count_present(self._partial.present_bytes)

    def begin(self) -> list[Piece]:
        """Open the file and return the pieces that are missing; raises ``VolumeBroken``."""
        self._check()
        if not self._is_open:
            with volume_errors(self._volume.models_dir):
                self._partial.open()
            self._is_open = True
        return [piece for piece in self._partial.pieces if not piece.is_whole]

    def receive(self, piece: Piece) -> None:
        """Receive what is missing of one piece, as far as one connection gets.

        Raises ``TryAgain``, ``FetchFailed``, ``VolumeBroken``, ``OtherContent``, ``RangesIgnored``.
        """
        with self._hub.open(self.file, start=piece.offset, stop=piece.stop) as body:
            self._accept(body, piece)
            for block in gathered(body.chunks):
                self._check()
                self._append(piece, block, body)
        if not piece.is_whole:
            raise TryAgain(RuntimeReason.HUB_UNREACHABLE, f"{self.file.path}: the server ended the file early")

    def differs(self, how: str) -> None:
        """Take note that the server has other content."""
        self._difference = how

    def hash_on(self) -> None:
        """Hash what can be hashed by now, unless another thread does so already."""
        if self._hashing.acquire(blocking=False):
            try:
                self._hash_to_frontier()
            finally:
                self._hashing.release()

    def settle(self) -> StoredFile | None:
        """Return the file, verified and in its place, or None where it has to begin again.

        Only while nobody receives a piece of it. Raises ``FetchFailed`` and ``VolumeBroken``.
        """
        if not self._difference and not self._partial.is_whole:
            self._join_pieces()
            return None
        if not self._difference:
            with self._hashing:
                self._hash_to_frontier()
            if self._hasher.matches():
                return self._place()
            self._difference = f"{self.file.path} differs from the hash that the commit lists"
        self._start_over()
        return None

    def close(self) -> None:
        """Leave what is there for the next process."""
        self._partial.close()
        self._is_open = False

    def _accept(self, body: Body, piece: Piece) -> None:
        if body.is_range:
            return
        if len(self._partial.pieces) > 1:
            raise RangesIgnored
        if body.start != piece.offset:
            self._forget()

    def _append(self, piece: Piece, block: bytes, body: Body) -> None:
        before, left = piece.written, piece.stop - piece.offset
        if len(block) > left and not body.is_range:
            raise OtherContent(f"{self.file.path} is longer on the server than the commit lists")
        with volume_errors(self._volume.models_dir):
            self._partial.write(piece, memoryview(block)[:left])
        self._meter.count_received(piece.written - before)
        if before // _HASH_EVERY_BYTES != piece.written // _HASH_EVERY_BYTES:
            self.hash_on()

    def _hash_to_frontier(self) -> None:
        # One buffer for all of it: new memory for each part would cost as much as reading it.
        buffer = memoryview(bytearray(_HASH_BYTES))
        while self._hashed_bytes < (frontier := self._partial.frontier):
            self._check()
            with volume_errors(self._volume.models_dir):
                count = self._partial.read(self._hashed_bytes, buffer[: frontier - self._hashed_bytes])
            if not count:
                # The journal promised more than the file has; the hash will say so.
                return
            self._hasher.update(buffer[:count])
            self._hashed_bytes += count

    def _join_pieces(self) -> None:
        self._lease_confirmed()
        before = self._partial.present_bytes
        with volume_errors(self._volume.models_dir):
            self._partial.join_pieces()
        self._meter.count_present(self._partial.present_bytes - before)

    def _place(self) -> StoredFile:
        with volume_errors(self._volume.models_dir):
            self._partial.flush()
        self._lease_confirmed()
        stored = self._volume.place(self.file, sha256=self._hasher.sha256)
        self.close()
        return stored

    def _start_over(self) -> None:
        self._attempts += 1
        self._lease_confirmed()
        self._forget()
        if self._attempts >= _ATTEMPTS:
            message = f"{self._difference}; it was fetched twice from {self._hub.endpoint}"
            raise FetchFailed(Failure(RuntimeReason.INTEGRITY_FAILED, message, ExitCode.NEEDS_A_PERSON))
        self._difference = ""

    def _forget(self) -> None:
        self._meter.count_present(-self._partial.present_bytes)
        with self._hashing, volume_errors(self._volume.models_dir):
            self._partial.start_over()
            self._hasher, self._hashed_bytes = Hasher(self.file), 0

    def _lease_confirmed(self) -> None:
        with volume_errors(self._volume.models_dir):
            self._lease.confirm()

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped
        with volume_errors(self._volume.models_dir):
            self._lease.check()
