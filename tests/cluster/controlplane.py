"""The control plane's components and their flags."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster.folders import RunFolder
from tests.cluster.namespace import API_SERVICE_ADDRESS, FAKE_POD_RANGE, NODE_ADDRESS, SERVICE_RANGE
from tests.cluster.pki import write_kubeconfig

API_PORT = 6443
ETCD = "http://127.0.0.1:2379"
ETCD_PEER = "http://127.0.0.1:2380"
SERVER_NAMES = (
    "127.0.0.1",
    "localhost",
    NODE_ADDRESS,
    API_SERVICE_ADDRESS,
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
# The control plane's own limits must never be what a bench measures.
_UNHEARD: tuple[dict[str, list[str]], ...] = (
    {"userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
    {"users": ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "kwok"]},
)
"""Of whom the audit log has nothing: they ask all the time, and what they may is not ours."""
CLIENT_QPS = 1000
CLIENT_BURST = 2000
NODE_LEASE_SECONDS = 40
"""As a kubelet has it, which renews it four times as often."""


@dataclass(frozen=True, slots=True)
class Component:
    """A program of the cluster: its name is also that of its log."""

    name: str
    args: list[str]


def write_configuration(folder: RunFolder) -> None:
    """Write the kubeconfigs and configuration files of the control plane."""
    inside = f"https://{NODE_ADDRESS}:{API_PORT}"
    for user in ("admin", "controller-manager", "scheduler", "kwok", "node", "proxy"):
        write_kubeconfig(folder.config / f"{user}.kubeconfig", pki=folder.pki, user=user, server=inside)
    connection = {
        "kubeconfig": str(folder.config / "scheduler.kubeconfig"),
        "qps": CLIENT_QPS,
        "burst": CLIENT_BURST,
    }
    scheduler = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": connection,
        "leaderElection": {"leaderElect": False},
    }
    (folder.config / "scheduler.yaml").write_text(yaml.safe_dump(scheduler))
    audit = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [*({"level": "None", **who} for who in _UNHEARD), {"level": "Metadata"}],
    }
    (folder.config / "audit.yaml").write_text(yaml.safe_dump(audit))


def etcd(folder: RunFolder) -> Component:
    """Return etcd; its data is thrown away with the run, so nothing is flushed to disk."""
    urls = [
        *("--listen-client-urls", ETCD, "--advertise-client-urls", ETCD),
        *("--listen-peer-urls", ETCD_PEER, "--initial-advertise-peer-urls", ETCD_PEER),
        *("--initial-cluster", f"default={ETCD_PEER}"),
    ]
    return Component("etcd", ["etcd", "--data-dir", str(folder.root / "etcd"), "--unsafe-no-fsync", *urls])


def apiserver(folder: RunFolder, *, audit: bool) -> Component:
    """Return the API server, with Node and RBAC authorisation as on any cluster."""
    pki = folder.pki
    args = [
        "kube-apiserver",
        f"--etcd-servers={ETCD}",
        "--bind-address=0.0.0.0",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'service-account.key'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
    ]
    return Component("kube-apiserver", [*args, *(_audit(folder) if audit else [])])


def audit_log(folder: RunFolder) -> Path:
    """Return the file of the API server's audit log, one JSON object a line."""
    return folder.logs / "audit.json"


def _audit(folder: RunFolder) -> list[str]:
    return [
        f"--audit-policy-file={folder.config / 'audit.yaml'}",
        f"--audit-log-path={audit_log(folder)}",
        "--audit-log-maxsize=0",
    ]


def controller_manager(folder: RunFolder) -> Component:
    """Return the controller manager, with room enough for a bench of a thousand models."""
    config = folder.config / "controller-manager.kubeconfig"
    args = [
        "kube-controller-manager",
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--service-account-private-key-file={folder.pki / 'service-account.key'}",
        f"--root-ca-file={folder.pki / 'ca.crt'}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        f"--kube-api-qps={CLIENT_QPS}",
        f"--kube-api-burst={CLIENT_BURST}",
    ]
    workers = ("deployment", "replicaset", "service-endpoint", "endpoint", "namespace")
    return Component("kube-controller-manager", [*args, *(f"--concurrent-{name}-syncs=20" for name in workers)])


def scheduler(folder: RunFolder) -> Component:
    """Return the scheduler."""
    config = folder.config / "scheduler.kubeconfig"
    return Component(
        "kube-scheduler",
        [
            "kube-scheduler",
            f"--config={folder.config / 'scheduler.yaml'}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
        ],
    )


def kwok(folder: RunFolder, *, stages: Path) -> Component:
    """Return kwok, which plays the kubelets of the nodes that carry its annotation."""
    args = [
        "kwok",
        f"--kubeconfig={folder.config / 'kwok.kubeconfig'}",
        f"--config={stages}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--node-ip={NODE_ADDRESS}",
        f"--cidr={FAKE_POD_RANGE}",
        f"--node-lease-duration-seconds={NODE_LEASE_SECONDS}",
    ]
    return Component("kwok", args)
