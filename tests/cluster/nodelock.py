"""One real node at a time on a machine: its lock lives as long as the run's etcd, the last process to end."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder
from tests.cluster.locks import holder_note, open_lock, try_lock, write_holder_note
from tests.cluster.processes import ProcessId
from tests.cluster.progress import ticking
from tests.cluster.state import read_state

LOCK = Path("/run/lock/genmodel-real-node.lock")
WAIT_SECONDS = 3600.0


def take_node_lock(
    name: str, *, clean_dead: Callable[[], None], path: Path = LOCK, wait_seconds: float = WAIT_SECONDS
) -> int:
    """Return a descriptor that holds the machine's lock, to be inherited by the run's processes.

    Waits for another test's node, cleaning runs that died meanwhile; ClusterError at once where the node was left
    running on purpose.
    """
    descriptor = open_lock(path)
    try:
        if not try_lock(descriptor):
            with ticking(f"{name} waits for the real node of cluster {holder_note(descriptor)}"):
                _wait(descriptor, clean_dead=clean_dead, wait_seconds=wait_seconds)
        write_holder_note(descriptor, name)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _wait(descriptor: int, *, clean_dead: Callable[[], None], wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while not try_lock(descriptor):
        holder = holder_note(descriptor)
        _refuse_if_never_free(holder)
        if time.monotonic() > deadline:
            raise ClusterError(f"the real node of cluster {holder} is still in use")
        time.sleep(1)
        clean_dead()


def _refuse_if_never_free(holder: str) -> None:
    state = read_state(RunFolder.of(holder).state) if holder else None
    if state and state.owner is None:
        raise ClusterError(
            f"only one real node at a time, and cluster {holder} has it; "
            f"stop it first: python -m tests.cluster down --name {holder}"
        )
    if state and state.owner == ProcessId.of(os.getpid()):
        raise ClusterError(f"only one real node at a time, and this very process runs cluster {holder}")
