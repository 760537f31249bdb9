"""Folders of this machine as volumes of the real node."""

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.claims import Kubectl, a_volume
from tests.cluster.realnode import NODE_NAME


def local_volume(kubectl: Kubectl, name: str, folder: Path) -> AbstractContextManager[str]:
    """Return a local volume that yields its class: the kubelet gives its files to the group of each pod."""
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
    where = {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}}
    return a_volume(kubectl, name, local={"path": str(folder)}, nodeAffinity=where)


@contextmanager
def mounted(folder: Path, *, size_mib: int) -> Iterator[Path]:
    """Yield the folder as a file system of its own of this size, which everybody can write."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=0777", "disk", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
