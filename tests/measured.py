"""What the operator keeps of what running servers measured."""

import json
from typing import Any

from examples.demo.steps import OPERATOR_NAMESPACE
from tests.platform import Platform


def measured(platform: Platform, commit: str) -> list[dict[str, Any]]:
    """Return the entries of one commit; none where nothing is kept yet."""
    found = platform.cluster.run(
        ["kubectl", "-n", OPERATOR_NAMESPACE, "get", "configmap", "genmodel-measurements", "-o", "json"], check=False
    )
    entries = json.loads(found.stdout).get("data", {}).values() if found.returncode == 0 else []
    return [entry for entry in map(json.loads, entries) if entry["commit"] == commit]
