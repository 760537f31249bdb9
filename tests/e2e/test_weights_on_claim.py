"""Weights on a claim with a real kubelet: brought once by a Job, shared by replicas, served while the Hub is down.

What is served are the embeddings of the reference library.
"""

import json
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from examples.demo.models import reference_embeddings
from examples.demo.steps import EMBEDDINGS, OPERATOR_NAMESPACE
from tests.cluster import Cluster
from tests.cluster.progress import wait_until
from tests.disks import local_volume
from tests.platform import Platform

pytestmark = [pytest.mark.soak, pytest.mark.e2e, pytest.mark.timeout(1200)]

TEXTS = ["A fox tried to reach a bunch of grapes.", "The bank raised its interest rate.", "Snow fell all night."]
STALE, FOREIGN = "a" * 40, "b" * 40


@pytest.fixture
def disk(platform: Platform, tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of a local volume; its class is called ``weights``."""
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("the folder of a volume can be looked into on a node of our own only")
    with local_volume(platform.cluster.kubectl, "weights", tmp_path):
        yield tmp_path
        platform.cluster.kubectl("delete", "pvc", "--all", "--ignore-not-found", "--timeout=60s")


def fetched(platform: Platform) -> list[str]:
    """Paths of the repository that somebody asked the Hub for since the last look."""
    wanted = re.compile(r"/tree/|/resolve/|/blob/")
    return [entry["path"] for entry in platform.hub_log() if wanted.search(entry["path"])]


def servers(platform: Platform, name: str) -> list[dict[str, Any]]:
    alive = [pod for pod in platform.pods(name) if "deletionTimestamp" not in pod["metadata"]]
    return [pod for pod in alive if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "server"]


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True)) / (math.hypot(*left) * math.hypot(*right))


def assert_as_the_reference_library(platform: Platform, name: str) -> None:
    with OpenAI(base_url=platform.endpoint(name), api_key="unused", timeout=120, max_retries=2) as api:
        found = [item.embedding for item in api.embeddings.create(model=name, input=TEXTS).data]
    for mine, reference in zip(found, reference_embeddings(TEXTS), strict=True):
        assert cosine(mine, reference) > 0.9999


def leave(disk: Path, commit: str, claim: str | None) -> Path:
    """What an earlier Job, or somebody else, left on the volume long ago."""
    folder = disk / commit
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"x")
    if claim is not None:
        note = disk / ".used" / commit
        note.write_text(f"{claim}\n")
        for path in (folder, note):
            os.utime(path, (1, 1))
        os.chown(note, 10001, 10001)
    os.chown(folder, 10001, 10001)
    return folder


def test_weights_are_brought_once_and_served_without_the_hub(platform: Platform, disk: Path) -> None:
    cache = {"persistentVolumeClaim": {"storageClassName": "weights", "size": "2Gi"}}
    platform.wish("shared", EMBEDDINGS, replicas=0, cache=cache)
    platform.wait_for_weights("shared", seconds=180)
    ready = platform.ready("shared")
    assert (ready["status"], ready["reason"]) == ("True", "Suspended")
    assert "the weights are on the claim shared-weights and verified" in ready["message"]
    commit = platform.get("gm", "shared")["status"]["model"]["commit"]
    assert (disk / commit / ".genmodel-manifest.json").exists()
    assert servers(platform, "shared") == [], "nothing serves yet"

    platform.hub_fault(match=".", status=503, times=None)
    try:
        platform.hub_log()
        platform.cluster.kubectl("scale", "gm/shared", "--replicas=2")
        wait_until(
            "both replicas",
            lambda: platform.get("gm", "shared")["status"].get("readyReplicas") == 2,
            timeout_seconds=420,
            hint=str(platform.ready("shared")),
        )
        assert_as_the_reference_library(platform, "shared")
        restart_operator(platform)
        assert fetched(platform) == [], "neither the operator nor any pod asks the Hub for a file"
    finally:
        platform.clear_hub_faults()
    platform.cluster.kubectl("scale", "gm/shared", "--replicas=1")
    lost_weights_come_back_and_old_ones_go(platform, disk, commit)
    platform.delete("shared")
    wait_until("the pods to be gone", lambda: platform.pods("shared") == [], timeout_seconds=120)
    assert platform.get("pvc", "shared-weights")["status"]["phase"] == "Bound"
    assert (disk / commit / "model.safetensors").exists(), "the weights outlive the model"


def restart_operator(platform: Platform) -> None:
    """Let another operator take over; what serves is not touched by it."""
    before = {pod["metadata"]["uid"] for pod in servers(platform, "shared")}
    kubectl = platform.cluster.kubectl
    kubectl("-n", OPERATOR_NAMESPACE, "rollout", "restart", "deployment/genmodel")
    kubectl("-n", OPERATOR_NAMESPACE, "rollout", "status", "deployment/genmodel", "--timeout=180s")
    time.sleep(5)
    assert platform.ready("shared")["reason"] == "Serving"
    assert {pod["metadata"]["uid"] for pod in servers(platform, "shared")} == before


def lost_weights_come_back_and_old_ones_go(platform: Platform, disk: Path, commit: str) -> None:
    """A file vanishes; the next pod says so, and the Job that brings it sweeps what nobody uses."""
    claim = platform.get("pvc", "shared-weights")["metadata"]["uid"]
    stale, foreign = leave(disk, STALE, claim), leave(disk, FOREIGN, None)
    wait_until("one replica", lambda: len(servers(platform, "shared")) == 1, timeout_seconds=120)
    first = jobs(platform)
    (disk / commit / "model.safetensors").unlink()
    (old,) = servers(platform, "shared")
    platform.cluster.kubectl("delete", "pod", old["metadata"]["name"], "--force", "--grace-period=0", "--timeout=90s")
    wait_until("WeightsIncomplete makes another Job", lambda: jobs(platform) not in ([], first), timeout_seconds=180)
    wait_until(
        "the new pod",
        lambda: (
            [p["metadata"]["uid"] for p in servers(platform, "shared")] != [old["metadata"]["uid"]]
            and platform.ready("shared").get("reason") == "Serving"
        ),
        timeout_seconds=420,
        hint=str(platform.ready("shared")),
    )
    (pod,) = servers(platform, "shared")
    prepare = pod["status"]["initContainerStatuses"][0]
    assert prepare["restartCount"] == 0, "it waited for the Job"
    log = platform.cluster.kubectl("logs", pod["metadata"]["name"], "-c", "prepare")
    assert "the volume does not hold all verified files" in log
    assert not stale.exists(), "nobody's commit is swept"
    assert foreign.exists(), "what no Job of ours brought stays"
    assert_as_the_reference_library(platform, "shared")


def jobs(platform: Platform) -> list[str]:
    found = json.loads(platform.cluster.kubectl("get", "jobs", "-l", "genmodel.dev/model=shared", "-o", "json"))
    return [job["metadata"]["uid"] for job in found["items"]]
