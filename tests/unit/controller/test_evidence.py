"""What is read about pods in trouble, and when: only what their own status does not tell, and not too often."""

from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from genmodel_operator.causes import Evidence
from genmodel_operator.controller.context import Context
from genmodel_operator.controller.evidence import KEEP_SECONDS, EvidenceReader, look_closer, news_in_seconds
from genmodel_operator.kube.errors import Forbidden
from genmodel_operator.kube.kinds import Kind
from tests.builders import a_model
from tests.builders_evidence import NOW, a_node, an_event
from tests.builders_pods import REVISION, a_pod, a_ready_pod, container, in_prepare, in_server

MOMENT = datetime.fromisoformat(NOW)


class Client:
    """Lists Events and one node; refuses while ``error`` is set."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.error: Exception | None = None

    async def list(
        self, kind: Kind, namespace: str | None = None, *, field_selector: str | None = None
    ) -> list[dict[str, Any]]:
        self.asked.append((kind.kind, namespace, field_selector))
        if self.error is not None:
            raise self.error
        return [a_node()] if kind.kind == "Node" else [an_event("TriggeredScaleUp", "grows")]


class Rig:
    def __init__(self) -> None:
        self.client, self.seconds = Client(), 100.0
        self.reader = EvidenceReader(self.client, clock=lambda: self.seconds)

    async def kinds(self, *pods: dict[str, Any], runtimes: Mapping[str, Any] | None = None) -> list[str]:
        """What was asked for about these pods."""
        before = len(self.client.asked)
        await self.reader.read(list(pods), dict(runtimes or {}), now=NOW)
        return [kind for kind, _, _ in self.client.asked[before:]]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def since(pod: dict[str, Any], placed: str, *, stamp: str = "2026-11-26T18:39:00Z", uid: str = "u") -> dict[str, Any]:
    """A pod on which the scheduler decided then."""
    decided = {"type": "PodScheduled", "status": placed, "lastTransitionTime": stamp}
    kept = [c for c in pod["status"].get("conditions", []) if c["type"] != "PodScheduled"]
    pod["status"]["conditions"] = [decided, *kept]
    pod["metadata"]["uid"] = uid
    return pod


def was_ready() -> dict[str, Any]:
    server = {**container("server", running={}), "ready": True}
    return since(in_server(server), "True")


CRASHED = container("server", waiting={"reason": "CrashLoopBackOff"}, last={"exitCode": 1, "message": "x"})
KILLED = container("server", waiting={"reason": "CrashLoopBackOff"}, last={"exitCode": 137})


@pytest.mark.parametrize(
    ("pod", "phase", "want"),
    [
        pytest.param(a_ready_pod(), "Serving", [], id="ready"),
        pytest.param(a_pod(), None, [], id="new"),
        pytest.param(since(a_pod(), "False"), None, ["Event"], id="finds no node"),
        pytest.param(since(a_pod(), "True", stamp="2026-11-26T18:39:58Z"), None, [], id="placed a moment ago"),
        pytest.param(since(a_pod(), "True"), None, ["Event", "Node"], id="placed long ago, nothing started"),
        pytest.param(since(in_prepare(container("prepare", running={})), "True"), "Downloading", [], id="downloads"),
        pytest.param(since(in_server(container("server", running={})), "True"), "Loading", [], id="loads"),
        pytest.param(since(in_server(container("server", running={})), "True"), "Serving", ["Event"], id="not noticed"),
        pytest.param(since(in_server(CRASHED), "True"), None, ["Node"], id="crashed with words"),
        pytest.param(since(in_server(KILLED), "True"), None, ["Event", "Node"], id="killed without words"),
        pytest.param(was_ready(), None, ["Node"], id="was ready, the cluster says it is not"),
        pytest.param(a_pod(phase="Failed", reason="Evicted"), None, [], id="evicted"),
    ],
)
async def test_only_what_the_pod_does_not_tell_is_read(
    rig: Rig, pod: dict[str, Any], phase: str | None, want: list[str]
) -> None:
    assert await rig.kinds(pod, runtimes={"mistral-a": {"phase": phase}} if phase else {}) == want


async def test_events_are_asked_by_the_pod_s_uid_and_nodes_by_name(rig: Rig) -> None:
    found = await rig.reader.read([since(a_pod(), "True", uid="the-uid")], {}, now=NOW)
    assert rig.client.asked == [
        ("Event", "team-a", "regarding.uid=the-uid"),
        ("Node", None, "metadata.name=node-1"),
    ]
    assert [event["note"] for event in found.events["mistral-a"]] == ["grows"]
    assert found.nodes["node-1"] == a_node()
    assert found.now == MOMENT


async def test_an_answer_is_used_for_some_seconds(rig: Rig) -> None:
    pod = since(a_pod(), "False")
    assert await rig.kinds(pod) == ["Event"]
    assert await rig.kinds(pod) == []
    rig.seconds += KEEP_SECONDS
    assert await rig.kinds(pod) == ["Event"]


async def test_an_answer_from_before_the_trouble_is_read_again_soon(rig: Rig) -> None:
    pod = since(in_server(CRASHED), "True")
    assert (await rig.reader.read([pod], {}, now=NOW)).old_in_seconds is None
    rig.seconds += 1.5
    assert (await rig.reader.read([pod], {}, now=NOW)).old_in_seconds == KEEP_SECONDS - 1.5
    rig.seconds += KEEP_SECONDS - 1.5
    assert (await rig.reader.read([pod], {}, now=NOW)).old_in_seconds is None


async def test_a_pod_without_trouble_asks_for_no_other_look(rig: Rig) -> None:
    assert (await rig.reader.read([a_ready_pod()], {}, now=NOW)).old_in_seconds is None


async def test_of_many_pods_in_the_same_trouble_a_few_are_looked_at(rig: Rig) -> None:
    pods = [since(a_pod(f"p{number}"), "False", uid=str(number)) for number in range(50)]
    assert len(await rig.kinds(*pods)) == 4


async def test_what_may_not_be_read_is_unknown_and_logged(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.client.error = Forbidden("events is forbidden", status=403)
    found = await rig.reader.read([since(a_pod(), "True")], {}, now=NOW)
    assert found.events == {"mistral-a": []}
    assert found.nodes == {}, "a node that cannot be read is not a node that is gone"
    assert "events about a pod in trouble cannot be read" in caplog.text


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        pytest.param(a_ready_pod(), None, id="ready"),
        pytest.param(since(a_pod(), "False"), 10.0, id="finds no node"),
        pytest.param(since(a_pod(), "False", stamp="2026-11-26T18:00:00Z"), 60.0, id="finds none for long"),
        pytest.param(since(a_pod(), "True"), 5.0, id="not started"),
        pytest.param(since(in_server(container("server", running={})), "True"), None, id="its runtime is asked"),
    ],
)
def test_it_is_looked_at_again_while_only_time_brings_news(pod: dict[str, Any], want: float | None) -> None:
    assert news_in_seconds(pod, MOMENT) == want


class Source:
    """Takes down about which pods it was asked."""

    def __init__(self, *, old_in_seconds: float | None = None) -> None:
        self.asked: list[str] = []
        self.old_in_seconds = old_in_seconds

    async def read(self, pods: list[dict[str, Any]], runtimes: Mapping[str, Any], *, now: str) -> Evidence:
        self.asked += [pod["metadata"]["name"] for pod in pods]
        return Evidence(now=datetime.fromisoformat(now), old_in_seconds=self.old_in_seconds)


async def test_the_step_looks_at_the_wished_revision_and_comes_back_for_news() -> None:
    source = Source()
    tools = SimpleNamespace(evidence=source, now=lambda: NOW)
    stuck, old = since(a_pod("stuck"), "False"), since(a_pod("old", revision="aaaaaaaaaa"), "False")
    ctx = Context(tools=tools, model=a_model(), resync=False, serving=REVISION, pods=[stuck, old])  # type: ignore[arg-type]
    await look_closer(ctx)
    assert source.asked == ["stuck"]
    assert ctx.after_seconds == 10.0
    assert ctx.evidence.now == MOMENT


async def test_the_step_comes_back_when_what_it_read_was_old() -> None:
    tools = SimpleNamespace(evidence=Source(old_in_seconds=2.5), now=lambda: NOW)
    crashed = since(in_server(CRASHED), "True")
    ctx = Context(tools=tools, model=a_model(), resync=False, serving=REVISION, pods=[crashed])  # type: ignore[arg-type]
    await look_closer(ctx)
    assert ctx.after_seconds == 2.5


async def test_an_operator_that_reads_no_nodes_asks_for_none(caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    reader = EvidenceReader(client, clock=lambda: 0.0, reads_nodes=False)
    found = await reader.read([since(a_pod(), "True")], {}, now=NOW)
    assert [kind for kind, _, _ in client.asked] == ["Event"]
    assert (found.nodes, caplog.text) == ({}, ""), "not known, and nothing to complain of"
