"""A served model whose engine stands still under load, on a node of our own."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import OpenAIError

from examples.demo.steps import CHAT
from tests.cluster import Cluster
from tests.cluster.cgroups import hierarchies
from tests.platform import Platform


@dataclass(frozen=True, slots=True)
class StandingStill:
    """The pod whose engine was stopped, and when, by the wall clock."""

    name: str
    uid: str
    stopped: float


@contextmanager
def standing_still(platform: Platform, cluster: Cluster, name: str) -> Iterator[StandingStill]:
    """Serve the chat model and stop its engine while clients ask; they ask until its container starts again."""
    platform.wish(name, CHAT)
    platform.wait_for(name, "Serving")
    uid = platform.pods(name)[0]["metadata"]["uid"]
    over = False

    def goes_on() -> bool:
        return not over and server_status(platform, name)["restartCount"] == 0

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(_ask_on, platform, name, goes_on)
        time.sleep(2)
        (core,) = processes_of(cluster, uid, "VLLM::EngineCore")
        os.kill(core, signal.SIGSTOP)
        try:
            yield StandingStill(name, uid, time.time())
        finally:
            over = True


def processes_of(cluster: Cluster, uid: str, title: str) -> list[int]:
    """Return the processes of a pod whose title begins so."""
    groups = [top / f"genmodel-{cluster.name}" for top in hierarchies()]
    files = [file for group in groups for file in group.rglob("cgroup.procs") if uid in str(file)]
    pids = {int(pid) for file in files for pid in file.read_text().split()}
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").read_bytes().decode().startswith(title)]


def server_status(platform: Platform, name: str) -> dict[str, Any]:
    """Return what the kubelet says of the container of the model's only pod."""
    (pod,) = platform.pods(name)
    found: dict[str, Any] = pod["status"]["containerStatuses"][0]
    return found


def _ask_on(platform: Platform, name: str, goes_on: Callable[[], bool]) -> None:
    while goes_on():
        try:
            platform.chat(name, max_tokens=200)
        except OpenAIError:
            # The engine that stands still, then the one that is not there yet.
            time.sleep(0.5)
