"""Fetching in real pods: a kill half way, files that the Hub damages or refuses, and what people are shown."""

import json
import os
import signal
import urllib.request
from typing import Any

import pytest

from examples.demo.models import minilm_model
from examples.demo.steps import CHAT, EMBEDDINGS
from tests.cluster import Cluster
from tests.cluster.progress import wait_until
from tests.platform import Platform
from tests.standing_still import processes_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

WEIGHTS = "model.safetensors"


def prepare_status(platform: Platform, name: str) -> dict[str, Any]:
    pods = platform.pods(name)
    found = pods[0]["status"].get("initContainerStatuses", []) if pods else []
    return found[0] if found else {}


def is_over(platform: Platform, name: str) -> bool:
    return bool(prepare_status(platform, name).get("state", {}).get("terminated", {}).get("exitCode") == 0)


def requested_bytes(platform: Platform, *, size_bytes: int) -> int:
    """Return how many bytes of weights of this size the storage was asked for since the last call."""
    with urllib.request.urlopen(f"http://127.0.0.1:{platform.hub_port}/_log", timeout=30) as answer:
        entries: list[dict[str, Any]] = json.load(answer)
    asked = [entry["range"] for entry in entries if entry["port"] == "cdn" and entry["path"].endswith(WEIGHTS)]
    whole = f"bytes=0-{size_bytes - 1}"
    pairs = [(one or whole).removeprefix("bytes=").partition("-") for one in asked]
    return sum(int(end) + 1 - int(begin) for begin, _, end in pairs)


def test_a_killed_download_goes_on_where_it_was(platform: Platform) -> None:
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("a process of a pod can be killed on a node of our own only")
    size = (minilm_model() / WEIGHTS).stat().st_size
    platform.hub_fault(match=f"/blob/.*{WEIGHTS}", bytes_per_second=3_000_000, times=None)
    platform.wish("killed", EMBEDDINGS)
    try:
        wait_until(
            "half of the weights",
            lambda: platform.received_bytes("killed") >= size / 2,
            timeout_seconds=180,
            every_seconds=0.3,
        )
        uid = platform.pods("killed")[0]["metadata"]["uid"]
        (process,) = processes_of(platform.cluster, uid, "python3")
        os.kill(process, signal.SIGKILL)
        requested_bytes(platform, size_bytes=size)
        wait_until(
            "the container to start again",
            lambda: prepare_status(platform, "killed").get("restartCount") == 1,
            timeout_seconds=120,
            every_seconds=0.2,
        )
        platform.clear_hub_faults()
        wait_until("the weights", lambda: is_over(platform, "killed"), timeout_seconds=180)
        assert prepare_status(platform, "killed")["restartCount"] == 1
        assert requested_bytes(platform, size_bytes=size) <= 0.55 * size
    finally:
        platform.clear_hub_faults()
        platform.delete("killed")


@pytest.mark.parametrize(
    ("fault", "want_reason", "want_words"),
    [
        pytest.param(
            {"match": f"/blob/.*{WEIGHTS}", "flip": 1_000_000},
            "IntegrityFailed",
            (f"{WEIGHTS} differs from the hash that the commit lists; it was fetched twice", "check the mirror"),
            id="damaged weights",
        ),
        pytest.param(
            {"match": "/resolve/.*/tokenizer.json", "status": 403, "msg": "this network is not allowed"},
            "AccessDenied",
            ("refuses tokenizer.json with status 403: this network is not allowed", "replace the token"),
            id="a refused file",
        ),
    ],
)
def test_what_a_person_must_settle_is_shown_and_passes_when_settled(
    platform: Platform, fault: dict[str, Any], want_reason: str, want_words: tuple[str, ...]
) -> None:
    platform.hub_fault(**fault, times=None)
    platform.wish("faulty", CHAT)
    try:
        platform.assert_shown(
            "faulty", reason=want_reason, words=want_words, event=f"Warning {want_reason}", seconds=120
        )
        platform.clear_hub_faults()
        wait_until("the weights", lambda: is_over(platform, "faulty"), timeout_seconds=180)
    finally:
        platform.clear_hub_faults()
        platform.delete("faulty")
