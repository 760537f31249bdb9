"""Volumes that the pods of a model may not use as they must, with a real kubelet: what people read, and the way out.

The volumes are folders of the node (`hostPath`): as on NFS, the kubelet gives their files to nobody.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.demo.models import minilm_model
from examples.demo.steps import EMBEDDINGS
from tests.claims import a_claim, a_volume
from tests.cluster import Cluster
from tests.cluster.progress import wait_until
from tests.disks import mounted
from tests.platform import Platform

pytestmark = [pytest.mark.soak, pytest.mark.e2e, pytest.mark.timeout(600)]

CLASS = "as-it-is"


@pytest.fixture
def disk(platform: Platform, tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of its own, which everybody can write, as the volume of the class ``as-it-is``."""
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("the folder of a volume can be changed on a node of our own only")
    # Pods follow the path from the root: pytest's own folders are closed to other users.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with (
        mounted(tmp_path / "disk", size_mib=400) as path,
        a_volume(platform.cluster.kubectl, CLASS, hostPath={"path": str(path)}),
    ):
        yield path
        platform.cluster.kubectl("delete", "pvc", "--all", "--ignore-not-found", "--timeout=60s")


def remount(path: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(path)], check=True)


@pytest.mark.parametrize(
    ("break_it", "mend_it", "why"),
    [
        pytest.param(
            lambda disk: remount(disk, "ro"), lambda disk: remount(disk, "rw"), "Read-only file system", id="read-only"
        ),
        pytest.param(
            lambda disk: disk.chmod(0o755), lambda disk: disk.chmod(0o777), "Permission denied", id="of another user"
        ),
    ],
)
def test_weights_cannot_be_written(
    platform: Platform, disk: Path, break_it: Callable[[Path], None], mend_it: Callable[[Path], None], why: str
) -> None:
    break_it(disk)
    cache = {"persistentVolumeClaim": {"storageClassName": CLASS, "size": "300Mi"}}
    platform.wish("unwritten", EMBEDDINGS, replicas=0, cache=cache)
    try:
        platform.assert_shown(
            "unwritten",
            reason="VolumeNotWritable",
            words=(
                f"user 10001, group 10001 cannot write to the volume /models: {why}",
                "the volume must be writable for user and group 10001",
            ),
            event="Warning VolumeNotWritable",
            row={"READY": "False"},
            seconds=120,
        )
        mend_it(disk)
        # By itself it is tried again within five minutes; a change of the spec does not wait for that.
        platform.wish("unwritten", EMBEDDINGS, replicas=0, cache=cache, context={"maxModelLen": 256})
        platform.wait_for_weights("unwritten", seconds=180)
    finally:
        mend_it(disk)
        platform.delete("unwritten")
        wait_until("its pods to be gone", lambda: platform.pods("unwritten") == [], timeout_seconds=120)


def test_a_model_of_its_user_cannot_be_read(platform: Platform, disk: Path) -> None:
    folder = disk / "sentences"
    shutil.copytree(minilm_model(), folder)
    folder.chmod(0o700)
    a_claim(platform.cluster.kubectl, "default", "closed", storage_class=CLASS)
    source = {"persistentVolumeClaim": {"claimName": "closed", "path": "sentences"}}
    platform.wish("unread", "acme/sentences", source=source)
    try:
        platform.assert_shown(
            "unread",
            reason="SourceInvalid",
            words=("Permission denied", "put it right on the volume"),
            event="Warning SourceInvalid",
            row={"READY": "False"},
            seconds=120,
        )
        folder.chmod(0o755)
        platform.cluster.kubectl("annotate", "--overwrite", "gm", "unread", "genmodel.dev/update=now")
        wait_until("the model to be known", lambda: is_resolved(platform, "unread"), timeout_seconds=180)
    finally:
        platform.delete("unread")
        wait_until("its pods to be gone", lambda: platform.pods("unread") == [], timeout_seconds=120)


def is_resolved(platform: Platform, name: str) -> bool:
    return bool(platform.get("gm", name).get("status", {}).get("model", {}).get("commit"))
