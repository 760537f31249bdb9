"""Prometheus and promtool of Debian's package, unpacked into the cache: nothing is installed and no service starts."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.folders import cache_folder
from tests.cluster.locks import file_lock
from tests.cluster.prerequisites import is_debian, is_root
from tests.cluster.progress import say

PROGRAMS = ("prometheus", "promtool")


@dataclass(frozen=True, slots=True)
class PrometheusTools:
    """The two programs."""

    prometheus: Path
    promtool: Path

    def test_rules(self, folder: Path, document: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        """Run promtool's unit tests of rules; what it says and its exit code."""
        path = folder / "test.json"  # JSON is YAML
        path.write_text(json.dumps(document))
        return self._run("test", "rules", str(path))

    def check_rules(self, path: Path) -> subprocess.CompletedProcess[str]:
        """Let promtool read a rules file."""
        return self._run("check", "rules", str(path))

    def check_config(self, path: Path) -> subprocess.CompletedProcess[str]:
        """Let promtool read a configuration."""
        return self._run("check", "config", str(path))

    def _run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.promtool, *args], capture_output=True, text=True, timeout=120, check=False)


def prometheus_tools() -> PrometheusTools:
    """Return the programs of PATH or of the cache; unpack them there first. Skips where that cannot be done."""
    on_path = [shutil.which(name) for name in PROGRAMS]
    if all(on_path):
        return PrometheusTools(*(Path(found) for found in on_path if found))
    if not is_debian():
        pytest.skip("neither prometheus and promtool on PATH, nor a Debian to take them from")
    folder = cache_folder() / "bin" / "prometheus-debian"
    with file_lock(folder.with_suffix(".lock"), what="unpacking Prometheus"):
        if not folder.exists():
            _unpack(folder)
    return PrometheusTools(*(folder / "usr" / "bin" / name for name in PROGRAMS))


def _unpack(folder: Path) -> None:
    say("taking prometheus and promtool from Debian's package")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        place = Path(made)
        # The user _apt writes nowhere else than where it may; a download as ourselves says so and goes on.
        done = _try(["apt-get", "download", "-q", "prometheus"], place)
        if done.returncode and is_root():
            _try(["apt-get", "update", "-q"], place)
            done = _try(["apt-get", "download", "-q", "prometheus"], place)
        packages = list(place.glob("*.deb"))
        if done.returncode or not packages:
            raise ClusterError(f"apt-get download prometheus failed:\n{done.stderr.strip()}")
        unpacked = _try(["dpkg-deb", "-x", str(packages[0]), "unpacked"], place)
        if unpacked.returncode:
            raise ClusterError(f"dpkg-deb -x {packages[0].name} failed:\n{unpacked.stderr.strip()}")
        (place / "unpacked").rename(folder)


def _try(args: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(args, cwd=place, env=environment, capture_output=True, text=True, check=False)
