"""Noticing that a component has died, and saying what its log ends with."""

from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder
from tests.cluster.state import RunState, read_state

LOG_LINES = 15


def running_state(folder: RunFolder) -> RunState:
    """Return the state of a run; ClusterError when it does not run."""
    state = read_state(folder.state)
    if state is None:
        raise ClusterError(f"cluster {folder.name} does not run")
    return state


def check(folder: RunFolder) -> None:
    """Raise ClusterError with the end of its log if a component has died."""
    for one in running_state(folder).started:
        if one.role != "guest" and not one.process.is_alive():
            raise ClusterError(f"{one.name} of cluster {folder.name} has died\n{log_end(folder, one.name)}")


def log_end(folder: RunFolder, component: str) -> str:
    """Return the last lines of a component's log, under the name of its file."""
    path = folder.log(component)
    text = path.read_text(errors="replace") if path.exists() else ""
    return "\n".join([f"{path} ends with:", *text.splitlines()[-LOG_LINES:]])
