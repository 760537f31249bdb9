"""The network namespace that a whole cluster lives in."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.processes import ProcessId

BRIDGE = "cni0"
NODE_ADDRESS = "10.244.0.1"
POD_RANGE = "10.244.0.0/24"
FAKE_POD_RANGE = "10.245.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"


@dataclass(frozen=True, slots=True)
class NetworkNamespace:
    """A named network namespace, `/run/netns/genmodel-<cluster>`."""

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
        _ip("netns", "add", self.name)
        for command in (
            f"link set lo up|link add {BRIDGE} type bridge|addr add {NODE_ADDRESS}/24 dev {BRIDGE}|"
            # Without a route to the Services a connection fails before kube-proxy's rules see it.
            f"link set {BRIDGE} up|route add {SERVICE_RANGE} dev {BRIDGE}"
        ).split("|"):
            _ip("-n", self.name, *command.split())
        subprocess.run(self.entering(["sysctl", "-qw", "net.ipv4.ip_forward=1"]), check=True, capture_output=True)

    def exists(self) -> bool:
        """Return whether the namespace is there."""
        return self.path.exists()

    def processes(self) -> list[ProcessId]:
        """Return all processes that live in it."""
        if not self.exists():
            return []
        inode = self.path.stat().st_ino
        return [found for entry in Path("/proc").glob("[0-9]*") if (found := _member(entry, inode))]

    def delete(self) -> None:
        """Delete the namespace with all that is in it."""
        if self.exists():
            _ip("netns", "delete", self.name)


def _member(entry: Path, inode: int) -> ProcessId | None:
    try:
        if (entry / "ns/net").stat().st_ino == inode:
            return ProcessId.of(int(entry.name))
    except (OSError, ProcessLookupError):
        return None
    return None


def _ip(*args: str) -> None:
    done = subprocess.run(["ip", *args], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False)
    if done.returncode:
        raise ClusterError(f"ip {' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
