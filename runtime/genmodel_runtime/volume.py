"""The volume that holds a model: layout, locks, free space, and what its errors mean."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from genmodel_runtime.console import say
from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.lease import STALE_SECONDS, Lease
from genmodel_runtime.manifest import MANIFEST_NAME, Manifest, RemoteFile, StoredFile
from genmodel_runtime.partial import JOURNAL_SUFFIX, Partial, journal_of
from genmodel_runtime.settings import PrepareSettings
from genmodel_runtime.termination import Failure

_READ_BYTES = 4 * 1024 * 1024
_PARTIAL = ".partial"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class VolumeBroken(Exception):
    """The volume cannot be used; ``failure`` says why and with which exit code."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Volume:
    """One commit's place on a volume that may hold others.

    ``<models>/<commit>/`` has verified files only, ``<models>/.partial/<commit>/`` what is on its
    way. Files are readable by everybody: the server runs as another user than whoever fetched.
    ``has_locks`` False: as on a file system whose locks do not reach other nodes.
    """

    def __init__(
        self, models_dir: Path, commit: str, *, stale_seconds: float = STALE_SECONDS, has_locks: bool = True
    ) -> None:
        self.models_dir = models_dir
        self._stale_seconds, self._has_locks = stale_seconds, has_locks
        self.model_dir = models_dir / commit
        self._partials = models_dir / _PARTIAL
        self._partial_dir = self._partials / commit

    def create(self) -> None:
        """Make the folders; raises ``VolumeBroken``."""
        with volume_errors(self.models_dir):
            self.model_dir.mkdir(parents=True, exist_ok=True)
            self._partial_dir.mkdir(parents=True, exist_ok=True)

    def lease(self) -> Lease:
        """Return the commit's lease, not taken yet; see ``lease.Lease``."""
        return Lease(self._partial_dir, stale_seconds=self._stale_seconds, has_locks=self._has_locks)

    @contextmanager
    def try_lock(self) -> Iterator[bool]:
        """Hold the commit's lease inside the block; yields whether it was free."""
        lease = self.lease()
        with volume_errors(self.models_dir):
            is_free = lease.try_take()
        try:
            yield is_free
        finally:
            lease.release()

    def read_manifest(self) -> Manifest | None:
        """Return the manifest of a complete model, None where there is none that can be read."""
        try:
            return Manifest.decode((self.model_dir / MANIFEST_NAME).read_bytes())
        except (OSError, ValueError):
            return None

    def write_manifest(self, manifest: Manifest) -> None:
        """Mark the model as complete, atomically; raises ``VolumeBroken``."""
        new = self._partial_dir / MANIFEST_NAME
        with volume_errors(self.models_dir):
            with new.open("wb") as stream:
                stream.write(manifest.encode())
                stream.flush()
                os.fsync(stream.fileno())
            new.chmod(0o644)
            new.replace(self.model_dir / MANIFEST_NAME)
            _sync_folder(self.model_dir)

    def forget_manifest(self) -> None:
        """Take the mark of completeness away; raises ``VolumeBroken``."""
        with volume_errors(self.models_dir):
            (self.model_dir / MANIFEST_NAME).unlink(missing_ok=True)

    def is_untouched(self, file: StoredFile) -> bool:
        """Return whether a file of the manifest is still as it was verified.

        Size and time of change decide; a file with another time is read and hashed.
        """
        path = self.model_dir / file.path
        try:
            found = path.lstat()
            if not path.is_file() or path.is_symlink() or found.st_size != file.size_bytes:
                return False
            return found.st_mtime_ns == file.mtime_ns or _sha256_of(path) == file.sha256
        except OSError:
            return False

    def partial_path(self, file: RemoteFile) -> Path:
        """Return where the file's bytes are collected; the same after every restart."""
        # Two files of one commit may have the same content and must not share their place.
        name = hashlib.sha256(file.path.encode()).hexdigest()[:8]
        return self._partial_dir / f"{file.digest}-{name}"

    def final_path(self, file: RemoteFile) -> Path:
        """Return where the verified file is served from."""
        return self.model_dir / file.path

    def partial(self, file: RemoteFile, *, piece_bytes: int) -> Partial:
        """Return the file's pieces, neither loaded nor opened."""
        return Partial(self.partial_path(file), size_bytes=file.size_bytes, piece_bytes=piece_bytes)

    def take_back(self, file: RemoteFile) -> None:
        """Treat a file that was placed like one on its way: without a manifest nobody vouches for it."""
        final, partial = self.final_path(file), self.partial_path(file)
        with volume_errors(self.models_dir):
            if final.is_file() and not final.is_symlink():
                journal_of(partial).unlink(missing_ok=True)
                final.replace(partial)

    def place(self, file: RemoteFile, *, sha256: str) -> StoredFile:
        """Move a verified file to its final path; raises ``VolumeBroken``."""
        partial, final = self.partial_path(file), self.final_path(file)
        with volume_errors(self.models_dir):
            partial.chmod(0o644)
            final.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(final)
            journal_of(partial).unlink(missing_ok=True)
            return StoredFile(file.path, file.size_bytes, sha256, final.stat().st_mtime_ns)

    def present_bytes(self, files: Sequence[RemoteFile]) -> int:
        """Return how much of the space for these files they take on the volume already."""
        with volume_errors(self.models_dir):
            return sum(
                min(file.size_bytes, max(_space(self.final_path(file)), _space(self.partial_path(file))))
                for file in files
            )

    def taken_bytes(self) -> int:
        """Return how much this commit's files take, finished or on their way, whoever brings them."""
        found = 0
        for folder in (self.model_dir, self._partial_dir):
            for parent, _, names in os.walk(folder):
                found += sum(_space(Path(parent, name)) for name in names if not name.endswith(JOURNAL_SUFFIX))
        return found

    def check_space(self, needed_bytes: int) -> None:
        """Raise ``VolumeBroken`` where less is free than is still needed."""
        with volume_errors(self.models_dir):
            free_bytes = shutil.disk_usage(self.models_dir).free
        if needed_bytes > free_bytes:
            raise VolumeBroken(
                _full(
                    f"the volume {self.models_dir} is too small: {_gib(needed_bytes)} are needed, "
                    f"{_gib(free_bytes)} are free"
                )
            )

    def remove_partials(self) -> None:
        """Remove this commit's partial files; only for the holder of the lock."""
        shutil.rmtree(self._partial_dir, ignore_errors=True)

    def remove_stale(self) -> None:
        """Remove partial files of other commits that nobody fetches; they only take space."""
        with volume_errors(self.models_dir):
            for folder in self._partials.iterdir():
                if folder.is_dir() and folder != self._partial_dir:
                    other = Volume(self.models_dir, folder.name)
                    with other.try_lock() as is_free:
                        if is_free:
                            other.remove_partials()


