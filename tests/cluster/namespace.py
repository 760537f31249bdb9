"""The network namespace that a whole cluster lives in."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.cluster.errors import ClusterError
from tests.cluster.processes import ProcessId

BRIDGE = "cni0"
NODE_ADDRESS = "10.244.0.1"
POD_RANGE = "10.244.0.0/24"
FAKE_POD_RANGE = "10.245.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"


class Namespace(Protocol):
    """A network namespace of a cluster's own."""

    def entering(self, args: list[str]) -> list[str]:
        """Return the command line that runs `args` inside."""

    def create(self) -> None:
        """Create the namespace with its bridge, its addresses and the route to the Services."""

    def processes(self) -> list[ProcessId]:
        """Return all processes that live in it, but for this one."""

    def delete(self) -> None:
        """Delete the namespace with all that is in it."""


@dataclass(frozen=True, slots=True)
class NetworkNamespace:
    """A named network namespace, `/run/netns/genmodel-<cluster>`; it needs root."""

    name: str

    @property
    def path(self) -> Path:
        """Return the file that holds the namespace."""
        return Path("/run/netns") / self.name

    def entering(self, args: list[str]) -> list[str]:
        """Return the command line that runs `args` inside.

        `ip netns exec` would also remount /sys, and then the kubelet finds no cgroups.
        """
        return ["nsenter", f"--net={self.path}", "--", *args]

    def create(self) -> None:
        """Create the namespace with its bridge, its addresses and the route to the Services."""
        run_command("ip", "netns", "add", self.name)
        furnish(self)

    def exists(self) -> bool:
        """Return whether the namespace is there."""
        return self.path.exists()

    def processes(self) -> list[ProcessId]:
        """Return all processes that live in it, but for this one."""
        return members(self.path) if self.exists() else []

    def delete(self) -> None:
        """Delete the namespace with all that is in it."""
        if self.exists():
            run_command("ip", "netns", "delete", self.name)


def furnish(namespace: Namespace) -> None:
    """Give a new namespace its bridge, its addresses and the route to the Services."""
    for command in (
        "ip link set lo up",
        f"ip link add {BRIDGE} type bridge",
        f"ip addr add {NODE_ADDRESS}/24 dev {BRIDGE}",
        f"ip link set {BRIDGE} up",
        # Without a route to the Services a connection fails before kube-proxy's rules see it.
        f"ip route add {SERVICE_RANGE} dev {BRIDGE}",
        "sysctl -qw net.ipv4.ip_forward=1",
    ):
        run_command(*namespace.entering(command.split()))


def members(namespace: Path) -> list[ProcessId]:
    """Return the processes that live in a network namespace, given by its file, but for this one."""
    inode = namespace.stat().st_ino
    found = (_member(entry, inode) for entry in Path("/proc").glob("[0-9]*"))
    return [one for one in found if one and one.pid != os.getpid()]


def _member(entry: Path, inode: int) -> ProcessId | None:
    try:
        if (entry / "ns/net").stat().st_ino == inode:
            return ProcessId.of(int(entry.name))
    except (OSError, ProcessLookupError):
        return None
    return None


def run_command(*args: str) -> None:
    """Run a command that sets the network up; ClusterError with what it says if it fails."""
    done = subprocess.run(args, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
