"""API keys: the files of a mounted Secret, kept as hashes and read again when they change.

Each entry of the Secret is one key; its name says whose. The key itself is never kept nor logged.
"""

import hashlib
import hmac
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from genmodel_runtime.console import say

_LOOK_SECONDS = 1.0
"""The kubelet takes up to a minute to bring a changed Secret; one more second is nothing."""
_MAX_KEY_BYTES = 4096
_Signature = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class ApiKeys:
    """The keys of one moment: their SHA-256 hashes, and the entries that can be no key."""

    hashes: tuple[bytes, ...] = ()
    unusable: tuple[str, ...] = ()

    def accept(self, key: str) -> bool:
        """Return whether ``key`` is one of ours; takes as long for every wrong key, and nothing fits no keys."""
        presented = _hash(key.encode("utf-8", "surrogateescape"))
        is_ours = False
        for known in self.hashes:
            is_ours |= hmac.compare_digest(known, presented)
        return is_ours

    def problem(self) -> str:
        """Return why nobody can be let in, empty where somebody can."""
        if self.hashes:
            return ""
        if not self.unusable:
            return "the Secret has no entries"
        names = ", ".join(self.unusable)
        return f"no entry of the Secret is a key ({names}): each is empty, too long or more than one word of ASCII"

    def document(self) -> dict[str, object]:
        """Return the ``access`` object of ``/status``."""
        return {"keys": len(self.hashes), "unusable": list(self.unusable), "problem": self.problem()}


class KeyFolder:
    """A folder of key files that may change at any time; it is looked at once a second at most.

    A folder that is not there holds no keys: nobody is let in. Use from one thread.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._signature: _Signature | None = None
        self._keys = ApiKeys()
        self._looked = float("-inf")

    def keys(self) -> ApiKeys:
        """Return the keys as they are now."""
        now = self._clock()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._look()
        return self._keys

    def _look(self) -> None:
        signature = _signature(self._path)
        if signature == self._signature:
            return
        keys = read_keys(self._path)
        # Files may have changed between the two looks; then the next look must see a change.
        self._signature = signature if signature == _signature(self._path) else None
        self._keys = keys
        say(f"guard: API keys: {len(keys.hashes)}; entries that are none: {', '.join(keys.unusable) or 'none'}")


def read_keys(folder: Path) -> ApiKeys:
    """Return the keys in a folder; one that cannot be read holds none."""
    hashes, unusable = [], []
    for path in sorted(_entries(folder)):
        key = _read(path)
        if key is None:
            unusable.append(path.name)
        else:
            hashes.append(_hash(key))
    return ApiKeys(tuple(hashes), tuple(unusable))


def _hash(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _entries(folder: Path) -> list[Path]:
    try:
        # The kubelet's own folders begin with two dots.
        return [path for path in folder.iterdir() if not path.name.startswith("..")]
    except OSError:
        return []


def _read(path: Path) -> bytes | None:
    """Return a file's key without the line end that editors leave, None where it is no key that can be sent."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_KEY_BYTES + 1)
    except OSError:
        return None
    key = text.strip()
    if len(text) > _MAX_KEY_BYTES or not all(0x21 <= byte <= 0x7E for byte in key):
        return None
    return key or None


def _signature(folder: Path) -> _Signature:
    found = []
    for path in _entries(folder):
        try:
            seen = os.stat(path)  # noqa: PTH116 - follows the kubelet's links
        except OSError:
            continue
        if stat.S_ISREG(seen.st_mode):
            found.append((path.name, seen.st_ino, seen.st_mtime_ns, seen.st_size))
    return tuple(sorted(found))
