"""What the local Hub holds: repositories, commits, blobs and tokens."""

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

LFS_SUFFIXES = (".safetensors", ".bin", ".gguf")
LFS_THRESHOLD_BYTES = 100_000
_HASH_CHUNK_BYTES = 1 << 20


class Blob:
    """Content of a file, in memory or on disk."""

    def __init__(self, content: bytes | Path) -> None:
        self._content = content
        self.size = len(content) if isinstance(content, bytes) else content.stat().st_size

    def read(self, begin: int = 0, end: int | None = None) -> bytes:
        end = self.size if end is None else end
        if isinstance(self._content, bytes):
            return self._content[begin:end]
        with self._content.open("rb") as file:
            file.seek(begin)
            return file.read(end - begin)

    @cached_property
    def hashes(self) -> tuple[str, str]:
        """The git blob id and the sha256."""
        git = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        plain = hashlib.sha256()
        for begin in range(0, self.size, _HASH_CHUNK_BYTES):
            chunk = self.read(begin, min(begin + _HASH_CHUNK_BYTES, self.size))
            git.update(chunk)
            plain.update(chunk)
        return git.hexdigest(), plain.hexdigest()

    @property
    def git_id(self) -> str:
        return self.hashes[0]

    @property
    def sha256(self) -> str:
        return self.hashes[1]


class HollowBlob(Blob):
    """A huge file of which only the beginning was made; the rest reads as zeros.

    Its hashes are those of its beginning and its size: nobody can fetch it to check them.
    """

    def __init__(self, head: bytes, size: int) -> None:
        super().__init__(head)
        self._head = head
        self.size = size

    def read(self, begin: int = 0, end: int | None = None) -> bytes:
        end = self.size if end is None else end
        return self._head[begin:end].ljust(end - begin, b"\0")

    @cached_property
    def hashes(self) -> tuple[str, str]:
        named = b"%d\0%s" % (self.size, self._head)
        return hashlib.sha1(named, usedforsecurity=False).hexdigest(), hashlib.sha256(named).hexdigest()


@dataclass(frozen=True)
class Commit:
    """One commit: its files by path."""

    files: Mapping[str, Blob]
    title: str = "Add files"

    @cached_property
    def sha(self) -> str:
        listing = "".join(f"{path}\0{blob.git_id}\n" for path, blob in sorted(self.files.items()))
        return hashlib.sha1(f"{self.title}\n{listing}".encode(), usedforsecurity=False).hexdigest()

    def json(self, path: str) -> Any:
        """A parsed JSON file, an empty object where it is absent or not JSON."""
        try:
            return json.loads(self.files[path].read())
        except (KeyError, ValueError):
            return {}


@dataclass
class Repository:
    """A model repository. ``refs`` map branches and tags to commits."""

    id: str
    commits: list[Commit]
    refs: dict[str, str] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    private: bool = False
    gated: str | bool = False
    disabled: bool = False
    pipeline_tag: str | None = None
    license: str | None = "apache-2.0"
    library_name: str = "transformers"
    downloads: int = 0
    likes: int = 0

    def __post_init__(self) -> None:
        self.refs.setdefault("main", self.commits[-1].sha)
        self.refs.setdefault("v1.0", self.commits[0].sha)
        self.tags.add("v1.0")

    def commit_at(self, revision: str) -> Commit | None:
        """The commit of a branch, a tag, a full or a shortened commit id."""
        sha = self.refs.get(revision, self.refs.get(revision.removeprefix("refs/heads/"), revision))
        if len(sha) < 7:
            return None
        return next((commit for commit in self.commits if commit.sha.startswith(sha)), None)


@dataclass(frozen=True)
class Access:
    """What a token may see."""

    gated: bool = False
    private: bool = False


class HubStore:
    """Everything that the server serves; changed by tests while it runs."""

    def __init__(self, repositories: Iterable[Repository], tokens: Mapping[str, Access] | None = None) -> None:
        self._lock = threading.Lock()
        self._repositories = {repository.id: repository for repository in repositories}
        self._tokens = dict(tokens or {})

    def all(self) -> list[Repository]:
        with self._lock:
            return list(self._repositories.values())

    def get(self, repository: str) -> Repository | None:
        with self._lock:
            return self._repositories.get(repository)

    def add(self, repository: Repository) -> None:
        with self._lock:
            self._repositories[repository.id] = repository

    def move(self, repository: str, revision: str, branch: str = "main") -> str:
        """Let a branch point at another commit; returns the commit."""
        with self._lock:
            found = self._repositories[repository]
            commit = found.commit_at(revision)
            if commit is None:
                raise KeyError(revision)
            found.refs[branch] = commit.sha
            return commit.sha

    def commit(self, repository: str, files: Mapping[str, str], branch: str = "main") -> str:
        """Add a commit to a branch, with these texts by path in place of what was there; returns the commit."""
        with self._lock:
            found = self._repositories[repository]
            head = found.commit_at(branch)
            if head is None:
                raise KeyError(branch)
            changed = {path: Blob(text.encode()) for path, text in files.items()}
            commit = Commit({**head.files, **changed}, title=f"Change {', '.join(sorted(files))}")
            found.commits.append(commit)
            found.refs[branch] = commit.sha
            return commit.sha

    def access_of(self, token: str) -> Access | None:
        with self._lock:
            return self._tokens.get(token)

    def set_token(self, token: str, access: Access | None) -> None:
        """Add a token, or remove it."""
        with self._lock:
            if access is None:
                self._tokens.pop(token, None)
            else:
                self._tokens[token] = access

    def blob_by_sha256(self, repository: str, sha256: str) -> Blob | None:
        found = self.get(repository)
        blobs = (blob for commit in (found.commits if found else []) for blob in commit.files.values())
        return next((blob for blob in blobs if blob.sha256 == sha256), None)


def is_lfs(path: str, blob: Blob) -> bool:
    return path.endswith(LFS_SUFFIXES) or blob.size > LFS_THRESHOLD_BYTES


def repository_from_directory(repository: str, directory: Path, **properties: Any) -> Repository:
    """One commit with all files of a directory, read from disk when they are asked for."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and ".git" not in path.parts)
    files = {path.relative_to(directory).as_posix(): Blob(path) for path in paths}
    return Repository(repository, [Commit(files)], **properties)
