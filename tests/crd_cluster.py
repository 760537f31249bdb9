"""The committed CRD on a real API server, and what kubectl answers there."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster import Cluster

CRD_FILE = Path(__file__).parents[1] / "crds" / "genmodel.dev_generativemodels.yaml"


def install_crd(cluster: Cluster) -> None:
    """Apply the committed CRD and wait until its kind is served."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD_FILE))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRD_FILE))


def try_apply(cluster: Cluster, document: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Let the API server judge an object as kubectl apply would, without keeping it."""
    return cluster.run(
        ["kubectl", "create", "--dry-run=server", "-o", "json", "-f", "-"], input=json.dumps(document), check=False
    )
