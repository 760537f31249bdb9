"""The fetch step beside plain clients on the same loopback link, its hashing, and what a kill costs it."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from genmodel_runtime.manifest import Hasher, RemoteFile
from tests.fakes.hub_models import llama_files, without
from tests.fakes.runtime_pod import ROOT, RuntimeProcess, running

REPOSITORY = "acme/large"
WEIGHTS = "model.safetensors"
SIZE_BYTES = 1024**3
LINK_BYTES_PER_SECOND = 125_000_000
"""1 Gbit/s, whatever the number of connections."""
LIMITED_BYTES_PER_SECOND = 100_000_000
"""What a storage gives to one connection."""
MEMORY = "/dev/shm"
"""Source and target lie in memory: the link is measured, not the disk."""
SUM = ("openssl", "dgst", "-sha256")

LIBRARY_CALL = """
import sys
from huggingface_hub import hf_hub_download
hf_hub_download(sys.argv[2], sys.argv[3], revision=sys.argv[4], endpoint=sys.argv[1], local_dir=sys.argv[5])
"""


@dataclass(frozen=True)
class Source:
    """A Hub in a process of its own that serves one large model."""

    url: str
    commit: str

    @property
    def weights_url(self) -> str:
        return f"{self.url}/{REPOSITORY}/resolve/{self.commit}/{WEIGHTS}"

    def requested_bytes(self) -> int:
        """Return how many bytes of the weights the storage was asked for since the last call."""
        with urllib.request.urlopen(f"{self.url}/_log", timeout=30) as answer:
            entries: list[dict[str, Any]] = json.load(answer)
        total = 0
        for entry in entries:
            if entry["port"] == "cdn":
                begin, _, end = (entry["range"] or f"bytes=0-{SIZE_BYTES - 1}").removeprefix("bytes=").partition("-")
                total += int(end) + 1 - int(begin)
        return total

    def environ(self) -> dict[str, str]:
        return {
            "GENMODEL_CONTRACT": "1",
            "GENMODEL_REPOSITORY": REPOSITORY,
            "GENMODEL_COMMIT": self.commit,
            "GENMODEL_ALLOW": "",
            "GENMODEL_EXPECTED_BYTES": "0",
            "HF_ENDPOINT": self.url,
        }


@dataclass(frozen=True)
class Link:
    """A way to the Hub: how it is limited, who is measured on it and how often."""

    name: str
    limit: Sequence[str]
    clients: Sequence[str]
    rounds: int


def measure() -> dict[str, dict[str, str]]:
    """Return all figures: rates by link, hashing, and what is fetched again after a kill."""
    rows: dict[str, dict[str, str]] = {"processes that want a processor": {"before": busy()}}
    with TemporaryDirectory(prefix="genmodel-bench-", dir=MEMORY) as name:
        folder = Path(name)
        model = write_model(folder / "model")
        for link in LINKS:
            with serving(model, *link.limit) as source:
                rows[f"rate, {link.name}"] = rates(source, link, folder)
                if link.limit == EACH_LIMITED:
                    rows["killed at half"] = killed_at_half(source, folder / "killed")
        rows["hashing"] = hashing(model / WEIGHTS)
    rows["processes that want a processor"]["after"] = busy()
    return rows


def busy() -> str:
    """Return the load of the last minute: above the number of cores, all figures are smaller than they could be."""
    return f"{os.getloadavg()[0]:.1f}"


def write_model(folder: Path) -> Path:
    """Write a model with one large file of random bytes."""
    folder.mkdir()
    for path, content in without(llama_files(), WEIGHTS).items():
        if "/" not in path:
            (folder / path).write_bytes(content)
    with (folder / WEIGHTS).open("wb") as stream:
        for _ in range(SIZE_BYTES // 2**24):
            stream.write(os.urandom(2**24))
    return folder


@contextmanager
def serving(model: Path, *limit: str) -> Iterator[Source]:
    """Run the Hub; its hashes are known when it answers."""
    command = [sys.executable, "-m", "tests.fakes.hub", "--model", f"{REPOSITORY}={model}", *limit]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        try:
            yield Source(said["url"], said["models"][REPOSITORY])
        finally:
            process.terminate()


def rates(source: Source, link: Link, folder: Path) -> dict[str, str]:
    """Return each client's rate, the best of some rounds that take turns, and ours beside the plain client's."""
    best = dict.fromkeys(link.clients, 0.0)
    for round_number in range(link.rounds):
        for name in link.clients:
            with TemporaryDirectory(prefix=f"round-{round_number}-", dir=folder) as target:
                started = time.monotonic()
                CLIENTS[name](source, Path(target))
                best[name] = max(best[name], SIZE_BYTES / (time.monotonic() - started))
    beside = {f"beside {name}": f"{100 * best[OURS] / rate:.0f} %" for name, rate in best.items() if name != OURS}
    return {name: f"{rate / 2**20:.0f} MiB/s" for name, rate in best.items()} | beside


def by_fetch(source: Source, target: Path) -> None:
    """Run ``prepare`` as a pod does."""
    with running("prepare", root=target, environ=source.environ()) as pod:
        if pod.wait(600):
            raise RuntimeError(pod.log)


def by_library(source: Source, target: Path) -> None:
    """Use the Hub's own client, which checks the size only."""
    arguments = [source.url, REPOSITORY, WEIGHTS, source.commit, str(target)]
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HOME": str(target / "home")}
    subprocess.run([sys.executable, "-c", LIBRARY_CALL, *arguments], env={**os.environ, **quiet}, check=True)


