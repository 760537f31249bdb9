"""File locks between processes; the kernel drops them when their holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.progress import ticking


def open_lock(path: Path) -> int:
    """Open a lock file without taking its lock; the caller closes the descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int) -> bool:
    """Take the lock if nobody holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder_note(descriptor: int) -> str:
    """Return what the lock's holder wrote about itself."""
    return os.pread(descriptor, 200, 0).decode(errors="replace").strip()


def write_holder_note(descriptor: int, note: str) -> None:
    """Say in the lock file who holds it, for those who wait."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, note.encode(), 0)


@contextmanager
def file_lock(path: Path, *, what: str, timeout_seconds: float = 3600.0) -> Iterator[None]:
    """Hold a lock while the block runs; waiters say what they wait for and who holds it."""
    descriptor = open_lock(path)
    try:
        if not try_lock(descriptor):
            with ticking(f"{what} waits for {holder_note(descriptor) or 'another process'}"):
                _wait_for_lock(descriptor, what=what, timeout_seconds=timeout_seconds)
        write_holder_note(descriptor, f"process {os.getpid()}")
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, *, what: str, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not try_lock(descriptor):
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: {holder_note(descriptor) or 'another process'} still holds the lock")
        time.sleep(0.2)
