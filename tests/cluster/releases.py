"""Official releases, taken only where their published checksum matches."""

import hashlib
import io
import platform
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import urlsplit

from tests.cluster.progress import say, ticking
from tests.cluster.versions import ETCD, HELM, KUBERNETES

REACH_SECONDS = 4.0
READ_SECONDS = 30.0
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Release:
    """Where a program is published: the file, its checksums, and its place in an archive."""

    url: str
    checksum_url: str
    member: str = ""


def architecture() -> str:
    """Return this machine's architecture as releases name it."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def official_releases() -> dict[str, Release]:
    """Return the programs that are published together with checksums."""
    arch = architecture()
    names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
    kubernetes = f"https://dl.k8s.io/release/{KUBERNETES}/bin/linux/{arch}"
    found = {name: Release(f"{kubernetes}/{name}", f"{kubernetes}/{name}.sha256") for name in names}
    etcd = f"https://github.com/etcd-io/etcd/releases/download/{ETCD}"
    stem = f"etcd-{ETCD}-linux-{arch}"
    found["etcd"] = Release(f"{etcd}/{stem}.tar.gz", f"{etcd}/SHA256SUMS", f"{stem}/etcd")
    helm = f"https://get.helm.sh/helm-{HELM}-linux-{arch}.tar.gz"
    found["helm"] = Release(helm, f"{helm}.sha256sum", f"linux-{arch}/helm")
    return found


def is_reachable(url: str, *, timeout_seconds: float = REACH_SECONDS) -> bool:
    """Return soon whether a server answers at all, whatever it says."""

    def answers() -> bool:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout_seconds):
                return True
        except urllib.error.HTTPError:
            return True
        except (OSError, ValueError):
            return False

    return _within(answers, timeout_seconds) or False


def _within(ask: Callable[[], bool], timeout_seconds: float) -> bool | None:
    # A resolver without an uplink can hang for much longer than the connection's own timeout.
    answers: SimpleQueue[bool] = SimpleQueue()
    Thread(target=lambda: answers.put(ask()), name="reach", daemon=True).start()
    try:
        return answers.get(timeout=timeout_seconds + 1)
    except Empty:
        return None


class ReleaseError(Exception):
    """A release could not be had, or is not what its checksum says."""


def fetch(release: Release) -> bytes:
    """Return the program, after its file's checksum was verified; ReleaseError otherwise."""
    try:
        checksums = _read(release.checksum_url).decode()
        content = _read(release.url)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{release.url}: {error}") from error
    wanted = published_checksum(checksums, Path(urlsplit(release.url).path).name)
    if hashlib.sha256(content).hexdigest() != wanted:
        raise ReleaseError(f"{release.url}: its SHA-256 is not the published one")
    return _member(content, release.member) if release.member else content


def published_checksum(text: str, file_name: str) -> str:
    """Return the checksum of a file from a list of checksums, or from a text that is nothing else."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if len(rows) == 1 and len(rows[0]) == 1:
        return rows[0][0].lower()
    for row in rows:
        if len(row) == 2 and row[1].lstrip("*") == file_name:
            return row[0].lower()
    raise ReleaseError(f"no checksum of {file_name} is published")


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=READ_SECONDS) as response:
        content: bytes = response.read()
    return content


def _member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        found = opened.extractfile(name)
        if found is None:
            raise ReleaseError(f"the archive holds no {name}")
        return found.read()


class ReleaseSource:
    """Puts released programs into a folder; asks each server once whether it can be reached."""

    def __init__(self, releases: dict[str, Release]) -> None:
        self._releases = releases
        self._reachable: dict[str, bool] = {}

    def put(self, name: str, into: Path) -> Path | None:
        """Return the downloaded program; None, with the reason said, when it cannot be had."""
        release = self._releases.get(name)
        if release is None or not self._server_answers(release.url):
            return None
        try:
            with ticking(f"downloading {name}"):
                content = fetch(release)
        except (TimeoutError, ReleaseError) as error:
            say(f"{error}; building {name} instead")
            return None
        return _place(content, into / name)

    def _server_answers(self, url: str) -> bool:
        server = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        if server not in self._reachable:
            self._reachable[server] = is_reachable(url)
            if not self._reachable[server]:
                say(f"{server} cannot be reached from here: its programs are built from source")
        return self._reachable[server]


def _place(content: bytes, path: Path) -> Path:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(0o755)
    return fresh.replace(path)
