"""A fetch step with its own pieces and patience: a pod on this node, or on another one.

As a command: ``python -m tests.fakes.fetching DOCUMENT`` prints ``done``, or the reason of a failure.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genmodel_runtime.contract import Phase
from genmodel_runtime.fetch import Fetch
from genmodel_runtime.refusals import FetchFailed
from genmodel_runtime.settings import PodPaths, PrepareSettings
from genmodel_runtime.state import RuntimeState
from genmodel_runtime.volume import Volume, VolumeBroken
from tests.fakes.hub_store import Repository
from tests.fakes.runtime_pod import ROOT, pod_root


@dataclass
class FetchProcess:
    """A running fetch step; its output is in ``log_path``."""

    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def wait(self, seconds: float = 60) -> str:
        """Return its last line, which says how it ended."""
        self.process.wait(seconds)
        return self.log.splitlines()[-1]


@contextmanager
def fetching(root: Path, hub_url: str, repository: Repository, **options: Any) -> Iterator[FetchProcess]:
    """Run a fetch step in a process of its own, which is killed at the end."""
    root.mkdir(parents=True, exist_ok=True)
    document = {"root": str(root), "endpoint": hub_url, "repository": repository.id, "commit": repository.refs["main"]}
    log_path = root / "log.txt"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.fetching", json.dumps(document | options)],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT / 'runtime'}:{ROOT / 'operator'}:{ROOT}"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield FetchProcess(process, log_path)
    finally:
        process.kill()
        process.wait()


def fetch(settings: PrepareSettings, *, stale_seconds: float = 30, has_locks: bool = True) -> str:
    """Run a fetch step; return ``done``, or the reason of a failure."""
    volume = Volume(settings.paths.models_dir, settings.commit, stale_seconds=stale_seconds, has_locks=has_locks)
    try:
        Fetch(settings, state=RuntimeState(Phase.CHECKING), volume=volume).run()
    except (FetchFailed, VolumeBroken) as error:
        return f"{error.failure.reason.value}: {error.failure.message}"
    return "done"


def main(document: dict[str, Any]) -> None:
    root = Path(document.pop("root"))
    lease = {name: document.pop(name) for name in ("stale_seconds", "has_locks") if name in document}
    settings = PrepareSettings(paths=PodPaths.under(pod_root(root)), first_pause_seconds=0.02, **document)
    print(fetch(settings, **lease), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
