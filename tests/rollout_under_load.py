"""A rollout of a served model while clients stream through its Service; what they saw, and when."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from examples.demo.steps import CHAT, ROOT
from tests.cluster import Cluster
from tests.cluster.progress import wait_until
from tests.platform import Platform
from tests.streaming_clients import Report

ROLLOUT_SECONDS = 1200.0
FIRST_TOKENS, SECOND_TOKENS = 256, 320
"""Context lengths of the two revisions."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Moments of a rollout, by the wall clock, and what the clients saw of it."""

    asked: float
    switched: float
    old_gone: float
    report: Report

    def between(self, since: float, until: float) -> int:
        """Return how many answers ended in a time."""
        return sum(since <= moment < until for moment in self.report.answered)

    @property
    def phases(self) -> dict[str, int]:
        """Return answers by phase: all pods old, both there, all pods new."""
        return {
            "before the switch": self.between(0, self.switched),
            "while the old pods drain": self.between(self.switched, self.old_gone),
            "after they are gone": self.between(self.old_gone, float("inf")),
        }


def roll_out(platform: Platform, name: str, *, replicas: int, requests: int, folder: Path) -> Rollout:
    """Serve the chat model, then change its context length while clients ask; the model stays."""
    platform.wish(name, CHAT, replicas=replicas, context={"maxModelLen": FIRST_TOKENS})
    platform.wait_for(name, "Serving", seconds=ROLLOUT_SECONDS)
    first = serving(platform, name)
    stop, report = folder / "enough", folder / "report.json"
    program = [sys.executable, "-m", "tests.streaming_clients", "--url", service_url(platform, name)]
    program += ["--model", name, "--requests", str(requests), "--until", str(stop), "--report", str(report)]
    clients = platform.cluster.popen(program, log=folder / "clients.log", cwd=ROOT)
    time.sleep(5)
    asked = time.time()
    platform.wish(name, CHAT, replicas=replicas, context={"maxModelLen": SECOND_TOKENS})
    wait_until("the switch", lambda: serving(platform, name) != first, timeout_seconds=ROLLOUT_SECONDS)
    switched = time.time()
    wait_until(
        "the old pods to end", lambda: revisions(platform, name) == {serving(platform, name)}, timeout_seconds=300
    )
    old_gone = time.time()
    time.sleep(10)
    stop.touch()
    assert clients.wait(ROLLOUT_SECONDS) == 0, (folder / "clients.log").read_text()
    return Rollout(asked, switched, old_gone, Report.read(report))


def serving(platform: Platform, name: str) -> str:
    """Return the revision that the Service selects."""
    return str(platform.get("service", name)["spec"]["selector"]["genmodel.dev/revision"])


def revisions(platform: Platform, name: str) -> set[str]:
    """Return the revisions of the model's pods, also of those that are ending."""
    return {pod["metadata"]["labels"]["genmodel.dev/revision"] for pod in platform.pods(name)}


def service_url(platform: Platform, name: str) -> str:
    """Return the Service's address as pods reach it: through kube-proxy, with nothing of ours in between."""
    assert isinstance(platform.cluster, Cluster)
    return f"http://{platform.get('service', name)['spec']['clusterIP']}/v1"
