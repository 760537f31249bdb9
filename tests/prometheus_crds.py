"""The definitions of Prometheus Operator's kinds, from its own release, by way of Go's module cache."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.errors import ClusterError
from tests.cluster.folders import cache_folder
from tests.cluster.golang import ensure_go

MODULE = "github.com/prometheus-operator/prometheus-operator@v0.85.0"


def prometheus_crd(plural: str) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind, such as podmonitors; Go checks the module's hash."""
    path = _module() / "example" / "prometheus-operator-crd" / f"monitoring.coreos.com_{plural}.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def _module() -> Path:
    go = ensure_go(cache_folder())
    with tempfile.TemporaryDirectory() as nowhere:
        done = subprocess.run(
            [go.program, "mod", "download", "-json", MODULE],
            cwd=nowhere,
            env=go.environment() | {"GOFLAGS": ""},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise ClusterError(f"go mod download {MODULE} failed:\n{done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["Dir"])