def by_curl(source: Source, target: Path) -> None:
    """One stream to a file, nothing checked."""
    subprocess.run(["curl", "-sfL", "-o", str(target / WEIGHTS), source.weights_url], check=True)


def by_curl_and_sum(source: Source, target: Path) -> None:
    """One stream to a file, which is hashed afterwards by the fastest that there is."""
    by_curl(source, target)
    subprocess.run([*SUM, str(target / WEIGHTS)], stdout=subprocess.DEVNULL, check=True)


OURS = "fetch step, verified"
PLAIN, SUMMED, LIBRARY = "curl", "curl, then sha256", "huggingface_hub"
CLIENTS: dict[str, Callable[[Source, Path], None]] = {
    OURS: by_fetch,
    PLAIN: by_curl,
    SUMMED: by_curl_and_sum,
    LIBRARY: by_library,
}
EACH_LIMITED = ("--bytes-per-second", str(LIMITED_BYTES_PER_SECOND))
LINKS = (
    Link("1 Gbit/s", ("--link-bytes-per-second", str(LINK_BYTES_PER_SECOND)), list(CLIENTS), 1),
    Link("100 MB/s for each connection", EACH_LIMITED, (OURS, PLAIN), 1),
    # Here the processors are the limit, which the Hub shares with each client.
    Link("loopback", (), list(CLIENTS), 2),
)


def killed_at_half(source: Source, root: Path) -> dict[str, str]:
    """Kill the fetch step with half of the bytes there; return what it asks for when it starts again."""
    with running("prepare", root=root, environ=source.environ()) as pod:
        pod.wait_until(lambda: done_bytes(pod) >= SIZE_BYTES // 2, seconds=120)
        pod.process.kill()
        pod.wait()
    # What it asked for last reaches the log a little later.
    time.sleep(0.5)
    source.requested_bytes()
    by_fetch(source, root)
    return {"asked for again": f"{100 * source.requested_bytes() / SIZE_BYTES:.1f} % of the file"}


def done_bytes(pod: RuntimeProcess) -> int:
    """Return the bytes that the pod says it has."""
    return int(pod.status().get("download", {}).get("bytesDone", 0)) if pod.is_up() else 0


def hashing(path: Path) -> dict[str, str]:
    """Return the rate of our hashing and of OpenSSL's command on one core."""
    remote = RemoteFile(WEIGHTS, SIZE_BYTES, "0" * 40, "0" * 64)
    return {
        "fetch step": _gib_per_second(lambda: _hash(Hasher(remote), path)),
        "openssl": _gib_per_second(lambda: subprocess.run([*SUM, str(path)], stdout=subprocess.DEVNULL, check=True)),
    }


def _hash(hasher: Hasher, path: Path) -> None:
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(2**20):
            hasher.update(chunk)


def _gib_per_second(action: Callable[[], object]) -> str:
    """Return the rate by processor time, which other processes beside do not change much."""
    best = float("inf")
    for _ in range(2):
        started = sum(os.times()[:4])
        action()
        best = min(best, sum(os.times()[:4]) - started)
    return f"{SIZE_BYTES / best / 2**30:.2f} GiB/s of a core"
