"""Clusters that are not ours: one that the user names, and one that kind makes in containers.

They offer what `Cluster` offers, as far as it can be had there. Processes run on the host, for there is no namespace
to enter; images go by a registry or by kind. The use of a named cluster was tried against a local one; pushing to a
registry, and kind itself, are unproven: they need a registry and images from elsewhere.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from types import TracebackType
from typing import Any, Self

from tests.cluster.binaries import acquire
from tests.cluster.containerd import archived_image
from tests.cluster.errors import ClusterError
from tests.cluster.prerequisites import ensure_commands
from tests.cluster.progress import say, ticking

FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
END_SECONDS = 5.0
PUSH_SECONDS = 3600.0


class HostedCluster:
    """A cluster that the user names by a kubeconfig; nothing of it is started or stopped."""

    def __init__(self, kubeconfig: Path, *, registry: str) -> None:
        self.kubeconfig = kubeconfig
        self._registry = registry.rstrip("/")
        self._stack = ExitStack()
        self._bin: Path | None = None

    def __enter__(self) -> Self:
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="genmodel-bin-")))
        acquire(("kubectl", "helm")).link_into(folder)
        self._bin = folder
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def inner_kubeconfig(self) -> Path:
        """Return the same kubeconfig: processes run on the host."""
        return self.kubeconfig

    @property
    def bin(self) -> Path:
        """Return the folder with kubectl and helm."""
        if self._bin is None:
            raise ClusterError("the cluster is used before it was entered")
        return self._bin

    @property
    def node_name(self) -> str:
        """Return the name of a node."""
        return self.kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return this process's environment with our programs first and the kubeconfig set."""
        path = f"{self.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.kubeconfig), **(extra or {})}

    def popen(
        self,
        args: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        **options: Any,
    ) -> subprocess.Popen[Any]:
        """Start a process on the host; it is ended with the block at the latest."""
        if log is not None:
            output = self._stack.enter_context(log.open("ab"))
            options |= {"stdout": output, "stderr": output}
        child = subprocess.Popen([str(arg) for arg in args], env=self.environment(env), **options)
        self._stack.callback(_end, child)
        return child

    def run(
        self,
        args: Sequence[str | Path],
        *,
        input: str | None = None,  # noqa: A002 - named as in subprocess.run
        check: bool = True,
        timeout: float = 120.0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a process on the host to its end; ClusterError if it fails."""
        command = [str(arg) for arg in args]
        done = subprocess.run(
            command,
            input=input,
            env=self.environment(env),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise ClusterError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr.strip()}")
        return done

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002 - as run's
        """Run kubectl and return what it prints."""
        return self.run(["kubectl", *args], input=input, check=check).stdout

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply objects with server-side apply."""
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=document)

    def forward(self, host: str, port: int) -> int:
        """Open a Service, by its cluster address, to the host; return the loopback port that leads there."""
        namespace, name = self._service_at(host)
        args = ["kubectl", "port-forward", "--namespace", namespace, f"service/{name}", f":{port}"]
        child = self.popen(args, stdout=subprocess.PIPE, text=True)
        line = child.stdout.readline() if child.stdout else ""
        found = FORWARDING.search(line)
        if not found:
            raise ClusterError(f"{' '.join(args)} did not begin to forward: {line.strip()}")
        return int(found[1])

    def _service_at(self, address: str) -> tuple[str, str]:
        services = json.loads(self.kubectl("get", "services", "--all-namespaces", "-o", "json"))["items"]
        for service in services:
            if service["spec"].get("clusterIP") == address:
                return service["metadata"]["namespace"], service["metadata"]["name"]
        raise ClusterError(f"no Service has the address {address}")

    def import_image(self, archive: Path) -> str:
        """Push the image of an OCI archive to the registry; return the name to pull it by, with digest (unproven).

        By its digest, because nodes keep what they once pulled by a tag.
        """
        ensure_commands({"buildah": "buildah"})
        target = f"{self._registry}/{archived_image(archive).name.partition('/')[2]}"
        with ticking(f"pushing {target}"), TemporaryDirectory(prefix="genmodel-push-") as folder:
            digest = Path(folder) / "digest"
            image = self.run(["buildah", "pull", f"oci-archive:{archive}"], timeout=PUSH_SECONDS).stdout.strip()
            self.run(["buildah", "push", "--digestfile", digest, image, f"docker://{target}"], timeout=PUSH_SECONDS)
            return f"{target.rpartition(':')[0]}@{digest.read_text().strip()}"


class KindCluster(HostedCluster):
    """A cluster that kind makes inside a container engine. Unproven.

    It is taken away with the block, unless `kept`: a folder for its kubeconfig and programs, where the next block
    with the same name finds the cluster as it was left; `delete` takes that away.
    """

    def __init__(self, name: str, *, kept: Path | None = None) -> None:
        self._name = f"genmodel-{name}"
        self._kept = kept
        self._folder = kept or Path(gettempdir()) / f"{self._name}-{os.getpid()}"
        super().__init__(self._folder / "kubeconfig", registry="")

    def __enter__(self) -> Self:
        if not shutil.which("kind"):
            raise ClusterError("kind is not on PATH")
        with ExitStack() as stack:
            if not self._kept:
                stack.callback(self.delete)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._bin = self._folder / "bin"
            acquire(("kubectl", "helm")).link_into(self._bin)
            self._make()
            # Taken over only now: a block that was not entered is not left either.
            self._stack.push(stack.pop_all())
        return self

    def _make(self) -> None:
        if self._name in self._kind("get", "clusters", timeout=60).split():
            self._kind("export", "kubeconfig", "--name", self._name, timeout=60)
            return
        say(f"making the kind cluster {self._name}")
        with ticking("kind"):
            self._kind("create", "cluster", "--name", self._name, "--wait", "120s", timeout=900)

    def import_image(self, archive: Path) -> str:
        """Load the image of an OCI archive into kind's nodes; return its name."""
        with ticking(f"loading {archive.name} into kind"):
            self._kind("load", "image-archive", "--name", self._name, str(archive), timeout=PUSH_SECONDS)
        return archived_image(archive).name

    def delete(self) -> None:
        """Take the cluster away, with its kubeconfig and programs; fine where there is none."""
        self._kind("delete", "cluster", "--name", self._name, timeout=300)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kind(self, *args: str, timeout: float) -> str:
        """Run kind, which takes the kubeconfig to write from its environment."""
        command = ["kind", *args]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode:
            raise ClusterError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr.strip()}")
        return done.stdout


def _end(child: subprocess.Popen[Any]) -> None:
    child.terminate()
    try:
        child.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    finally:
        if child.stdout:
            child.stdout.close()
