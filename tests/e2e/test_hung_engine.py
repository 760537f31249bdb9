"""An engine that stands still under load, in a real pod: replaced in time, said where people look, served again."""

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI, OpenAIError

from examples.demo.steps import CHAT
from tests.cluster import Cluster
from tests.cluster.cgroups import hierarchies
from tests.cluster.progress import wait_until
from tests.platform import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

REPLACED_SECONDS = 150.0
"""From the moment in which the engine stops to the end of its container."""


def processes_of(cluster: Cluster, uid: str, title: str) -> list[int]:
    """Return the processes of a pod whose title begins so."""
    groups = [top / f"genmodel-{cluster.name}" for top in hierarchies()]
    files = [file for group in groups for file in group.rglob("cgroup.procs") if uid in str(file)]
    pids = {int(pid) for file in files for pid in file.read_text().split()}
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").read_bytes().decode().startswith(title)]


def server_status(platform: Platform, name: str) -> dict[str, Any]:
    (pod,) = platform.pods(name)
    found: dict[str, Any] = pod["status"]["containerStatuses"][0]
    return found


def ask(platform: Platform, name: str, max_tokens: int) -> str:
    with OpenAI(base_url=platform.endpoint(name), api_key="unused", timeout=300, max_retries=0) as api:
        message = {"role": "user", "content": "Tell me a fable."}
        answer = api.chat.completions.create(model=name, messages=[message], max_tokens=max_tokens)  # type: ignore[list-item]
        return str(answer.choices[0].message.content)


def ask_on(platform: Platform, name: str, goes_on: Callable[[], bool]) -> None:
    while goes_on():
        try:
            ask(platform, name, 200)
        except OpenAIError:
            # The engine that stands still, then the one that is not there yet.
            time.sleep(0.5)


def test_an_engine_that_stands_still_is_replaced(platform: Platform) -> None:
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("the engine's process can be stopped on a node of our own only")
    platform.wish("stuck", CHAT)
    platform.wait_for("stuck", "Serving")
    uid = platform.pods("stuck")[0]["metadata"]["uid"]
    seen: set[str] = set()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(ask_on, platform, "stuck", lambda: server_status(platform, "stuck")["restartCount"] == 0)
        time.sleep(2)
        (core,) = processes_of(platform.cluster, uid, "VLLM::EngineCore")
        os.kill(core, signal.SIGSTOP)
        stopped = time.monotonic()

        def ended() -> bool:
            said = platform.ready("stuck")
            seen.add(f"{said.get('reason')}: {said.get('message')}")
            return "terminated" in server_status(platform, "stuck").get("lastState", {})

        wait_until("the end of the container", ended, timeout_seconds=REPLACED_SECONDS + 30)
        took_seconds = time.monotonic() - stopped
    last = server_status(platform, "stuck")["lastState"]["terminated"]
    said = json.loads(last["message"])
    assert (last["exitCode"], said["reason"]) == (23, "EngineHung"), said
    assert "made no step for" in said["message"]
    assert took_seconds < REPLACED_SECONDS
    platform.wait_for("stuck", "Serving")
    assert ask(platform, "stuck", 10)
    assert platform.pods("stuck")[0]["metadata"]["uid"] == uid
    assert server_status(platform, "stuck")["restartCount"] == 1
    assert any("EngineHung" in words for words in (*seen, *events(platform, "stuck"))), seen
    platform.delete("stuck")


def events(platform: Platform, name: str) -> list[str]:
    """Return what the model's Events say."""
    printed = platform.cluster.kubectl(
        "get", "events", "--field-selector", f"involvedObject.kind=GenerativeModel,involvedObject.name={name}",
        "-o", "json",
    )  # fmt: skip
    return [f"{one['reason']}: {one['message']}" for one in json.loads(printed)["items"]]
