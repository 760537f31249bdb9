"""A branch that moves while a real pod fetches and while it serves: the pod keeps its commit, and people are told.

The decisions themselves are in tests/apiserver/test_drift.py; here the kubelet, the fetch step and the engine are real.
"""

from typing import Any

import pytest

from tests.cluster import Cluster
from tests.cluster.progress import wait_until
from tests.e2e.test_fetch import WEIGHTS, is_over
from tests.platform import MOVING, Platform
from tests.release import Release

pytestmark = [pytest.mark.soak, pytest.mark.e2e, pytest.mark.timeout(1200)]

NAME = "moved"
OFTEN = {"hub.pinnedCheckSeconds": 4, "hub.followCheckSeconds": 4, "hub.branchCacheSeconds": 0}


@pytest.fixture
def often(platform: Platform, release: Release) -> Platform:
    """Return the platform with an operator that looks at branches often, as its team would set it."""
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("the Hub's branches are ours to move on a cluster of our own only")
    release.upgrade(*(part for name, value in OFTEN.items() for part in ("--set", f"{name}={value}")))
    return platform


def test_a_branch_that_moves_while_a_pod_fetches_and_serves(often: Platform) -> None:
    often.hub_fault(match=f"/blob/.*{WEIGHTS}", bytes_per_second=200_000, times=None)
    often.wish(NAME, MOVING)
    try:
        wait_until(
            "bytes of the weights", lambda: often.received_bytes(NAME) > 0, timeout_seconds=120, every_seconds=0.3
        )
        pinned, uid = commit(often), uid_of(often)
        newer = changed(often, "0.5")
        told(often, newer, pinned)
        assert not is_over(often, NAME), "it was told while the pod fetches"
        often.clear_hub_faults()
        often.wait_for(NAME, "Serving")
        assert (commit(often), uid_of(often)) == (pinned, uid), "the pod that fetched serves, and the same commit"
        assert fetched(often) == {pinned}
        assert often.chat(NAME, max_tokens=8)

        newest = changed(often, "0.6")
        told(often, newest, pinned)
        assert often.ready(NAME)["status"] == "True"
        assert (uid_of(often), restarts(often)) == (uid, 0), "nothing happens to a pod that serves"

        often.wish(NAME, MOVING, revision=newest)
        moved_to(often, newest)
        assert fetched(often) == {newest}, "and a commit in between is nobody's"

        often.wish(NAME, MOVING, revision="main", updatePolicy="Follow")
        followed = changed(often, "0.7")
        moved_to(often, followed)
        assert fetched(often) == {followed}
    finally:
        often.clear_hub_faults()
        often.delete(NAME)
        wait_until("its pods to be gone", lambda: often.pods(NAME) == [], timeout_seconds=120)


def changed(platform: Platform, temperature: str) -> str:
    """Move the branch to a new commit with other defaults for requests; return its id."""
    return platform.hub_commit(MOVING, {"generation_config.json": f'{{"temperature": {temperature}}}'})


def told(platform: Platform, to: str, pinned: str) -> None:
    """Wait until it is said where the branch went, that the pin stays, and what a person can do."""
    wait_until(
        "the drift to be said",
        lambda: to in platform.condition(NAME, "Drifted").get("message", ""),
        timeout_seconds=60,
        hint=str(platform.condition(NAME, "Drifted")),
    )
    described = " ".join(platform.cluster.kubectl("describe", "gm", NAME).split())
    assert f"{MOVING}: main has moved from the pinned commit {pinned} to {to}" in described
    assert f"set spec.revision to {to} to serve it, or to {pinned} to stay" in described
    assert "Normal BranchMoved" in described


def moved_to(platform: Platform, to: str) -> None:
    """Wait until one pod is left, which serves this commit and answers."""
    wait_until(
        "the pods of that commit alone",
        lambda: [pod["metadata"]["labels"]["genmodel.dev/commit"] for pod in platform.pods(NAME)] == [to[:12]],
        timeout_seconds=420,
        hint=str(platform.ready(NAME)),
    )
    platform.wait_for(NAME, "Serving")
    assert commit(platform) == to
    assert platform.condition(NAME, "Drifted").get("status") != "True"
    assert platform.chat(NAME, max_tokens=8)


def commit(platform: Platform) -> str:
    return str(platform.get("gm", NAME)["status"]["model"]["commit"])


def only_pod(platform: Platform) -> dict[str, Any]:
    (pod,) = platform.pods(NAME)
    return pod


def uid_of(platform: Platform) -> str:
    return str(only_pod(platform)["metadata"]["uid"])


def restarts(platform: Platform) -> int:
    return sum(int(status["restartCount"]) for status in only_pod(platform)["status"]["containerStatuses"])


def fetched(platform: Platform) -> set[str]:
    """Return the commits of which weights were asked for since the last look."""
    paths = [entry["path"] for entry in platform.hub_log() if entry["path"].startswith(f"/{MOVING}/resolve/")]
    return {path.split("/")[4] for path in paths if path.endswith(WEIGHTS)}
