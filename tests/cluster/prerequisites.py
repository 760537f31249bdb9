"""Debian packages that the cluster needs; what is missing is installed."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.progress import say, ticking

CONTROL_PLANE = {"ip": "iproute2", "nsenter": "util-linux", "sysctl": "procps"}
REAL_NODE = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "mount": "mount",
}
IMAGES = {"mmdebstrap": "mmdebstrap", "buildah": "buildah"}
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
CNI_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
CNI_PACKAGE = "containernetworking-plugins"


def is_root() -> bool:
    """Return whether this process may make network namespaces and mounts."""
    return os.geteuid() == 0


def is_debian() -> bool:
    """Return whether apt-get and Debian's package names can be counted on."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return "debian" in {release.get("ID", ""), *release.get("ID_LIKE", "").split()} and bool(shutil.which("apt-get"))


def cni_folder() -> Path | None:
    """Return the folder with the CNI plugins that the node needs."""
    for folder in CNI_FOLDERS:
        if all((folder / plugin).exists() for plugin in CNI_PLUGINS):
            return folder
    return None


def missing_packages(commands: Mapping[str, str], *, cni: bool = False) -> list[str]:
    """Return the Debian packages of those commands that are not on PATH."""
    missing = {package for command, package in commands.items() if not shutil.which(command)}
    if cni and cni_folder() is None:
        missing.add(CNI_PACKAGE)
    return sorted(missing)


def ensure_prerequisites(*, real_node: bool = False, images: bool = False) -> None:
    """Install the packages that are missing; ClusterError where that cannot be done."""
    commands = {**CONTROL_PLANE, **(REAL_NODE if real_node else {}), **(IMAGES if images else {})}
    missing = missing_packages(commands, cni=real_node)
    if real_node and not is_root():
        raise ClusterError("a real node needs root: it makes mounts, control groups and firewall rules of its own")
    install_packages(missing)


def ensure_commands(commands: Mapping[str, str]) -> None:
    """Install the packages of those commands (command to Debian package) that are not on PATH."""
    install_packages(missing_packages(commands))


def install_packages(packages: list[str]) -> None:
    """Install Debian packages, if any, with progress; ClusterError where that cannot be done."""
    listed = " ".join(packages)
    if not packages:
        return
    if not is_root():
        raise ClusterError(f"install these first, or run as root: {listed}")
    if not is_debian():
        raise ClusterError(f"install these first, this system is not Debian or Ubuntu: {listed}")
    say(f"installing Debian packages that are missing: {listed}")
    with ticking("apt-get"):
        if _apt("install", *packages).returncode:
            # The package lists may be old or, in a slim image, absent.
            _apt("update")
            done = _apt("install", *packages)
            if done.returncode:
                raise ClusterError(f"apt-get install {listed} failed:\n{done.stderr.strip()}")


def _apt(verb: str, *packages: str) -> subprocess.CompletedProcess[str]:
    options = ["-y", "-q", "--no-install-recommends"] if verb == "install" else ["-q"]
    return subprocess.run(
        ["apt-get", verb, *options, *packages],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
