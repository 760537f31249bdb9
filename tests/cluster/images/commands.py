"""External programs of the image builds; what they print is shown only when they fail."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.prerequisites import install_packages

LAST_LINES = 20


def run(argv: Sequence[str | Path], *, what: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a program to its end and return its standard output; ClusterError with its last lines if it fails."""
    done = subprocess.run(
        [str(one) for one in argv],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:])
        raise ClusterError(f"{what} failed: {argv[0]} ended with {done.returncode}\n{tail}")
    return done.stdout


def compile_bytecode(root: Path) -> None:
    """Compile all Python below root.

    Files in an image have no times of their own, so the bytecode is never compared with its source. The exit
    status is no measure: some packages hold templates that are no Python.
    """
    options = ["-q", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([sys.executable, "-m", "compileall", *options, root], check=False, capture_output=True)


def uv_program() -> Path:
    """Return the uv that the development dependencies bring."""
    from uv import find_uv_bin  # noqa: PLC0415 (only builds need it)

    return Path(find_uv_bin())


def debian_program(name: str, *, package: str) -> Path:
    """Return a program, after installing its Debian package where it is missing and that is possible."""
    if not shutil.which(name):
        install_packages([package])
    found = shutil.which(name)
    if not found:
        raise ClusterError(f"the Debian package {package} brought no {name}")
    return Path(found)
