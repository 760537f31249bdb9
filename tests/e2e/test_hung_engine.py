"""An engine that stands still under load, in a real pod: replaced in time, said where people look, served again."""

import json
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.cluster import Cluster
from tests.cluster.progress import wait_until
from tests.platform import Platform
from tests.standing_still import StandingStill, server_status, standing_still

pytestmark = [pytest.mark.soak, pytest.mark.e2e, pytest.mark.timeout(1200)]

REPLACED_SECONDS = 150.0
"""From the moment in which the engine stops to the end of its container."""


@pytest.fixture
def stuck(platform: Platform) -> Iterator[StandingStill]:
    """Yield a model whose engine was just stopped."""
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("the engine's process can be stopped on a node of our own only")
    with standing_still(platform, platform.cluster, "stuck") as found:
        yield found


def test_an_engine_that_stands_still_is_replaced(platform: Platform, stuck: StandingStill) -> None:
    name = stuck.name
    wait_until(
        "the end of the container",
        lambda: "terminated" in server_status(platform, name).get("lastState", {}),
        timeout_seconds=REPLACED_SECONDS + 30,
    )
    last = server_status(platform, name)["lastState"]["terminated"]
    said = json.loads(last["message"])
    assert (last["exitCode"], said["reason"]) == (23, "EngineHung"), said
    assert "made no step for" in said["message"]
    assert datetime.fromisoformat(last["finishedAt"]).timestamp() - stuck.stopped < REPLACED_SECONDS
    platform.wait_for(name, "Serving")
    assert platform.chat(name, max_tokens=10)
    assert platform.pods(name)[0]["metadata"]["uid"] == stuck.uid
    assert server_status(platform, name)["restartCount"] == 1
    told = events(platform, name)
    assert any("EngineHung" in words for words in told), told
    platform.delete(name)


def events(platform: Platform, name: str) -> list[str]:
    """Return what the model's Events say."""
    printed = platform.cluster.kubectl(
        "get", "events", "--field-selector", f"involvedObject.kind=GenerativeModel,involvedObject.name={name}",
        "-o", "json",
    )  # fmt: skip
    return [f"{one['reason']}: {one['message']}" for one in json.loads(printed)["items"]]
