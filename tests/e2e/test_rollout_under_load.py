"""A rollout while clients stream, with real vLLM behind a real Service."""

from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.platform import Platform
from tests.rollout_under_load import roll_out

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def test_no_request_fails_while_a_revision_replaces_another(platform: Platform, tmp_path: Path) -> None:
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("the clients need a way into the network of the pods, and another cluster is used")
    rollout = roll_out(platform, "rolling", replicas=1, requests=100, folder=tmp_path)
    assert rollout.report.failed == []
    assert len(rollout.report.answered) >= 100
    assert set(rollout.report.by_kind) == {"kept", "new"}
    assert min(rollout.phases.values()) > 0
    platform.delete("rolling")
