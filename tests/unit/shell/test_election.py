"""Whether this process leads, and what the client does with that."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from genmodel_operator.configuration import ConfigurationError
from genmodel_operator.election import Election, build_election
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.errors import NotLeading, Unreachable
from genmodel_operator.kube.kinds import LEASE, SERVICE
from genmodel_operator.kube.transport import Transport
from genmodel_operator.settings import LeaderElectionSettings, Settings

OBJECT = {"metadata": {"namespace": "n", "name": "o", "resourceVersion": "1"}}


class Wire:
    """Notes what is sent; an answer takes as long as the test says."""

    def __init__(self, *, takes_seconds: float = 0.0) -> None:
        self.sent: list[str] = []
        self._takes_seconds = takes_seconds

    async def send(
        self, method: str, path: str, *, query: Sequence[tuple[str, str]], body: bytes | None, content_type: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        self.sent.append(f"{method} {path.rsplit('/', 2)[-2]}")
        await asyncio.sleep(self._takes_seconds)
        return 200, {}, b'{"metadata": {"name": "o", "resourceVersion": "2"}}'


def client(wire: Wire) -> KubeClient:
    return KubeClient(cast(Transport, wire))


@pytest.mark.looptime
async def test_a_single_operator_leads_without_a_lease() -> None:
    wire = Wire()
    kube = client(wire)
    election = build_election(Settings(), kube, instance="pod-a")
    assert election.is_leading()
    await election.run()
    assert election.won.is_set()
    await election.release()
    assert wire.sent == []
    await kube.apply(SERVICE, OBJECT)
    assert wire.sent == ["PATCH services"]


def test_outside_a_pod_the_lease_s_namespace_is_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="GENMODEL_OPERATOR_LEADER_ELECTION__LEASE_NAMESPACE") as caught:
        build_election(Settings(replicas=2), client(Wire()), instance="pod-a")
    assert "replicas is 2" in str(caught.value)


def two_operators(kube: KubeClient) -> Election:
    settings = Settings(replicas=2, leader_election=LeaderElectionSettings(lease_namespace="system"))
    return build_election(settings, kube, instance="pod-a")


@pytest.mark.looptime
async def test_who_does_not_lead_may_read_and_write_only_the_lease() -> None:
    wire = Wire()
    kube = client(wire)
    election = two_operators(kube)
    assert not election.is_leading()
    writes: list[Any] = [
        kube.apply(SERVICE, OBJECT),
        kube.apply_status(SERVICE, OBJECT),
        kube.create(SERVICE, OBJECT),
        kube.replace(SERVICE, OBJECT),
        kube.delete(SERVICE, "n", "o"),
    ]
    for write in writes:
        with pytest.raises(NotLeading, match="does not lead any more"):
            await write
    assert wire.sent == []
    await kube.get(SERVICE, "n", "o")
    await kube.create(LEASE, OBJECT)
    assert wire.sent == ["GET services", "POST n"]


@pytest.mark.looptime
async def test_a_write_that_outlasts_the_lease_is_given_up(looptime: Any) -> None:
    kube = client(Wire(takes_seconds=100))
    kube.fence(lambda: 7.0)
    with pytest.raises(Unreachable):
        await kube.apply(SERVICE, OBJECT)
    assert looptime == 7
