"""The local cluster as a context manager."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.cluster import controlplane, realnode, supervision
from tests.cluster.binaries import acquire
from tests.cluster.bringup import BringUp
from tests.cluster.cleanup import clean, clean_abandoned, namespace_of
from tests.cluster.containerd import Containerd
from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder
from tests.cluster.imports import import_archive
from tests.cluster.launcher import Launcher
from tests.cluster.locks import file_lock
from tests.cluster.nodes import kwok_node
from tests.cluster.prerequisites import ensure_prerequisites
from tests.cluster.processes import ProcessId
from tests.cluster.signals import interrupted_by_sigterm, uninterrupted
from tests.cluster.state import read_state
from tests.cluster.tools import CONTROL_PLANE_TOOLS, NODE_TOOLS
from tests.cluster.uplink import open_uplink


class Cluster:
    """A Kubernetes cluster in a network namespace of its own, `/run/netns/genmodel-<name>`.

    `real_node` adds containerd, kubelet and kube-proxy on this machine, `audit` an audit log of all API requests.
    As a context manager it starts the cluster and stops it again, whatever happens in between.
    """

    def __init__(self, name: str, *, real_node: bool = False, audit: bool = False) -> None:
        self.name = name
        self._real_node = real_node
        self._audit = audit
        self._folder = RunFolder.of(name)
        self._namespace = namespace_of(self._folder)
        self._launcher = Launcher(self._folder, self._namespace)
        self._bringup = BringUp(self._folder, self._namespace, self._launcher)
        self._exit = ExitStack()

    @classmethod
    def attach(cls, name: str) -> Self:
        """Return the cluster of that name that another process has started; ClusterError if there is none."""
        state = read_state(RunFolder.of(name).state)
        if state is None or not state.alive():
            raise ClusterError(f"no cluster {name} runs")
        return cls(name, real_node=state.real_node)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(interrupted_by_sigterm())
            self.start()
            stack.callback(self.stop)
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def start(self, *, detached: bool = False) -> None:
        """Start everything and wait until it works; `detached` leaves it running when this process ends."""
        with file_lock(self._folder.lock, what=f"starting {self.name}"):
            state = read_state(self._folder.state)
            if state and not state.is_abandoned():
                raise ClusterError(f"cluster {self.name} runs already: python -m tests.cluster down --name {self.name}")
            ensure_prerequisites(real_node=self._real_node)
            binaries = acquire((*CONTROL_PLANE_TOOLS, *(NODE_TOOLS if self._real_node else ())))
            clean(self._folder, keep_logs=False)
            clean_abandoned()
            owner = None if detached else ProcessId.of(os.getpid())
            try:
                self._bringup.run(binaries, real_node=self._real_node, audit=self._audit, owner=owner)
            except BaseException:
                with uninterrupted(f"stopping {self.name}"):
                    self._clean()
                raise

    def stop(self) -> None:
        """End everything and remove all but the logs."""
        with (
            uninterrupted(f"stopping {self.name}"),
            file_lock(self._folder.lock, what=f"stopping {self.name}"),
        ):
            self._clean()

    def _clean(self) -> None:
        clean(self._folder)
        self._launcher.reap()

    def check(self) -> None:
        """Raise ClusterError with the end of its log if a component has died."""
        supervision.check(self._folder)

    def logs(self, component: str) -> str:
        """Return the log of a component, such as kube-apiserver, etcd, kwok, kubelet or containerd."""
        path = self._folder.log(component)
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig that reaches the API server from the host, by a loopback port."""
        return self._folder.root / "kubeconfig"

    @property
    def inner_kubeconfig(self) -> Path:
        """Return the kubeconfig for processes inside the namespace."""
        return self._launcher.kubeconfig

    @property
    def bin(self) -> Path:
        """Return the folder with kubectl, helm, kwok and the components."""
        return self._folder.bin

    @property
    def log_folder(self) -> Path:
        """Return the folder of all logs, which is kept for a while after the run."""
        return self._folder.logs

    @property
    def audit_log(self) -> Path:
        """Return the API server's audit log, one JSON object a line; written with `audit=True`."""
        return controlplane.audit_log(self._folder)

    @property
    def node_name(self) -> str:
        """Return the real node's name."""
        return realnode.NODE_NAME

    def popen(
        self,
        args: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        **options: Any,
    ) -> subprocess.Popen[Any]:
        """Start a process inside the namespace; it is ended with the cluster at the latest.

        `env` is laid over this process's environment, `log` takes its output, the rest goes to subprocess.Popen.
        """
        self.check()
        return self._launcher.popen(args, env=env, log=log, **options)

    def run(
        self,
        args: Sequence[str | Path],
        *,
        input: str | None = None,  # noqa: A002 - named as in subprocess.run
        check: bool = True,
        timeout: float = 120.0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a process inside the namespace to its end; ClusterError if it fails or outlasts `timeout` seconds."""
        self.check()
        return self._launcher.run(args, input=input, check=check, timeout=timeout, env=env)

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002 - as run's
        """Run kubectl as the cluster's administrator and return what it prints."""
        return self.run(["kubectl", *args], input=input, check=check).stdout

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply objects with server-side apply."""
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=document)

    def forward(self, host: str, port: int) -> int:
        """Open an address inside the namespace to the host; return the loopback port that leads there."""
        self.check()
        return self._bringup.forward(host, port)

    def open_uplink(self, *, host_loopback: bool = False) -> None:
        """Give the cluster a way out, with names; `host_loopback` also to servers on this machine's loopback."""
        self.check()
        open_uplink(self._folder, self._launcher, self._namespace, host_loopback=host_loopback)

    def import_image(self, archive: Path) -> str:
        """Import the image of an OCI archive into the real node, unless it is there already; return its name."""
        if not self._real_node:
            raise ClusterError(f"cluster {self.name} has no real node to import {archive} into")
        self.check()
        return import_archive(Containerd.of(self._folder), archive)

    def add_kwok_nodes(
        self,
        count: int,
        *,
        prefix: str = "fake",
        labels: Mapping[str, str] | None = None,
        allocatable: Mapping[str, str] | None = None,
        taints: Sequence[Mapping[str, str]] = (),
    ) -> list[str]:
        """Add fake nodes `<prefix>-0`... and wait until they are ready; return their names.

        `allocatable` holds Kubernetes quantities, such as `{"nvidia.com/gpu": "8"}`, over a roomy default.
        """
        names = [f"{prefix}-{index}" for index in range(count)]
        nodes = [kwok_node(name, labels=labels or {}, allocatable=allocatable or {}, taints=taints) for name in names]
        # Created, not server-side applied: only a creation takes the status along.
        self.kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))
        self.kubectl("wait", "--for=condition=Ready", "--timeout=60s", *(f"node/{name}" for name in names))
        return names
