"""What is scanned: the chart with each of its sets of values, and the objects of models as they are applied."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.helm import CHART, KUBE_VERSION, RELEASE, Helm

GOLDEN = Path(__file__).parents[1] / "golden"
VALUE_SETS = sorted((CHART / "ci").glob("*-values.yaml"))
CANARY = "canary"
"""Namespace of an object that every scanner must find fault with."""
BAD_POD: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "bad", "namespace": CANARY},
    "spec": {"containers": [{"name": "bad", "image": "bad:latest", "imagePullPolicie": "Never"}]},
}


def write_material(folder: Path, helm: Helm) -> None:
    """Write a file for each set of values and each golden rendering, in a namespace named like the file."""
    for values in VALUE_SETS:
        namespace = f"chart-{values.stem.removesuffix('-values')}"
        options = ["--namespace", namespace, "--kube-version", KUBE_VERSION, "--values", str(values)]
        answer = helm.run("template", RELEASE, str(CHART), *options)
        assert answer.returncode == 0, answer.stderr
        (folder / f"{namespace}.yaml").write_text(answer.stdout)
    for golden in sorted(GOLDEN.glob("*.yaml")):
        namespace = f"model-{golden.stem}"
        _write(folder, namespace, yaml.safe_load_all(golden.read_text()))
    _write(folder, CANARY, [dict(BAD_POD)])


def _write(folder: Path, namespace: str, objects: Iterable[dict[str, Any]]) -> None:
    """Write objects as if they were of this namespace, so that none is judged by the policies of another file."""
    moved = [{**found, "metadata": {**found["metadata"], "namespace": namespace}} for found in objects]
    (folder / f"{namespace}.yaml").write_text(yaml.safe_dump_all(moved, sort_keys=False))
