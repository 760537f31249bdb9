"""Ending a run: its processes in reverse order, its mounts, its namespace, its files; also of a run that died."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder, runs_folder
from tests.cluster.locks import file_lock, open_lock, try_lock
from tests.cluster.mounts import unmount_below
from tests.cluster.namespace import Namespace, NetworkNamespace
from tests.cluster.prerequisites import is_root
from tests.cluster.processes import end
from tests.cluster.progress import say
from tests.cluster.realnode import clean_node
from tests.cluster.rootless import UserNamespace
from tests.cluster.state import Started, read_state

KEPT_LOGS = 20
# What the control plane knows is thrown away with it, so it need not be asked to finish.
GRACE_SECONDS = {"kubelet": 5.0, "containerd": 5.0, "kube-proxy": 2.0}
GUEST_GRACE_SECONDS = 5.0


def namespace_of(folder: RunFolder) -> Namespace:
    """Return the network namespace of a run: a named one for root, one of a user's own otherwise."""
    return NetworkNamespace(f"genmodel-{folder.name}") if is_root() else UserNamespace(folder.root / "namespace.json")


def clean(folder: RunFolder, *, keep_logs: bool = True) -> None:
    """End a run and remove all that it left, save its logs where wished; does nothing where there is nothing."""
    state = read_state(folder.state)
    alive = state.alive() if state else []
    _end_together([one for one in alive if one.role == "guest"])
    for one in reversed(alive):
        end(one.process, grace_seconds=GRACE_SECONDS.get(one.name, 0.0))
    namespace = namespace_of(folder)
    for process in namespace.processes():
        end(process, grace_seconds=0)
    unmount_below(folder.root)
    if state and state.real_node:
        clean_node(folder, state)
    namespace.delete()
    _remove_files(folder, kept={folder.logs} if keep_logs else set())


def _end_together(guests: list[Started]) -> None:
    if guests:
        with ThreadPoolExecutor(max_workers=len(guests)) as threads:
            list(threads.map(lambda one: end(one.process, grace_seconds=GUEST_GRACE_SECONDS), guests))


def _remove_files(folder: RunFolder, *, kept: set[Path]) -> None:
    if not folder.root.exists():
        return
    for entry in folder.root.iterdir():
        # The state goes last, so that an interrupted cleaning is taken up again.
        if entry not in {*kept, folder.state}:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    folder.state.unlink(missing_ok=True)


def clean_abandoned(*, cache: Path | None = None) -> None:
    """Clean the runs that were killed, and keep only the newest logs of those that have ended."""
    folders = [RunFolder(name=path.name, root=path) for path in runs_folder(cache).iterdir() if path.is_dir()]
    for folder in folders:
        with _unless_busy(folder) as free:
            if free and (state := read_state(folder.state)) and state.is_abandoned():
                _clean_what_can_be(folder)
    for folder in newest_first([folder for folder in folders if not folder.state.exists()])[KEPT_LOGS:]:
        with _unless_busy(folder) as free:
            if free and not folder.state.exists():
                if folder.root.exists():
                    shutil.rmtree(folder.root)
                folder.lock.unlink(missing_ok=True)


def newest_first(folders: list[RunFolder]) -> list[RunFolder]:
    """Return the newest first; several processes clean at once, so a folder may be gone by now."""
    found: list[tuple[float, RunFolder]] = []
    for folder in folders:
        with suppress(FileNotFoundError):
            found.append((folder.root.stat().st_mtime, folder))
    return [folder for _, folder in sorted(found, key=lambda one: one[0], reverse=True)]


@contextmanager
def _unless_busy(folder: RunFolder) -> Iterator[bool]:
    """Hold the run's lock if it is free; whoever holds it is starting or stopping this very run."""
    descriptor = open_lock(folder.lock)
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)


def _clean_what_can_be(folder: RunFolder) -> None:
    say(f"cleaning what is left of {folder.name}, which was killed")
    try:
        clean(folder)
    except ClusterError as error:
        # Somebody else's leftovers must not stop a cluster that can do without.
        say(f"could not clean {folder.name}: {error}")


def stop_run(folder: RunFolder) -> None:
    """Stop a run from any process."""
    with file_lock(folder.lock, what=f"stopping {folder.name}", timeout_seconds=300):
        clean(folder)