def is_complete(volume: Volume, settings: PrepareSettings) -> bool:
    """Return whether the volume holds all verified files, without asking the Hub or writing."""
    manifest = volume.read_manifest()
    if manifest is None or manifest.commit != settings.commit or manifest.allow != settings.allow:
        return False
    changed = [file.path for file in manifest.files if not volume.is_untouched(file)]
    if changed:
        say(f"{len(changed)} files changed since they were verified, such as {changed[0]}")
    return not changed


@contextmanager
def volume_errors(volume: Path) -> Iterator[None]:
    """Turn every error of the file system inside the block into ``VolumeBroken``."""
    try:
        yield
    except OSError as error:
        detail = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
        if error.errno in _FULL:
            raise VolumeBroken(_full(f"the volume {volume} is full: {detail}")) from error
        message = f"user {os.getuid()}, group {os.getgid()} cannot write to the volume {volume}: {detail}"
        failure = Failure(RuntimeReason.VOLUME_NOT_WRITABLE, message, ExitCode.NEEDS_A_PERSON)
        raise VolumeBroken(failure) from error


def _full(message: str) -> Failure:
    return Failure(RuntimeReason.VOLUME_FULL, message, ExitCode.NO_SPACE)


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _space(path: Path) -> int:
    """Return what a file takes on its volume; a partial one has holes."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    return min(found.st_size, found.st_blocks * 512)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.2f} GiB"
