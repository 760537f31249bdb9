"""A model's folder on a volume that its user filled: which files are served, what their headers say, and one digest.

Nothing is written. The digest is over names and sizes, the headers of the weights and the whole content of
all other files that the engine reads; the bytes of tensors are not read.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genmodel_runtime.console import say
from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.headers import LENGTH_BYTES, InvalidHeader, check_header, header_length
from genmodel_runtime.selection import WEIGHT_INDEX, indexed_shards, wanted_paths
from genmodel_runtime.termination import Failure

DIGEST_DIGITS = 40
"""As many as a commit has."""
MOST_FILES = 10_000
WEIGHTS_SUFFIX = ".safetensors"
_READ_BYTES = 4 * 1024 * 1024
_DOCUMENT_LIMIT_BYTES = 64 * 1024 * 1024


class SourceBroken(Exception):
    """The folder cannot be served from; ``failure`` says why and with which exit code."""

    def __init__(self, reason: RuntimeReason, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.failure = Failure(reason, message, ExitCode.NEEDS_A_PERSON, hint)


@dataclass(frozen=True)
class SourceFolder:
    """One model's folder.

    Attributes:
        folder: where it is.
        sizes: bytes of all files, hidden ones left out, by path.
        wanted: the files that are served, sorted.
        index: the parsed index of the weights; None where there is none.
    """

    folder: Path
    sizes: Mapping[str, int]
    wanted: Sequence[str]
    index: Any | None

    @property
    def weights(self) -> list[str]:
        """The weight files among the wanted ones."""
        return [path for path in self.wanted if path.endswith(WEIGHTS_SUFFIX)]

    def document(self, path: str) -> Any:
        """Return a parsed JSON file; raises ``SourceBroken``."""
        return read_document(self.folder / path, path, self.sizes[path])

    def raw_header(self, path: str) -> bytes:
        """Return the JSON text of a weight file's header; raises ``SourceBroken``."""
        size_bytes = self.sizes[path]
        with _errors(path), (self.folder / path).open("rb") as stream:
            try:
                length = header_length(stream.read(LENGTH_BYTES), size_bytes)
            except InvalidHeader as error:
                raise _invalid(path, str(error)) from error
            return stream.read(length)

    def header(self, path: str) -> dict[str, Any]:
        """Return a weight file's header, checked against the file's size; raises ``SourceBroken``."""
        raw = self.raw_header(path)
        try:
            parsed = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise _invalid(path, "its header is not JSON") from error
        try:
            return check_header(parsed, header_bytes=len(raw), file_bytes=self.sizes[path])
        except InvalidHeader as error:
            raise _invalid(path, str(error)) from error

    def digest(self) -> str:
        """Return the digest of what is served, 40 hex digits; raises ``SourceBroken``."""
        found = hashlib.sha256()
        for path in self.wanted:
            found.update(json.dumps([path, self.sizes[path]]).encode())
            found.update(self._content_hash(path))
        return found.hexdigest()[:DIGEST_DIGITS]

    def _content_hash(self, path: str) -> bytes:
        if path.endswith(WEIGHTS_SUFFIX):
            return hashlib.sha256(self.raw_header(path)).digest()
        found = hashlib.sha256()
        with _errors(path), (self.folder / path).open("rb") as stream:
            while chunk := stream.read(_READ_BYTES):
                found.update(chunk)
        return found.digest()


def open_source(folder: Path, *, name: str) -> SourceFolder:
    """Return what is in a folder, which messages call ``name``; raises ``SourceBroken``."""
    sizes = _sizes(folder, name)
    index = None
    if WEIGHT_INDEX in sizes:
        index = read_document(folder / WEIGHT_INDEX, WEIGHT_INDEX, sizes[WEIGHT_INDEX])
    wanted = wanted_paths(list(sizes), index=index)
    if missing := sorted(indexed_shards(index) - set(sizes)):
        raise _invalid(WEIGHT_INDEX, f"it names {missing[0]}, which is not in the folder")
    root = folder.resolve()
    for path in wanted:
        # A link of the Hub's cache leads out of what pods mount.
        if not (folder / path).resolve().is_relative_to(root):
            detail = "it is a link that leads out of the folder"
            raise _invalid(path, detail, "put the files themselves there, as hf download --local-dir does")
    return SourceFolder(folder, sizes, wanted, index)


def check_source(folder: Path, digest: str) -> Failure | None:
    """Return why what is mounted is not what was inspected, None where it is."""
    try:
        found = open_source(folder, name="the model's folder on the claim").digest()
    except SourceBroken as error:
        return error.failure
    if found != digest:
        message = (
            f"the model's files on the claim are not those that were inspected: their digest is {found[:10]}, "
            f"not {digest[:10]}"
        )
        return Failure(RuntimeReason.SOURCE_CHANGED, message, ExitCode.NEEDS_A_PERSON)
    say(f"the files on the claim are those that were inspected: {digest}")
    return None


def read_document(file: Path, path: str, size_bytes: int) -> Any:
    """Return a parsed JSON file, which messages call ``path``; raises ``SourceBroken``."""
    if size_bytes > _DOCUMENT_LIMIT_BYTES:
        raise _invalid(path, f"it has {size_bytes} bytes, more than any such file")
    with _errors(path):
        raw = file.read_bytes()
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _invalid(path, "it is not JSON") from error


def _sizes(folder: Path, name: str) -> dict[str, int]:
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise SourceBroken(RuntimeReason.SOURCE_EMPTY, f"{name} {what}")
    sizes: dict[str, int] = {}
    for path in _paths(folder):
        with _errors(path):
            if (folder / path).is_file():
                sizes[path] = (folder / path).stat().st_size
        if len(sizes) > MOST_FILES:
            message = f"{name} has more than {MOST_FILES} files"
            raise SourceBroken(RuntimeReason.SOURCE_INVALID, message, "name the model's own folder in path")
    if not sizes:
        raise SourceBroken(RuntimeReason.SOURCE_EMPTY, f"{name} holds no files")
    return sizes


def _paths(folder: Path) -> Iterator[str]:
    """Yield all files below a folder; hidden ones hold nothing of the model."""

    def refuse(error: OSError) -> None:
        raise _unreadable(str(error.filename or folder), error) from error

    for current, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "lost+found")
        for name in sorted(names):
            if not name.startswith("."):
                yield (Path(current) / name).relative_to(folder).as_posix()


@contextmanager
def _errors(path: str) -> Iterator[None]:
    """Turn every error of the file system inside the block into ``SourceBroken`` that names the file."""
    try:
        yield
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> SourceBroken:
    message = f"user {os.getuid()}, group {os.getgid()} cannot read {path}: {error.strerror or error}"
    hint = "make the files readable for everybody: chmod -R a+rX" if isinstance(error, PermissionError) else ""
    return SourceBroken(RuntimeReason.SOURCE_INVALID, message, hint)


def _invalid(path: str, detail: str, hint: str = "") -> SourceBroken:
    return SourceBroken(RuntimeReason.SOURCE_INVALID, f"{path}: {detail}", hint)
