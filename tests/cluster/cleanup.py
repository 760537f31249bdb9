"""Ending a run: its processes in reverse order, its mounts, its namespace, its files; also of a run that died."""

import os
import shutil
import time
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder, runs_folder
from tests.cluster.locks import file_lock, open_lock, try_lock
from tests.cluster.mounts import unmount_below
from tests.cluster.namespace import NetworkNamespace
from tests.cluster.processes import end
from tests.cluster.progress import say
from tests.cluster.realnode import clean_node
from tests.cluster.state import RunState, Started, read_state

KEPT_LOGS_DAYS = 3
# What the control plane knows is thrown away with it, so it need not be asked to finish.
GRACE_SECONDS = {"kubelet": 5.0, "containerd": 5.0, "kube-proxy": 2.0}
GUEST_GRACE_SECONDS = 5.0


def namespace_of(folder: RunFolder) -> NetworkNamespace:
    """Return the network namespace of a run."""
    return NetworkNamespace(f"genmodel-{folder.name}")


def clean(folder: RunFolder, *, keep_logs: bool = True) -> None:
    """End a run and remove all that it left, save its logs where wished; does nothing where there is nothing."""
    state = read_state(folder.state)
    for one in reversed(state.alive() if state else []):
        end(one.process, grace_seconds=_grace_seconds(one))
    namespace = namespace_of(folder)
    for process in namespace.processes():
        end(process, grace_seconds=0)
    unmount_below(folder.root)
    if state and state.real_node:
        clean_node(folder, state)
    namespace.delete()
    _remove_files(folder, kept={folder.logs} if keep_logs else set())


def _grace_seconds(one: Started) -> float:
    return GUEST_GRACE_SECONDS if one.role == "guest" else GRACE_SECONDS.get(one.name, 0.0)


def _remove_files(folder: RunFolder, *, kept: set[Path]) -> None:
    if not folder.root.exists():
        return
    for entry in folder.root.iterdir():
        # The state goes last, so that an interrupted cleaning is taken up again.
        if entry not in {*kept, folder.state}:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    folder.state.unlink(missing_ok=True)


def clean_abandoned(*, cache: Path | None = None) -> None:
    """Clean the runs that were killed, and the logs of runs long gone."""
    for path in runs_folder(cache).iterdir():
        if path.is_dir():
            _clean_if_abandoned(RunFolder(name=path.name, root=path))


def _clean_if_abandoned(folder: RunFolder) -> None:
    descriptor = open_lock(folder.lock)
    try:
        # Whoever holds the lock is starting or stopping this very run.
        if try_lock(descriptor):
            _clean_or_forget(folder, read_state(folder.state))
    finally:
        os.close(descriptor)


def _clean_or_forget(folder: RunFolder, state: RunState | None) -> None:
    if state and state.is_abandoned():
        say(f"cleaning what is left of {folder.name}, which was killed")
        try:
            clean(folder)
        except ClusterError as error:
            # Somebody else's leftovers must not stop a cluster that can do without.
            say(f"could not clean {folder.name}: {error}")
    elif state is None and folder.root.stat().st_mtime < time.time() - KEPT_LOGS_DAYS * 86400:
        shutil.rmtree(folder.root)
        folder.lock.unlink(missing_ok=True)


def stop_run(folder: RunFolder) -> None:
    """Stop a run from any process."""
    with file_lock(folder.lock, what=f"stopping {folder.name}", timeout_seconds=300):
        clean(folder)
