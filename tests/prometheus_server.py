"""A real Prometheus inside a cluster's network, with the scrape jobs of the docs and the chart's rules."""

import json
import math
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from scripts.generate.outputs import CHART, ROOT
from tests.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.progress import wait_until
from tests.prometheus_tools import prometheus_tools

PORT = 19090
EVERY = "2s"
"""How often it scrapes and evaluates here: a test cannot wait for the half minutes of the docs."""
JOBS = ROOT / "docs" / "monitoring" / "prometheus.yml"
RULES = CHART / "files" / "genmodel.rules.yaml"

Points = list[tuple[float, float]]


class Prometheus:
    """Answers queries."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, page: str, **values: str) -> Any:
        with urllib.request.urlopen(f"{self._url}/{page}?{urllib.parse.urlencode(values)}", timeout=20) as answer:
            return json.load(answer)["data"]

    def is_up(self) -> bool:
        try:
            self.get("status/buildinfo")
        except OSError:
            return False
        return True

    def values(self, query: str) -> list[float]:
        """Return the present values of a query that are numbers."""
        found = (float(sample["value"][1]) for sample in self.get("query", query=query)["result"])
        return [value for value in found if math.isfinite(value)]

    def series(self, query: str, *, seconds: float) -> list[tuple[dict[str, str], Points]]:
        """Return labels and points of a query's series over the last ``seconds``."""
        end = time.time()
        asked = {"query": query, "start": str(end - seconds), "end": str(end), "step": "2"}
        return [
            (found["metric"], [(float(t), float(v)) for t, v in found["values"] if math.isfinite(float(v))])
            for found in self.get("query_range", **asked)["result"]
        ]

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their health and last error."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def unhealthy_targets(self) -> list[str]:
        """Return what is not scraped, and why."""
        targets = self.get("targets", state="active")["activeTargets"]
        return [f"{target['scrapeUrl']}: {target['lastError']}" for target in targets if target["health"] != "up"]

    def targets(self) -> list[Mapping[str, str]]:
        """Return the labels of what is scraped."""
        return [target["labels"] for target in self.get("targets", state="active")["activeTargets"]]


def ended(process: subprocess.Popen[Any], folder: Path) -> bool:
    """Fail with the end of its log where Prometheus has ended by itself."""
    if process.poll() is not None:
        raise ClusterError(f"Prometheus ended: {(folder / 'prometheus.log').read_text()[-1000:]}")
    return False


def discovered(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """Yield the pods' ports as Kubernetes discovery of the role pod describes them, for relabelling.

    Debian builds Prometheus without that discovery; what it would find is handed to it in a file, once.
    """
    for pod in json.loads(cluster.kubectl("get", "pods", "-A", "-o", "json"))["items"]:
        metadata, address = pod["metadata"], pod["status"].get("podIP")
        about = {"namespace": metadata["namespace"], "pod_name": metadata["name"], "pod_ip": address}
        about |= {f"pod_label_{re.sub('[^a-zA-Z0-9_]', '_', key)}": v for key, v in metadata["labels"].items()}
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", []) if address else []:
                of_port = {"pod_container_name": container["name"], "pod_container_port_name": port.get("name", "")}
                labels = {f"__meta_kubernetes_{name}": value for name, value in (about | of_port).items()}
                yield {"targets": [f"{address}:{port['containerPort']}"], "labels": labels}


@contextmanager
def prometheus_at_work(cluster: Cluster, folder: Path) -> Iterator[Prometheus]:
    """Yield a Prometheus that scrapes the cluster; it ends with the block."""
    config = yaml.safe_load(JOBS.read_text())
    config["global"] = {"scrape_interval": EVERY, "evaluation_interval": EVERY}
    for job in config["scrape_configs"]:
        assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
        job["file_sd_configs"] = [{"files": [str(folder / "pods.json")]}]
    (folder / "pods.json").write_text(json.dumps(list(discovered(cluster))))
    (folder / "genmodel.rules.yaml").write_text(re.sub(r"interval: \w+", f"interval: {EVERY}", RULES.read_text()))
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    args = [f"--config.file={path}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{PORT}"]
    process = cluster.popen([prometheus_tools().prometheus, *args], log=folder / "prometheus.log")
    try:
        found = Prometheus(cluster.forward("127.0.0.1", PORT))
        wait_until("Prometheus", lambda: found.is_up() or ended(process, folder), timeout_seconds=60)
        yield found
    finally:
        process.terminate()
        process.wait(30)
