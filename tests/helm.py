"""Real helm on the committed chart."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from genmodel_operator.settings import Settings
from tests.cluster import Cluster

CHART = Path(__file__).parents[1] / "charts" / "genmodel"
RELEASE = "genmodel"
NAMESPACE = "genmodel-system"
KUBE_VERSION = "1.37.2"

Objects = dict[tuple[str, str], dict[str, Any]]


class Helm:
    """Runs helm inside a cluster's namespace, with folders of its own."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        """Take the cluster and an empty folder."""
        self._cluster = cluster
        self._values = home / "values.json"
        self._env = {f"HELM_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}

    def run(self, *args: str, values: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        """Run helm with these values; never fails by itself."""
        self._values.write_text(json.dumps(values or {}))
        options = ["--values", str(self._values)] if values is not None else []
        return self._cluster.run(["helm", *args, *options], check=False, env=self._env)

    def template(self, values: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        """Render the chart without a cluster."""
        return self.run(
            "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", KUBE_VERSION, values=values
        )

    def objects(self, values: Mapping[str, Any] | None = None) -> Objects:
        """Return the rendered objects by kind and name."""
        answer = self.template(values or {})
        assert answer.returncode == 0, answer.stderr
        found = [document for document in yaml.safe_load_all(answer.stdout) if document]
        return {(document["kind"], key_of(document)): document for document in found}


def key_of(document: Mapping[str, Any]) -> str:
    """Return the name of an object, with its namespace where it is not the release's."""
    namespace = document["metadata"].get("namespace", NAMESPACE)
    name = str(document["metadata"]["name"])
    return name if namespace == NAMESPACE else f"{namespace}/{name}"


def settings_of(helm: Helm, values: dict[str, Any]) -> Settings:
    """Return the settings as the operator reads them from the chart's ConfigMap."""
    configs = [found["data"] for (kind, _), found in helm.objects(values).items() if kind == "ConfigMap"]
    (text,) = [data["settings.yaml"] for data in configs if "settings.yaml" in data]
    return Settings.model_validate(yaml.safe_load(text), strict=True)
