"""The chart's life on real parts with a model that serves: checked, upgraded, taken away, and put back."""

import json
import time

import pytest

from examples.demo.steps import OPERATOR_NAMESPACE
from tests import audited
from tests.cluster.progress import wait_until
from tests.platform import Platform
from tests.release import RELEASE, Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NOBODY = "http://127.0.0.1:9"


def pods_of(platform: Platform, name: str) -> list[tuple[str, int]]:
    """The model's pods, with how often their containers were started again."""
    return [
        (pod["metadata"]["uid"], sum(one["restartCount"] for one in pod["status"]["containerStatuses"]))
        for pod in platform.pods(name)
    ]


def has_update(platform: Platform, name: str) -> bool:
    conditions = platform.get("gm", name)["status"]["conditions"]
    return any((found["type"], found["status"]) == ("UpdateAvailable", "True") for found in conditions)


def test_a_model_serves_through_check_upgrade_removal_and_return(
    platform: Platform, release: Release, fables: str
) -> None:
    said = release.check()
    assert "ok    generativemodels.genmodel.dev is served with every field of version" in said
    assert "rights that the operator needs are there" in said
    assert "ok    the Hub http://" in said
    assert "FAIL" not in said

    before, first = pods_of(platform, fables), platform.chat(fables, max_tokens=8)
    assert [restarts for _, restarts in before] == [0]

    # What a new release changes: how pods are rendered. It is offered, and nothing is restarted for it.
    # The proxy does not exist: the API server is reached past it.
    release.upgrade("--set", "engines.drainSeconds=19", "--set", f"proxy.httpsProxy={NOBODY}")
    wait_until("the update to be offered", lambda: has_update(platform, fables), timeout_seconds=120)
    assert pods_of(platform, fables) == before

    # A broken installation says what is wrong with it. The operator of before is gone, so nobody waits for it.
    broken = audited.now()
    values = ("--set", f"hub.endpoint={NOBODY}", "--set", "rbac.create=false", "--set", "hub.timeoutSeconds=3")
    release.run("upgrade", RELEASE, "charts/genmodel", "--reuse-values", *values)
    said = release.check(passes=False)
    assert f"FAIL  {NOBODY} does not answer" in said
    assert "FAIL  patch generativemodels/status.genmodel.dev in the whole cluster: missing" in said
    assert "ok    generativemodels.genmodel.dev is served" in said

    release.run("uninstall", RELEASE, "--wait")
    left = json.loads(platform.cluster.kubectl("-n", OPERATOR_NAMESPACE, "get", "deploy,sa,role,lease", "-o", "json"))
    assert [found["metadata"]["name"] for found in left["items"] if found["metadata"]["name"] != "default"] == []
    assert pods_of(platform, fables) == before
    assert platform.chat(fables, max_tokens=8) == first

    began = time.monotonic()
    notes = release.upgrade()
    print(f"install to ready: {time.monotonic() - began:.1f} s")
    platform.without_rights.append((broken, audited.now()))
    assert "helm uninstall ends the operator and leaves the models serving" in notes
    platform.wait_for(fables, "Serving")
    wait_until("nothing to be offered any more", lambda: not has_update(platform, fables), timeout_seconds=120)
    assert pods_of(platform, fables) == before
    assert platform.chat(fables, max_tokens=8) == first
