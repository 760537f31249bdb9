"""Where the local cluster keeps its files."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError

NAME_PATTERN = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
# A unix socket's path holds 107 bytes; the longest below a run folder takes about 50 of them.
LONGEST_RUN_FOLDER = 56


def cache_folder() -> Path:
    """Return the project's cache folder, `$XDG_CACHE_HOME/genmodel`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genmodel"


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner may enter; refuse one that somebody else made."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ClusterError(f"{path} belongs to somebody else; remove it or set XDG_CACHE_HOME to another folder")
    return path


def runs_folder(cache: Path | None = None) -> Path:
    """Return the folder of all runs; it has a short path, because unix sockets live below it."""
    folder = (cache or cache_folder()) / "run"
    if len(str(folder)) + 20 > LONGEST_RUN_FOLDER:
        return private_folder(Path(f"/tmp/genmodel-{os.getuid()}"))
    return private_folder(folder)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one cluster's run."""

    name: str
    root: Path

    @classmethod
    def of(cls, name: str, *, cache: Path | None = None) -> "RunFolder":
        """Return the run folder of the cluster with that name; the name becomes part of file and interface names."""
        if not NAME_PATTERN.fullmatch(name):
            raise ClusterError(f"{name!r} is no name for a cluster: use up to 40 lower-case letters, digits and dashes")
        return cls(name=name, root=runs_folder(cache) / name)

    @property
    def state(self) -> Path:
        """Return the file that says what runs."""
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        """Return the file whose lock guards starting and stopping."""
        return self.root.parent / f"{self.name}.lock"

    @property
    def logs(self) -> Path:
        """Return the folder of the components' logs."""
        return self.root / "logs"

    @property
    def bin(self) -> Path:
        """Return the folder with links to all programs."""
        return self.root / "bin"

    @property
    def pki(self) -> Path:
        """Return the folder of keys and certificates."""
        return self.root / "pki"

    @property
    def config(self) -> Path:
        """Return the folder of the components' configuration files."""
        return self.root / "config"

    def log(self, component: str) -> Path:
        """Return the log file of a component."""
        return self.logs / f"{component}.log"
