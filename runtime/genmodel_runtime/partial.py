"""A file on its way: its pieces in one sparse file, and a journal of how far each of them is.

Pieces come side by side and in any order. What the journal says survives the end of the process; a
reboot may lose what the kernel had not written out, so that each piece also knows how much of it is
on the disk for certain.
"""

import os
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"gmpieces"
_HEADER = struct.Struct("<8sQQ40s")
"""Magic, size of the file, size of a piece, the boot that the unsynced counts belong to."""
_SLOT = struct.Struct("<QQ")
"""Bytes of a piece that were written, and those of them that are on the disk."""
_SYNC_SECONDS = 5.0
JOURNAL_SUFFIX = ".pieces"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass
class Piece:
    """The bytes from ``start`` to ``stop``, of which the first ``written`` are there."""

    start: int
    stop: int
    written: int = 0
    synced: int = 0

    @property
    def offset(self) -> int:
        """Where its next byte belongs."""
        return self.start + self.written

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there."""
        return self.offset >= self.stop


class Partial:
    """The pieces of one file. Each piece may be written by one thread at a time.

    Errors of the file system are raised as they are.
    """

    def __init__(
        self,
        path: Path,
        *,
        size_bytes: int,
        piece_bytes: int,
        boot_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self.journal_path = path, journal_of(path)
        self.size_bytes = size_bytes
        self._piece_bytes = piece_bytes
        self._boot_id = this_boot() if boot_id is None else boot_id
        self._clock = clock
        self._sync_lock = threading.Lock()
        self._synced_at = clock()
        self._data = self._journal = -1
        self.pieces: list[Piece] = []

    def load(self) -> None:
        """Find out what is there, without touching it."""
        found = _length(self.path)
        if found > self.size_bytes:
            # Longer than the file can be: nothing of it is trusted.
            found = 0
        journal = self._read_journal()
        if journal is None:
            # Without a journal it was written from its beginning on.
            self.pieces = _cut(self.size_bytes, self._piece_bytes)
            for piece in self.pieces:
                piece.written = piece.synced = _clamped(found - piece.start, piece)
            return
        self._piece_bytes, boot_id, slots = journal
        self.pieces = _cut(self.size_bytes, self._piece_bytes)
        for piece, (written, synced) in zip(self.pieces, slots, strict=True):
            survived = written if boot_id == self._boot_id and boot_id else synced
            piece.written = piece.synced = min(_clamped(survived, piece), _clamped(found - piece.start, piece))

    @property
    def present_bytes(self) -> int:
        """How many bytes are there."""
        return sum(piece.written for piece in self.pieces)

    @property
    def is_whole(self) -> bool:
        """Whether every byte is there."""
        return all(piece.is_whole for piece in self.pieces)

    @property
    def frontier(self) -> int:
        """How many bytes are there without a gap from the beginning."""
        for piece in self.pieces:
            if not piece.is_whole:
                return piece.offset
        return self.size_bytes

    def open(self) -> None:
        """Open it for writing, with what was loaded."""
        self._data = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        if os.fstat(self._data).st_size > self.size_bytes:
            os.ftruncate(self._data, 0)
        self._journal = os.open(self.journal_path, os.O_RDWR | os.O_CREAT, 0o644)
        self._write_journal()

    def close(self) -> None:
        """Close it; what is there stays."""
        for descriptor in (self._data, self._journal):
            if descriptor >= 0:
                os.close(descriptor)
        self._data = self._journal = -1

    def write(self, piece: Piece, chunk: bytes | memoryview) -> None:
        """Add bytes to a piece; the journal follows the data, never the other way round."""
        rest = memoryview(chunk)
        while rest:
            count = os.pwrite(self._data, rest, piece.offset)
            rest = rest[count:]
            piece.written += count
        self._note(piece)
        if self._clock() - self._synced_at >= _SYNC_SECONDS and self._sync_lock.acquire(blocking=False):
            try:
                self._sync()
            finally:
                self._sync_lock.release()

    def read(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer with what is there from an offset on; return how many bytes that were."""
        return os.preadv(self._data, [buffer], offset)

    def start_over(self) -> None:
        """Forget everything that is there."""
        os.ftruncate(self._data, 0)
        self.pieces = _cut(self.size_bytes, self._piece_bytes)
        self._write_journal()

    def join_pieces(self) -> None:
        """Make one piece of it, which begins with what is there without a gap."""
        whole = Piece(0, self.size_bytes, self.frontier)
        whole.synced = min(whole.written, self.pieces[0].synced) if self.pieces else 0
        self._piece_bytes = max(1, self.size_bytes)
        self.pieces = [whole]
        self._write_journal()

    def flush(self) -> None:
        """Bring all of it to the disk."""
        os.fsync(self._data)

    def _note(self, piece: Piece) -> None:
        at = _HEADER.size + _SLOT.size * (piece.start // self._piece_bytes)
        os.pwrite(self._journal, _SLOT.pack(piece.written, piece.synced), at)

    def _sync(self) -> None:
        counts = [(piece, piece.written) for piece in self.pieces]
        os.fdatasync(self._data)
        for piece, written in counts:
            piece.synced = written
            self._note(piece)
        os.fdatasync(self._journal)
        self._synced_at = self._clock()

    def _write_journal(self) -> None:
        header = _HEADER.pack(_MAGIC, self.size_bytes, self._piece_bytes, self._boot_id.encode()[:40])
        slots = b"".join(_SLOT.pack(piece.written, piece.synced) for piece in self.pieces)
        os.ftruncate(self._journal, 0)
        os.pwrite(self._journal, header + slots, 0)

    def _read_journal(self) -> tuple[int, str, list[tuple[int, int]]] | None:
        """Return size of a piece, boot and counts; None where there is no journal of this file."""
        try:
            content = self.journal_path.read_bytes()
        except FileNotFoundError:
            return None
        if len(content) < _HEADER.size:
            return None
        magic, size_bytes, piece_bytes, boot_id = _HEADER.unpack_from(content)
        count = -(-size_bytes // piece_bytes) if piece_bytes else 0
        whole = len(content) == _HEADER.size + _SLOT.size * count
        if magic != _MAGIC or size_bytes != self.size_bytes or not piece_bytes or not whole:
            return None
        slots = list(_SLOT.iter_unpack(content[_HEADER.size :]))
        return piece_bytes, boot_id.rstrip(b"\0").decode("ascii", errors="replace"), slots


def journal_of(path: Path) -> Path:
    """Return where the journal of a partial file is."""
    return path.with_name(f"{path.name}{JOURNAL_SUFFIX}")


def this_boot() -> str:
    """Return what tells this run of the kernel from all others; empty where it does not say."""
    with suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return ""


def _cut(size_bytes: int, piece_bytes: int) -> list[Piece]:
    return [Piece(start, min(start + piece_bytes, size_bytes)) for start in range(0, size_bytes, piece_bytes)]


def _clamped(count: int, piece: Piece) -> int:
    return max(0, min(count, piece.stop - piece.start))


def _length(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
