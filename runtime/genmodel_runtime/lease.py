"""Who may write to a place that pods on several nodes share.

On one node the kernel's lock decides, which ends with its process. Between nodes many file systems
have no such lock, so that the owner also has a file with its name, in which it counts on every few
seconds. Others take over when they saw the count stand still for long, by their own clocks, so that
no two clocks are ever compared. Who was away for long looks before it goes on whether it still is
the owner.
"""

import errno
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from genmodel_runtime.partial import this_boot

STALE_SECONDS = 30.0
"""An owner that gave no sign of life for this long has lost its right."""
_BEATS = 6
"""How often an owner gives a sign of life in that time."""
_ABANDONED_SECONDS = 3600.0
"""By the file system's clock; for those that are looked at only once."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
_FIRST_BEAT = 10**12


class LeaseLost(Exception):
    """Somebody else is the owner now; nothing more may be changed."""


def clock_seconds() -> float:
    """Return seconds that also count while the process or the machine is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The right to write, held by one owner at a time; errors of the file system are raised as they are."""

    def __init__(
        self,
        path: Path,
        *,
        host: str | None = None,
        boot_id: str | None = None,
        stale_seconds: float = STALE_SECONDS,
        clock: Callable[[], float] = clock_seconds,
        has_locks: bool = True,
    ) -> None:
        self.lock_path = path.with_name(f"{path.name}.lock")
        self.owner_path = path.with_name(f"{path.name}.owner")
        self._host = socket.gethostname() if host is None else host
        self._boot_id = this_boot() if boot_id is None else boot_id
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._has_locks = has_locks
        self._id = uuid.uuid4().hex
        self._seen: tuple[bytes, float] | None = None
        """What the owner's file held, and since when."""
        self._lock_file = self._owner_file = -1
        self._beats = _FIRST_BEAT
        self._beat_lock = threading.Lock()
        self._valid_until = 0.0
        self._ended = threading.Event()

    def try_take(self) -> bool:
        """Become the owner where there is none, or none that lives; return whether it is so."""
        self._try_lock()
        # Even its lock does not protect an owner that is stopped, or hangs in a dead file system.
        if self._lock_file < 0 and self._has_locks and not self._stands_still(_content(self.owner_path)):
            return False
        try:
            is_mine = self._try_own()
        except BaseException:
            self._unlock()
            raise
        if not is_mine:
            self._unlock()
        return is_mine

    def check(self) -> None:
        """Raise ``LeaseLost`` where somebody else may be the owner; cheap, to be called before each change."""
        if self._clock() >= self._valid_until:
            self.confirm()

    def confirm(self) -> None:
        """Look whether this is still the owner; raises ``LeaseLost``."""
        with self._beat_lock:
            began = self._clock()
            if self._owner_file < 0:
                raise LeaseLost
            self._beats += 1
            os.pwrite(self._owner_file, self._document(), 0)
            os.fsync(self._owner_file)
            if _id_in(_content(self.owner_path)) != self._id:
                self._valid_until = 0.0
                raise LeaseLost
            self._valid_until = began + self._stale_seconds / 2

    @property
    def is_mine(self) -> bool:
        """Whether this is the owner at this moment."""
        try:
            self.confirm()
        except (LeaseLost, OSError):
            return False
        return True

    def release(self) -> None:
        """Let others in; nothing happens where this is not the owner."""
        self._ended.set()
        if self._owner_file < 0:
            return
        with suppress(OSError):
            if _id_in(_content(self.owner_path)) == self._id:
                self.owner_path.unlink()
        self._disown()
        self._unlock()

    def _try_lock(self) -> None:
        """Take the kernel's lock where it is free and where the file system has such."""
        if not self._has_locks:
            return
        descriptor = os.open(self.lock_path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Else the file was removed by its last owner after we opened it.
            if os.path.samestat(self.lock_path.stat(), os.fstat(descriptor)):
                self._lock_file = descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            self._has_locks = False
        finally:
            if self._lock_file != descriptor:
                os.close(descriptor)

    def _unlock(self) -> None:
        if self._lock_file >= 0:
            with suppress(OSError):
                # Who waits for the lock opens its file anew, so that it may go while it is held.
                self.lock_path.unlink()
            os.close(self._lock_file)
        self._lock_file = -1

    def _try_own(self) -> bool:
        found = _content(self.owner_path)
        if found is not None and not (self._is_dead(found) and self._bury(found)):
            return False
        try:
            self._owner_file = os.open(self.owner_path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        self._ended.clear()
        try:
            self.confirm()
        except LeaseLost:
            self._disown()
            return False
        except OSError:
            # Such as a full disk: nobody shall wait for an owner that never was one.
            self._disown()
            self.owner_path.unlink(missing_ok=True)
            raise
        threading.Thread(target=self._beat, name="lease", daemon=True).start()
        return True

    def _disown(self) -> None:
        with self._beat_lock:
            os.close(self._owner_file)
            self._owner_file = -1

    def _is_dead(self, found: bytes) -> bool:
        owner = _parsed(found)
        if self._lock_file >= 0 and owner.get("locks") and self._is_here(owner):
            # It would hold the kernel's lock, which is ours.
            return True
        return self._stands_still(found)

    def _stands_still(self, found: bytes | None) -> bool:
        """Whether an owner gave no sign of life for long; to be asked again and again."""
        if found is None:
            return False
        if self._seen is None or self._seen[0] != found:
            self._seen = (found, self._clock())
            return self._age_seconds() >= _ABANDONED_SECONDS
        return self._clock() - self._seen[1] >= self._stale_seconds

    def _is_here(self, owner: dict[str, object]) -> bool:
        """Whether an owner ran under this kernel, or in this very pod before its node went down."""
        return (bool(self._boot_id) and owner.get("boot") == self._boot_id) or owner.get("host") == self._host

    def _age_seconds(self) -> float:
        """Return the age of the owner's last sign of life, by the clock that the file system stamps with."""
        probe = self.owner_path.with_name(f"{self.owner_path.name}.{self._id}")
        try:
            probe.write_bytes(b"")
            return probe.stat().st_mtime - self.owner_path.stat().st_mtime
        except FileNotFoundError:
            return 0.0
        finally:
            probe.unlink(missing_ok=True)

    def _bury(self, found: bytes) -> bool:
        """Take the file of a dead owner away; return whether it was that one's."""
        grave = self.owner_path.with_name(f"{self.owner_path.name}.{self._id}")
        try:
            self.owner_path.rename(grave)
        except FileNotFoundError:
            return False
        is_right = _content(grave) == found
        if not is_right:
            # Somebody else was faster and lives; where it cannot be put back, that one notices.
            with suppress(OSError):
                os.link(grave, self.owner_path)
        grave.unlink(missing_ok=True)
        return is_right

    def _beat(self) -> None:
        while not self._ended.wait(self._stale_seconds / _BEATS):
            try:
                self.confirm()
            except LeaseLost:
                return
            except OSError:
                # Whoever writes next meets the same error and tells of it.
                continue

    def _document(self) -> bytes:
        owner = {
            "id": self._id,
            "host": self._host,
            "boot": self._boot_id,
            "locks": self._lock_file >= 0,
            "beats": self._beats,
        }
        return json.dumps(owner).encode() + b"\n"


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _parsed(content: bytes | None) -> dict[str, object]:
    with suppress(ValueError):
        document = json.loads(content or b"")
        if isinstance(document, dict):
            return document
    return {}


def _id_in(content: bytes | None) -> object:
    return _parsed(content).get("id")
