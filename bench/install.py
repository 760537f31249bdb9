"""What a platform team waits for: the chart rendered, and installed until the operator is ready.

Beside the rendering, helm renders a chart of one ConfigMap; beside the installation, a plain client makes a
Deployment of the same image with the same probe by hand, and waits until it is available.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from examples.demo.steps import image_values
from tests.cluster import Cluster
from tests.cluster.images import OPERATOR_IMAGE, operator_image
from tests.helm import CHART, KUBE_VERSION, NAMESPACE, RELEASE, Helm, Objects

ROUNDS = 3
RENDERS = 5
FLOOR = "floor"
ANSWERS = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
HTTPServer(("", 8080), Ready).serve_forever()
"""
"""All that the floor's container does: say that it is ready, from the first moment."""


def measure(root: Path) -> dict[str, dict[str, str]]:
    """Return the figures of both, each with its floor; starts a cluster with a real node."""
    with Cluster("bench", real_node=True) as cluster, TemporaryDirectory() as home:
        cluster.import_image(operator_image(root))
        helm = Helm(cluster, Path(home))
        return {"render": rendering(helm, Path(home)), "install": installing(cluster, helm)}


def rendering(helm: Helm, home: Path) -> dict[str, str]:
    """Render the chart and a chart of one ConfigMap, in turns."""
    small = write_small_chart(home / "small")
    ours, floors = [], []
    for _ in range(RENDERS):
        floors.append(seconds_of(lambda: _run(helm, *_TEMPLATE, str(small))))
        ours.append(seconds_of(lambda: _run(helm, *_TEMPLATE, str(CHART))))
    return figures(ours, floors, floor="floor: a chart of one ConfigMap")


def installing(cluster: Cluster, helm: Helm) -> dict[str, str]:
    """Install the chart and take it away, in turns with the floor; the image is on the node."""
    values = as_tree(image_values(OPERATOR_IMAGE))
    floor = floor_deployment(helm.objects(values))
    cluster.kubectl("create", "namespace", NAMESPACE)
    ours, floors = [], []
    for _ in range(ROUNDS):
        floors.append(seconds_of(lambda: _make_by_hand(cluster, floor)))
        cluster.kubectl("delete", "deployment", FLOOR, "--namespace", NAMESPACE, "--cascade=foreground")
        ours.append(seconds_of(lambda: _run(helm, "install", RELEASE, str(CHART), *_WAIT, values=values)))
        _run(helm, "uninstall", RELEASE, *_WAIT)
    return figures(ours, floors, floor="floor: a Deployment of the image by hand")


_TEMPLATE = ("template", RELEASE, "--namespace", NAMESPACE, "--kube-version", KUBE_VERSION)
_WAIT = ("--namespace", NAMESPACE, "--wait", "--timeout", "2m")


def _make_by_hand(cluster: Cluster, floor: dict[str, Any]) -> None:
    cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(floor))
    cluster.kubectl("rollout", "status", f"deployment/{FLOOR}", "--namespace", NAMESPACE, "--timeout=2m")


def floor_deployment(objects: Objects) -> dict[str, Any]:
    """Return the operator's Deployment with nothing in it but the image, its rights and its readiness probe."""
    rendered = next(found for (kind, _), found in objects.items() if kind == "Deployment")
    container = rendered["spec"]["template"]["spec"]["containers"][0]
    kept = {key: container[key] for key in ("name", "image", "imagePullPolicy", "ports", "readinessProbe", "resources")}
    labels = {"app": FLOOR}
    pod = {"containers": [kept | {"command": ["python3", "-c", ANSWERS]}], "automountServiceAccountToken": False}
    pod |= {
        "terminationGracePeriodSeconds": 0,
        "securityContext": rendered["spec"]["template"]["spec"]["securityContext"],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": FLOOR, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def figures(ours: list[float], floors: list[float], *, floor: str) -> dict[str, str]:
    """Return medians, the worst, and the ratio to the floor."""
    return {
        "runs": str(len(ours)),
        "median": f"{median(ours):.2f} s",
        "worst": f"{max(ours):.2f} s",
        floor: f"{median(floors):.2f} s",
        "x floor": f"{median(ours) / median(floors):.2f}",
    }


def as_tree(values: dict[str, str]) -> dict[str, Any]:
    """Return values by dotted names as the tree that a values file holds."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *path, last = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def write_small_chart(folder: Path) -> Path:
    """Write a chart that renders one ConfigMap."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: small\nversion: 0.0.1\n")
    (folder / "templates" / "config.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: small\n")
    return folder


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _run(helm: Helm, *args: str, values: dict[str, Any] | None = None) -> None:
    done = helm.run(*args, values=values)
    if done.returncode != 0:
        raise RuntimeError(f"helm {args[0]} failed: {done.stderr}")
