"""What a real node changes on the machine, to see that all of it is taken back."""

from pathlib import Path

from tests.cluster.cgroups import hierarchies
from tests.cluster.folders import RunFolder
from tests.cluster.namespace import NetworkNamespace
from tests.cluster.realnode import DEVICE_PLUGINS, HOST_FOLDERS, KERNEL_SETTINGS


def machine(name: str) -> dict[str, object]:
    """Return what the node of the cluster with that name changes on the machine."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return {
        # The first network namespace of a machine makes this folder a mount, and so it stays; other clusters, which
        # may come and go at the same time, have theirs below it.
        "mounts": sorted({mount for mount in mounts if not mount.startswith("/run/netns")}),
        "settings": [Path("/proc/sys", setting).read_text() for setting in KERNEL_SETTINGS],
        "folders": [folder for folder in HOST_FOLDERS if Path(folder).exists()],
        "groups": [str(top) for top in hierarchies() if (top / f"genmodel-{name}").exists()],
        "device plugins": DEVICE_PLUGINS.exists(),
        "network": NetworkNamespace(f"genmodel-{name}").exists(),
        "files": sorted(path.name for path in RunFolder.of(name).root.glob("*") if path.name != "logs"),
    }
