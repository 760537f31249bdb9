"""Evicted pods are told once each, and not those that were there when the operator started."""

from types import SimpleNamespace
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.evictions import Evictions, tell_of_evictions
from tests.builders import a_model

Object = dict[str, Any]
SAID = 'Usage of EmptyDir volume "tmp" exceeds the limit "8Mi". '


def a_pod(uid: str, *, reason: str = "Evicted", message: str = SAID) -> Object:
    status = {"phase": "Failed", "reason": reason, "message": message}
    return {"metadata": {"name": uid, "uid": uid}, "spec": {"nodeName": "local"}, "status": status}


def runs(uid: str) -> Object:
    return {"metadata": {"name": uid, "uid": uid}, "spec": {"nodeName": "local"}, "status": {"phase": "Running"}}


async def told(evictions: Evictions, *pods: Object) -> list[tuple[Any, str]]:
    """Return the Events of one look at a model that has these pods."""
    ctx: Any = SimpleNamespace(
        pods=list(pods), model=a_model(), tools=SimpleNamespace(evictions=evictions), event_notes=[]
    )
    await tell_of_evictions(ctx)
    return list(ctx.event_notes)


async def test_an_eviction_is_told_although_its_successor_runs_already() -> None:
    evictions = Evictions()
    assert await told(evictions, runs("a")) == []
    ((reason, message),) = await told(evictions, a_pod("a"), runs("b"))
    assert reason is Reason.DISK_LIMIT_EXCEEDED
    assert 'EmptyDir volume "tmp" exceeds the limit "8Mi"' in message
    assert "raise spec.podTemplate.spec.volumes[tmp].emptyDir.sizeLimit" in message


async def test_each_pod_is_told_once() -> None:
    evictions = Evictions()
    await told(evictions)
    assert len(await told(evictions, a_pod("a"))) == 1
    assert await told(evictions, a_pod("a"), runs("b")) == []
    assert len(await told(evictions, a_pod("a"), a_pod("b"), runs("c"))) == 1


async def test_what_was_evicted_before_the_operator_started_is_no_news() -> None:
    evictions = Evictions()
    assert await told(evictions, a_pod("a"), runs("b")) == []
    assert len(await told(evictions, a_pod("a"), a_pod("b"))) == 1


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(runs("a"), id="runs"),
        pytest.param(a_pod("a", reason="", message=""), id="failed by itself"),
        pytest.param(a_pod("a", reason="NodeLost"), id="its node is lost, which status tells as long as it lasts"),
    ],
)
async def test_other_pods_are_not_told(pod: Object) -> None:
    evictions = Evictions()
    await told(evictions)
    assert await told(evictions, pod) == []


def test_models_do_not_know_of_each_other() -> None:
    evictions = Evictions()
    assert (evictions.news("one", []), evictions.news("two", [])) == ([], [])
    assert evictions.news("one", [a_pod("a")]) == [a_pod("a")]
    assert evictions.news("two", []) == []


def test_a_pod_that_is_gone_is_forgotten() -> None:
    evictions = Evictions()
    evictions.news("one", [])
    evictions.news("one", [a_pod("a")])
    evictions.news("one", [])
    assert evictions.news("one", [a_pod("a")]) == [a_pod("a")]
