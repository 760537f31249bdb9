"""Which files a fetched model consists of, and how each is checked."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from genmodel_runtime.contract import CONTRACT

MANIFEST_NAME = ".genmodel-manifest.json"
"""Beside the files; its presence is the mark that all of them are there and verified."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of the commit as the Hub lists it.

    ``sha256`` is set for LFS files; the others are checked by ``blob_id``, git's own hash.
    """

    path: str
    size_bytes: int
    blob_id: str
    sha256: str | None = None

    @classmethod
    def from_tree(cls, entry: Mapping[str, object]) -> "RemoteFile":
        """Return the file of one tree entry; raises ``ValueError`` or ``KeyError`` where it is odd."""
        lfs = entry.get("lfs")
        path, blob_id = str(entry["path"]), str(entry["oid"])
        sha256 = str(lfs["oid"]) if isinstance(lfs, Mapping) else None
        size = lfs.get("size", entry["size"]) if isinstance(lfs, Mapping) else entry["size"]
        if not is_inside(path):
            raise ValueError(f"the path {path!r} leaves the model's folder")
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"{path}: {size!r} is not a size")
        _check_hex(path, blob_id, 40)
        if sha256 is not None:
            _check_hex(path, sha256, 64)
        return cls(path, size, blob_id, sha256)

    @property
    def digest(self) -> str:
        """The hash that the content must have: sha256 of LFS files, git blob id of the others."""
        return self.sha256 or self.blob_id


class Hasher:
    """Hashes a file's content as it arrives."""

    def __init__(self, file: RemoteFile) -> None:
        self._sha256 = hashlib.sha256()
        self._git = None
        if file.sha256 is None:
            self._git = hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)
        self._file = file

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._sha256.update(chunk)
        if self._git is not None:
            self._git.update(chunk)

    @property
    def sha256(self) -> str:
        """sha256 of what came so far, in hex."""
        return self._sha256.hexdigest()

    def matches(self) -> bool:
        """Whether what came is the file that the commit lists."""
        found = self.sha256 if self._git is None else self._git.hexdigest()
        return found == self._file.digest


@dataclass(frozen=True)
class StoredFile:
    """A verified file on the volume; ``mtime_ns`` tells cheaply whether it was touched since."""

    path: str
    size_bytes: int
    sha256: str
    mtime_ns: int


@dataclass(frozen=True)
class Manifest:
    """Everything on the volume for one commit; ``allow`` is what the operator allowed then."""

    repository: str
    commit: str
    allow: tuple[str, ...]
    files: tuple[StoredFile, ...]

    def encode(self) -> bytes:
        """Return the manifest as JSON."""
        files = [
            {"path": file.path, "sizeBytes": file.size_bytes, "sha256": file.sha256, "mtimeNs": file.mtime_ns}
            for file in self.files
        ]
        document = {
            "contract": CONTRACT,
            "repository": self.repository,
            "commit": self.commit,
            "allow": list(self.allow),
            "files": files,
        }
        return json.dumps(document, indent=1).encode() + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> "Manifest":
        """Return the manifest in ``text``; raises ``ValueError`` where it is damaged or another version's."""
        try:
            document = json.loads(text)
            if document["contract"] != CONTRACT:
                raise ValueError("another version of the contract")
            files = tuple(_stored(entry) for entry in document["files"])
            return cls(str(document["repository"]), str(document["commit"]), _strings(document["allow"]), files)
        except (KeyError, TypeError) as error:
            raise ValueError(f"damaged: {type(error).__name__}: {error}") from error


def is_inside(path: str) -> bool:
    """Return whether a repository's path stays in the folder that it is written to."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and "\0" not in path


def total_bytes(files: Iterable[RemoteFile]) -> int:
    """Return the sum of the files' sizes."""
    return sum(file.size_bytes for file in files)


def _stored(entry: Mapping[str, object]) -> StoredFile:
    path, size, sha256, mtime = entry["path"], entry["sizeBytes"], entry["sha256"], entry["mtimeNs"]
    if not (isinstance(path, str) and isinstance(size, int) and isinstance(sha256, str) and isinstance(mtime, int)):
        raise TypeError(f"{entry!r} is no file")
    if not is_inside(path):
        raise ValueError(f"the path {path!r} leaves the model's folder")
    return StoredFile(path, size, sha256, mtime)


def _strings(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _check_hex(path: str, text: str, length: int) -> None:
    if len(text) != length or any(c not in "0123456789abcdef" for c in text):
        raise ValueError(f"{path}: {text!r} is not a hash of {length} hex digits")
