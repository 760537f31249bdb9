"""Bringing a cluster up: in order, waiting until each part works."""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import controlplane, forwarder, realnode
from tests.cluster.apiprobe import ApiProbe
from tests.cluster.binaries import Binaries
from tests.cluster.cleanup import clean_abandoned
from tests.cluster.containerd import PAUSE_IMAGE, Containerd, write_pause_image
from tests.cluster.controlplane import Component
from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder
from tests.cluster.imports import import_archive
from tests.cluster.launcher import Launcher
from tests.cluster.namespace import API_SERVICE_ADDRESS, NODE_ADDRESS, Namespace
from tests.cluster.nodelock import take_node_lock
from tests.cluster.pki import write_all, write_kubeconfig
from tests.cluster.processes import ProcessId
from tests.cluster.progress import wait_until
from tests.cluster.state import RunState, changed_state, write_state
from tests.cluster.supervision import check, log_end, running_state

READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class BringUp:
    """Starts the processes of one run."""

    folder: RunFolder
    namespace: Namespace
    launcher: Launcher

    def run(self, binaries: Binaries, *, real_node: bool, audit: bool, owner: ProcessId | None) -> None:
        """Start everything and wait until it works; `owner` looks after the run, None leaves it running."""
        self._prepare_folder(binaries)
        inherited = [take_node_lock(self.folder.name, clean_dead=clean_abandoned)] if real_node else []
        try:
            write_state(self.folder.state, RunState(name=self.folder.name, owner=owner, real_node=real_node))
            self.namespace.create()
            self._start_control_plane(binaries.stages, audit=audit, inherited=inherited)
        finally:
            # From here on etcd alone holds the lock.
            for descriptor in inherited:
                os.close(descriptor)
        if real_node:
            self._start_node(binaries)

    def forward(self, host: str, port: int) -> int:
        """Start a forwarder to an address inside the namespace; return its loopback port on the host."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            descriptor = listener.fileno()
            args = [sys.executable, "-I", forwarder.__file__, str(descriptor), host, str(port)]
            self.launcher.popen(
                args,
                name="forwarder",
                role="forwarder",
                target=f"{host}:{port}",
                log=self.folder.log("forwarder"),
                pass_fds=[descriptor],
            )
            return int(listener.getsockname()[1])

    def _prepare_folder(self, binaries: Binaries) -> None:
        for folder in (self.folder.logs, self.folder.pki, self.folder.config):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        binaries.link_into(self.folder.bin)
        write_all(
            self.folder.pki,
            server_names=controlplane.SERVER_NAMES,
            node_name=realnode.NODE_NAME,
            node_address=NODE_ADDRESS,
        )
        controlplane.write_configuration(self.folder)

    def _start_control_plane(self, stages: Path, *, audit: bool, inherited: Sequence[int]) -> None:
        self._start(controlplane.etcd(self.folder), inherited=inherited)
        self._start(controlplane.apiserver(self.folder, audit=audit))
        port = self.forward("127.0.0.1", controlplane.API_PORT)
        with changed_state(self.folder.state) as state:
            state.api_port = port
        kubeconfig = self.folder.root / "kubeconfig"
        write_kubeconfig(kubeconfig, pki=self.folder.pki, user="admin", server=f"https://127.0.0.1:{port}")
        probe = ApiProbe(port, self.folder.pki)
        self._await("kube-apiserver", lambda: probe.is_found("/readyz"))
        self._start(controlplane.controller_manager(self.folder))
        self._start(controlplane.scheduler(self.folder))
        self._start(controlplane.kwok(self.folder, stages=stages))
        # Pods are refused until their namespace has its service account.
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._await("kube-controller-manager", lambda: probe.is_found(account))

    def _start_node(self, binaries: Binaries) -> None:
        with changed_state(self.folder.state) as state:
            realnode.prepare_host(self.folder, state)
        containerd = Containerd.of(self.folder)
        realnode.write_configuration(self.folder, containerd)
        self._start(containerd.component(self.folder.config / "containerd.toml"))
        self._await("containerd", containerd.answers)
        self._import_pause(containerd, binaries)
        self._start(realnode.kubelet(self.folder))
        probe = ApiProbe(running_state(self.folder).api_port, self.folder.pki)
        self._await("kubelet", lambda: probe.is_node_ready(realnode.NODE_NAME))
        self._start(realnode.kube_proxy(self.folder))
        self._await("kube-proxy", self._services_answer)

    def _import_pause(self, containerd: Containerd, binaries: Binaries) -> None:
        archive = self.folder.config / f"{PAUSE_IMAGE.partition('/')[2].replace(':', '-')}.tar"
        write_pause_image(archive, program=binaries.programs["pause"])
        import_archive(containerd, archive)

    def _services_answer(self) -> bool:
        probe = ["kubectl", f"--server=https://{API_SERVICE_ADDRESS}", "get", "--raw", "/readyz"]
        return self.launcher.run(probe, check=False).returncode == 0

    def _start(self, component: Component, *, inherited: Sequence[int] = ()) -> None:
        self.launcher.popen(
            component.args,
            name=component.name,
            role="component",
            log=self.folder.log(component.name),
            pass_fds=list(inherited),
        )

    def _await(self, component: str, works: Callable[[], bool]) -> None:
        def ready() -> bool:
            check(self.folder)
            return works()

        try:
            wait_until(component, ready, timeout_seconds=READY_SECONDS)
        except ClusterError as error:
            end = log_end(self.folder, component)
            raise (error if end in str(error) else ClusterError(f"{error}\n{end}")) from None
