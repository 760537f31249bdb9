"""Devices of a namespace's models: granted, read after a restart, and given back."""

from typing import Any

import pytest

from genmodel_operator.controller.devices import DeviceLedger
from genmodel_operator.controller.queue import Key
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.kinds import DEPLOYMENT

A, B, C = Key("team-a", "a"), Key("team-a", "b"), Key("team-a", "c")
ELSEWHERE = Key("team-b", "a")


class Rig:
    def __init__(self) -> None:
        self.cache = ChildCache()
        self.woken: list[Key] = []
        self.ledger = DeviceLedger(self.cache, wake=self.woken.append)
        self._version = 0

    def see(self, key: Key, devices: int, *, replicas: int = 1, revision: str = "0000000000") -> None:
        """Have a Deployment of a model in the watch cache."""
        self._version += 1
        limits: dict[str, Any] = {"nvidia.com/gpu": str(devices)}
        self.cache.put(
            DEPLOYMENT,
            {
                "metadata": {
                    "namespace": key.namespace,
                    "name": f"{key.name}-{revision}",
                    "uid": f"{key.name}{revision}",
                    "resourceVersion": str(self._version),
                    "labels": {"genmodel.dev/model": key.name},
                },
                "spec": {
                    "replicas": replicas,
                    "template": {"spec": {"containers": [{"name": "server", "resources": {"limits": limits}}]}},
                },
            },
        )


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_nothing_is_used_at_first(rig: Rig) -> None:
    assert rig.ledger.used_by_others(A) == 0


def test_what_others_of_the_namespace_were_granted_counts(rig: Rig) -> None:
    for key, devices in ((A, 1), (B, 2), (C, 4), (ELSEWHERE, 8)):
        rig.ledger.grant(key, devices)
    assert rig.ledger.used_by_others(A) == 6
    assert rig.ledger.used_by_others(C) == 3
    assert rig.ledger.used_by_others(Key("team-b", "new")) == 8


def test_a_grant_takes_the_place_of_the_one_before(rig: Rig) -> None:
    rig.ledger.grant(B, 4)
    rig.ledger.grant(B, 1)
    assert rig.ledger.used_by_others(A) == 1


def test_after_a_restart_the_deployments_tell(rig: Rig) -> None:
    rig.see(B, 2, replicas=2)
    rig.see(C, 1, revision="1111111111")
    rig.see(C, 1, revision="2222222222")
    rig.see(ELSEWHERE, 8)
    assert rig.ledger.used_by_others(A) == 6
    rig.ledger.grant(C, 1)
    assert rig.ledger.used_by_others(A) == 5, "what it was granted now, not both of its revisions"


def test_a_deployment_that_changed_is_read_again(rig: Rig) -> None:
    rig.see(B, 2)
    assert rig.ledger.used_by_others(A) == 2
    rig.see(B, 2, replicas=3)
    assert rig.ledger.used_by_others(A) == 6


@pytest.mark.parametrize(
    ("given_back", "want"),
    [
        pytest.param(lambda ledger: ledger.forget(B), [A], id="a model is deleted"),
        pytest.param(lambda ledger: ledger.grant(B, 1), [A], id="a model gets smaller"),
        pytest.param(lambda ledger: ledger.grant(B, 2), [], id="nothing changes"),
        pytest.param(lambda ledger: ledger.grant(B, 3), [], id="a model gets larger"),
        pytest.param(lambda ledger: ledger.forget(ELSEWHERE), [], id="a model of another namespace is deleted"),
    ],
)
def test_who_waits_is_woken_when_devices_are_given_back(rig: Rig, given_back: Any, want: list[Key]) -> None:
    rig.ledger.grant(B, 2)
    rig.ledger.wait(A)
    given_back(rig.ledger)
    assert rig.woken == want


def test_who_got_devices_or_is_gone_waits_no_more(rig: Rig) -> None:
    rig.ledger.grant(B, 2)
    rig.ledger.wait(A)
    rig.ledger.wait(C)
    rig.ledger.grant(A, 1)
    rig.ledger.forget(C)
    rig.woken.clear()
    rig.ledger.grant(B, 0)
    assert rig.woken == []
