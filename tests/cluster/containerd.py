"""containerd for the real node; its image store outlives the run, its containers do not."""

import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.controlplane import Component
from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder, cache_folder
from tests.cluster.images.layers import Files
from tests.cluster.images.oci import write_archive
from tests.cluster.prerequisites import cni_folder
from tests.cluster.processes import ProcessId, end
from tests.cluster.progress import wait_until

PAUSE_IMAGE = "genmodel.local/pause:1"
START_SECONDS = 30.0
CONFIGURATION = """\
version = 2
root = "{root}"
state = "{state}"
{disabled}
[grpc]
  address = "{state}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  # Without CAP_SYS_RESOURCE runc may not lower a pod's score, and every sandbox would fail.
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  sandbox_image = "{pause}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_plugins}"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{state}/runc"
"""


def image_store(cache: Path | None = None) -> Path:
    """Return the folder of images, which is kept between runs."""
    return (cache or cache_folder()) / "containerd"


@dataclass(frozen=True, slots=True)
class Containerd:
    """A containerd of one run: where it is, and what it needs to know."""

    state: Path
    root: Path
    cni: Path

    @classmethod
    def of(cls, folder: RunFolder) -> "Containerd":
        """Return the containerd of a run."""
        return cls(state=folder.root / "containerd", root=image_store(), cni=folder.config / "cni")

    @property
    def socket(self) -> Path:
        """Return its socket."""
        return self.state / "containerd.sock"

    def component(self, configuration: Path, *, with_pods: bool = True) -> Component:
        """Write its configuration and return its command; without pods it only keeps the store."""
        for folder in (self.state, self.root):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = CONFIGURATION.format(
            root=self.root,
            state=self.state,
            pause=PAUSE_IMAGE,
            cni=self.cni,
            cni_plugins=cni_folder() or "",
            snapshotter=snapshotter_for(self.root),
            disabled="" if with_pods else 'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
        )
        configuration.write_text(text)
        return Component("containerd", ["containerd", "--config", str(configuration)])

    def ctr(self, *args: str, check: bool = True, timeout_seconds: float = 60.0) -> str:
        """Run ctr on the pods' images and containers; ClusterError if it fails."""
        command = ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, check=False)
        if check and done.returncode:
            raise ClusterError(f"ctr {' '.join(args)} failed: {done.stderr.strip()}")
        return done.stdout

    def answers(self) -> bool:
        """Return whether it serves."""
        return self.socket.exists() and bool(self.ctr("version", check=False))

    def image_digest(self, name: str) -> str | None:
        """Return the digest under which an image is in the store."""
        rows = [line.split() for line in self.ctr("images", "list", f"name=={name}").splitlines()[1:]]
        return next((field for row in rows if row[0] == name for field in row if field.startswith("sha256:")), None)


def snapshotter_for(folder: Path) -> str:
    """Return overlayfs, or native where the folder itself lies on an overlay, which cannot carry another."""
    done = subprocess.run(["stat", "--file-system", "--format=%T", folder], capture_output=True, text=True, check=False)
    return "native" if "overlay" in done.stdout else "overlayfs"


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """The image in an OCI archive: its name and the digest of its manifest."""

    name: str
    digest: str


def archived_image(archive: Path) -> ArchivedImage:
    """Return what an OCI archive holds; ClusterError if it is no such archive or holds no named image."""
    try:
        with tarfile.open(archive) as opened:
            index = opened.extractfile("index.json")
            manifest = json.load(index)["manifests"][0] if index else {}
        return ArchivedImage(name=manifest["annotations"]["io.containerd.image.name"], digest=manifest["digest"])
    except (OSError, tarfile.TarError, KeyError, IndexError, ValueError) as error:
        raise ClusterError(f"{archive} is not an OCI archive of one named image: {error!r}") from error


def write_pause_image(archive: Path, *, program: Path) -> None:
    """Write the image that holds a pod's namespaces open."""
    layer = Files((("pause", program.read_bytes()),), frozenset({"pause"}))
    write_archive(archive, PAUSE_IMAGE, [layer], {"Entrypoint": ["/pause"], "User": "65535:65535"})


def remove_containers(folder: RunFolder) -> set[str]:
    """Remove all containers from the store, with a containerd that starts none; the images stay.

    Returns the identifiers of those that held a pod's network.
    """
    store = image_store()
    if not (store / "io.containerd.metadata.v1.bolt").exists():
        return set()
    _delete_containers(folder)
    sandboxes = {path.name for path in (store / "io.containerd.grpc.v1.cri/sandboxes").glob("*")}
    for leftovers in ("io.containerd.grpc.v1.cri", "io.containerd.runtime.v2.task"):
        shutil.rmtree(store / leftovers, ignore_errors=True)
    return sandboxes


def _delete_containers(folder: RunFolder) -> None:
    scrub = folder.root / "scrub"
    for needed in (scrub, folder.logs):
        needed.mkdir(mode=0o700, parents=True, exist_ok=True)
    daemon = Containerd(state=scrub / "state", root=image_store(), cni=scrub)
    args = daemon.component(scrub / "containerd.toml", with_pods=False).args
    with folder.log("containerd-cleaning").open("ab") as log, subprocess.Popen(args, stdout=log, stderr=log) as process:
        try:
            wait_until("containerd's store", daemon.answers, timeout_seconds=START_SECONDS)
            for container in daemon.ctr("containers", "list", "--quiet").split():
                daemon.ctr("containers", "delete", container)
        finally:
            end(ProcessId.of(process.pid), grace_seconds=5)
