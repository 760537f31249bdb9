"""A cluster's way out: slirp4netns carries its traffic, and a name server answers its pods. Needs root.

Without it a cluster is cut off by construction. No rule and no interface is added on the machine: slirp4netns speaks
for the cluster as a program of the machine does.
"""

import os
import select
import sys
from collections.abc import Callable

from tests.cluster import nameserver
from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder
from tests.cluster.launcher import Launcher
from tests.cluster.namespace import NODE_ADDRESS, Namespace, NetworkNamespace
from tests.cluster.prerequisites import ensure_commands
from tests.cluster.state import read_state
from tests.cluster.supervision import log_end

SLIRP, NAMES = "slirp4netns", "nameserver"
DEVICE = "tap0"
LOOPBACK_ADDRESS = "10.0.2.2"
"""Where slirp4netns shows the machine's own loopback, if it may."""
READY_SECONDS = 20.0
NAME_PORT = 53


def open_uplink(folder: RunFolder, launcher: Launcher, namespace: Namespace, *, host_loopback: bool) -> None:
    """Open the way out, unless it is open; `host_loopback` also shows the servers on the machine's own loopback.

    ClusterError where it does not come up, or is open without the loopback that is asked for now.
    """
    if not isinstance(namespace, NetworkNamespace):
        raise ClusterError("a cluster's way out needs root")
    ensure_commands({SLIRP: SLIRP})
    running = _running(folder)
    loopback = LOOPBACK_ADDRESS if host_loopback else ""
    if running.get(SLIRP, loopback) != loopback and host_loopback:
        raise ClusterError(f"cluster {folder.name} has a way out already, but not to this machine's loopback; stop it")
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if SLIRP not in running:
            _start(folder, launcher, SLIRP, lambda ready: _slirp(namespace, own, ready, loopback), own, loopback)
        if NAMES not in running:
            known = running.get(SLIRP, loopback)
            _start(folder, launcher, NAMES, lambda ready: _names(own, ready, known), own, known)
    finally:
        os.close(own)


def _running(folder: RunFolder) -> dict[str, str]:
    """Return the parts of the way out that run, with the address by which they show the machine's loopback."""
    state = read_state(folder.state)
    alive = state.alive() if state else []
    return {one.name: one.target for one in alive if one.name in (SLIRP, NAMES)}


def _slirp(namespace: NetworkNamespace, own: int, ready: int, loopback: str) -> list[str]:
    # Everything is started inside; slirp4netns opens its connections where it runs, so it goes back out first.
    args = ["nsenter", f"--net=/proc/self/fd/{own}", "--", SLIRP, "--configure", f"--ready-fd={ready}"]
    hidden = [] if loopback else ["--disable-host-loopback"]
    return [*args, *hidden, "--netns-type=path", str(namespace.path), DEVICE]


def _names(own: int, ready: int, loopback: str) -> list[str]:
    script = [sys.executable, "-I", nameserver.__file__]
    return [*script, NODE_ADDRESS, str(NAME_PORT), str(own), str(ready), loopback]


def _start(
    folder: RunFolder, launcher: Launcher, name: str, command: Callable[[int], list[str]], own: int, target: str
) -> None:
    """Start a part and wait until it says that it works."""
    reader, writer = os.pipe()
    try:
        try:
            inherited = [own, writer]
            child = launcher.popen(command(writer), name=name, target=target, log=folder.log(name), pass_fds=inherited)
        finally:
            os.close(writer)
        # Where the part ends instead, its end of the pipe closes and nothing is read.
        readable, _, _ = select.select([reader], [], [], READY_SECONDS)
        if not (readable and os.read(reader, 1)):
            child.kill()
            child.wait()
            raise ClusterError(f"the way out of cluster {folder.name} did not open\n{log_end(folder, name)}")
    finally:
        os.close(reader)
