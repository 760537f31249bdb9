"""The real node: kubelet and kube-proxy beside containerd, and taking them away without a trace."""

import contextlib
import json
import os
import shutil
from pathlib import Path

import yaml

from tests.cluster import cgroups
from tests.cluster.containerd import Containerd, remove_containers
from tests.cluster.controlplane import Component
from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder
from tests.cluster.namespace import BRIDGE, NODE_ADDRESS, POD_RANGE
from tests.cluster.state import RunState

NODE_NAME = "local"
# The kubelet sets these for the whole machine; they are put back afterwards.
KERNEL_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
# Fixed paths outside our own folders: the device plugins' socket, links to logs, shims' sockets, CNI results.
HOST_FOLDERS = ("/var/lib/kubelet", "/var/log/containers", "/run/containerd", "/var/lib/cni")
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
LOG_LINKS = Path("/var/log/containers")
CNI_RESULTS = Path("/var/lib/cni/results")
SHIM_SOCKETS = Path("/run/containerd/s")


def cgroup_of(folder: RunFolder) -> str:
    """Return the name of the run's control groups."""
    return f"genmodel-{folder.name}"


def prepare_host(folder: RunFolder, state: RunState) -> None:
    """Note in the state what the node is going to change on the machine, and make its control groups."""
    if DEVICE_PLUGINS.exists():
        raise ClusterError(f"a kubelet uses this machine already ({DEVICE_PLUGINS}); a second one would disturb it")
    settings = (Path("/proc/sys") / name for name in KERNEL_SETTINGS)
    state.sysctls = {str(path): path.read_text().strip() for path in settings if path.exists()}
    state.made_folders = [name for name in HOST_FOLDERS if not Path(name).exists()]
    cgroups.create(cgroup_of(folder))


def write_configuration(folder: RunFolder, containerd: Containerd) -> None:
    """Write the configuration of CNI and kubelet."""
    containerd.cni.mkdir(parents=True, exist_ok=True)
    (containerd.cni / "10-bridge.conflist").write_text(json.dumps(_network(folder)))
    # Without a way out nothing listens there: this address refuses at once, others would be waited for.
    (folder.config / "resolv.conf").write_text(f"nameserver {NODE_ADDRESS}\n")
    (folder.config / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(folder, containerd), sort_keys=False))


def _network(folder: RunFolder) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "dataDir": str(folder.root / "addresses"),
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    # 0.4.0 is the newest that containerd 1.6 knows.
    return {"cniVersion": "0.4.0", "name": network_name(folder), "plugins": [bridge, ports]}


def network_name(folder: RunFolder) -> str:
    """Return the name of the run's pod network."""
    return f"genmodel-{folder.name}"


def _kubelet(folder: RunFolder, containerd: Containerd) -> dict[str, object]:
    pki = folder.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{containerd.socket}",
        "resolvConf": str(folder.config / "resolv.conf"),
        "podLogsDir": str(folder.logs / "pods"),
        "volumePluginDir": str(folder.root / "kubelet/volume-plugins"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup_of(folder)}",
        "enforceNodeAllocatable": [],
        # True by default since 1.35, and many machines still run v1.
        "failCgroupV1": False,
        "failSwapOn": False,
        # The image store is shared between runs: nothing in it may be collected.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "clusterDNS": [],
        "maxPods": 100,
        "serializeImagePulls": False,
        "eventRecordQPS": 0,
    }


def kubelet(folder: RunFolder) -> Component:
    """Return the kubelet."""
    args = [
        "kubelet",
        f"--config={folder.config / 'kubelet.yaml'}",
        f"--kubeconfig={folder.config / 'node.kubeconfig'}",
        f"--root-dir={folder.root / 'kubelet'}",
        f"--cert-dir={folder.root / 'kubelet/pki'}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
    ]
    return Component("kubelet", args)


def kube_proxy(folder: RunFolder) -> Component:
    """Return kube-proxy; to be started when the node has its address, else it ends once when that appears."""
    args = [
        "kube-proxy",
        f"--kubeconfig={folder.config / 'proxy.kubeconfig'}",
        f"--hostname-override={NODE_NAME}",
        "--proxy-mode=iptables",
        # Pods on one bridge answer each other directly, past the translation, unless the node asks for them.
        "--masquerade-all",
        # Limits of the whole machine stay as they are.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    ]
    return Component("kube-proxy", args)


def clean_node(folder: RunFolder, state: RunState) -> None:
    """Remove what a node leaves outside the run's folder; its processes and mounts are gone already."""
    cgroups.remove(cgroup_of(folder))
    _remove_shim_sockets(folder)
    if state.is_of_this_boot():
        for path, value in state.sysctls.items():
            Path(path).write_text(value)
    _remove_network_results(remove_containers(folder))
    _remove_log_links(folder)
    for name in state.made_folders:
        _remove_if_unused(Path(name))


def _remove_shim_sockets(folder: RunFolder) -> None:
    for address in (folder.root / "containerd").glob("io.containerd.runtime.v2.task/*/*/address"):
        socket = Path(address.read_text().strip().removeprefix("unix://"))
        if socket.parent == SHIM_SOCKETS:
            socket.unlink(missing_ok=True)


def _remove_log_links(folder: RunFolder) -> None:
    for link in LOG_LINKS.glob("*.log"):
        if link.is_symlink() and folder.logs in link.readlink().parents:
            link.unlink()


def _remove_network_results(sandboxes: set[str]) -> None:
    for result in CNI_RESULTS.glob("*"):
        # NETWORK-SANDBOX-INTERFACE, where the network's name may hold dashes too.
        if sandboxes.intersection(result.name.split("-")):
            result.unlink()


def _remove_if_unused(folder: Path) -> None:
    """Remove a folder that the node made, unless somebody else keeps files in it by now."""
    if folder == DEVICE_PLUGINS.parent.parent:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(path).rmdir()
