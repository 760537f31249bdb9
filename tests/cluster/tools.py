"""The programs that the cluster needs: names, versions that fit, and where the project's own build has them."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

VERSION_SECONDS = 10.0
Package = Literal["kubebox", "kubectl", "kwok", "helm", "pause", "greeter"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program: how it tells its version, what versions fit, and the build that makes it."""

    name: str
    package: Package
    version_args: tuple[str, ...]
    fitting: str

    def fits(self, program: Path) -> bool:
        """Return whether the program found is of a version that fits."""
        try:
            done = subprocess.run(
                [program, *self.version_args], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return re.search(self.fitting, done.stdout + done.stderr) is not None


KUBERNETES_MINOR = r"v1\.37\.\d+"
NO_VERSION = r"(?!)"
TOOLS = {
    tool.name: tool
    for tool in (
        Tool("etcd", "kubebox", ("--version",), r"etcd Version: 3\.[67]\."),
        Tool("kube-apiserver", "kubebox", ("--version",), KUBERNETES_MINOR),
        Tool("kube-controller-manager", "kubebox", ("--version",), KUBERNETES_MINOR),
        Tool("kube-scheduler", "kubebox", ("--version",), KUBERNETES_MINOR),
        Tool("kubelet", "kubebox", ("--version",), KUBERNETES_MINOR),
        Tool("kube-proxy", "kubebox", ("--version",), KUBERNETES_MINOR),
        Tool("kubectl", "kubectl", ("version", "--client"), KUBERNETES_MINOR),
        Tool("kwok", "kwok", ("--version",), r"v0\.8\.\d+"),
        Tool("helm", "helm", ("version", "--short"), r"v3\.(2[2-9]|[3-9]\d)"),
        # These have no versions, and names too common to take from PATH.
        Tool("pause", "pause", (), NO_VERSION),
        Tool("greeter", "greeter", (), NO_VERSION),
    )
}
CONTROL_PLANE_TOOLS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kwok",
    "helm",
)
NODE_TOOLS = ("kubelet", "kube-proxy", "pause")
