"""Bringing images from archives into the node's store."""

from pathlib import Path

from tests.cluster.containerd import Containerd, archived_image
from tests.cluster.progress import say, ticking

IMPORT_SECONDS = 1800.0


def import_archive(containerd: Containerd, archive: Path) -> str:
    """Import the image of an OCI archive unless the store has it with this digest; return its name."""
    image = archived_image(archive)
    if containerd.image_digest(image.name) != image.digest:
        megabytes = archive.stat().st_size / 1e6
        say(f"importing {image.name} ({megabytes:.0f} MB) into the node's image store")
        with ticking(f"importing {image.name}"):
            collect_garbage(containerd)
            containerd.ctr("images", "import", str(archive), timeout_seconds=IMPORT_SECONDS)
    return image.name


def collect_garbage(containerd: Containerd) -> None:
    """Let go what no image has any more: an import takes such layers for present, and they vanish under it."""
    lease = containerd.ctr("leases", "create").strip()
    containerd.ctr("leases", "delete", "--sync", lease, timeout_seconds=IMPORT_SECONDS)
