"""A thousand streamed answers while two replicas of real vLLM are replaced by two others."""

from pathlib import Path

import pytest

from bench.record import keep
from tests.cluster import Cluster
from tests.platform import Platform
from tests.rollout_under_load import roll_out

pytestmark = [pytest.mark.soak, pytest.mark.e2e, pytest.mark.timeout(3600)]

REQUESTS = 1000
REPLICAS = 2


def test_no_request_of_a_thousand_fails_during_a_rollout(platform: Platform, tmp_path: Path) -> None:
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("the clients need a way into the network of the pods, and another cluster is used")
    rollout = roll_out(platform, "rolling", replicas=REPLICAS, requests=REQUESTS, folder=tmp_path)
    report = rollout.report
    figures = {
        "requests": str(len(report.answered) + len(report.failed)),
        "failed": str(len(report.failed)),
        **{f"answered {phase}": str(count) for phase, count in rollout.phases.items()},
        **{f"on {kind} connections": str(count) for kind, count in sorted(report.by_kind.items())},
        "from the edit to the switch": f"{rollout.switched - rollout.asked:.0f} s",
        "from the switch to the end of the old pods": f"{rollout.old_gone - rollout.switched:.0f} s",
    }
    keep("soak-rollout-under-load", {f"{REPLICAS} replicas, context length changed": figures})
    assert report.failed == []
    assert len(report.answered) >= REQUESTS
    assert min(rollout.phases.values()) > 0
    platform.delete("rolling")
