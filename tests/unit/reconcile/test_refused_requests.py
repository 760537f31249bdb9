"""What a reconcile makes of an API server that does not do what is asked: one line and a retry, never a trace."""

import asyncio
import logging
from typing import Any

import pytest

from genmodel_operator.controller.context import Tools
from genmodel_operator.controller.progress import StatusPace
from genmodel_operator.controller.queue import Key, WorkQueue
from genmodel_operator.controller.reconcile import Reconciler
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.errors import Conflict, Forbidden, KubeError, Throttled, Unauthorized, Unreachable
from genmodel_operator.kube.kinds import GENERATIVE_MODEL, Kind
from genmodel_operator.settings import Settings

KEY = Key("team-a", "tiny")
MODEL = {
    "metadata": {"name": "tiny", "namespace": "team-a", "uid": "u1", "generation": 1},
    "spec": {"model": "acme/tiny-llama", "suspend": True},
}
ERRORS = [
    pytest.param(Unreachable("TimeoutError", verb="get"), id="a time-out"),
    pytest.param(Unreachable("etcdserver: leader changed", status=500), id="an error of the server"),
    pytest.param(Throttled("too many requests", retry_after_seconds=1, status=429), id="overload"),
    pytest.param(Conflict("the object has been modified", status=409), id="a conflict"),
    pytest.param(Unauthorized("Unauthorized", status=401), id="an expired token"),
    pytest.param(Forbidden("forbidden", status=403), id="a missing right"),
]


class Client:
    """Answers with the model and no children; one verb fails."""

    def __init__(self, verb: str, error: Exception) -> None:
        self._verb, self._error = verb, error

    def _check(self, verb: str) -> None:
        if verb == self._verb:
            raise self._error

    async def get(self, kind: Kind, _namespace: str, _name: str) -> Any:
        self._check("get")
        if kind is GENERATIVE_MODEL:
            return MODEL
        raise Unreachable("the rest is not asked in this test")

    async def list(self, _kind: Kind, _namespace: str, *, label_selector: str) -> list[Any]:
        assert label_selector
        self._check("list")
        return []

    async def apply_status(self, _kind: Kind, _body: Any) -> Any:
        self._check("apply_status")
        return {}


class Events:
    def record(self, _model: Any, _condition: Any) -> None:
        """Say nothing."""


class Seen:
    """Tells when a run has ended."""

    def __init__(self) -> None:
        self.one = asyncio.Event()

    def ran(self, _result: str, *, waited_seconds: float, ran_seconds: float) -> None:
        assert waited_seconds >= 0
        assert ran_seconds >= 0
        self.one.set()


def reconciler(verb: str, error: Exception) -> Reconciler:
    parts: dict[str, Any] = {"client": Client(verb, error), "hub": None, "inventory": None, "runtimes": None}
    tools = Tools(cache=ChildCache(), settings=Settings(), now=lambda: "2026-11-24T10:00:00Z", **parts)
    return Reconciler(tools=tools, events=Events(), pace=StatusPace(lambda: 0.0), is_busy=lambda: False)  # type: ignore[arg-type]


@pytest.mark.parametrize("verb", ["get", "list", "apply_status"])
@pytest.mark.parametrize("error", ERRORS)
async def test_an_expected_error_is_one_line_and_a_retry(
    verb: str, error: KubeError, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        outcome = await reconciler(verb, error)(KEY, resync=True)
    assert outcome.retry
    said = [record for record in caplog.records if str(error) in record.getMessage()]
    assert len(said) == 1
    assert said[0].exc_info is None
    assert "\n" not in said[0].getMessage()


async def test_an_error_inside_a_step_is_one_line_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        outcome = await reconciler("none", Unreachable("unused"))(KEY, resync=True)
    assert outcome.retry
    (said,) = caplog.records
    assert said.getMessage().startswith("resolve failed and is tried again: ")
    assert said.exc_info is None


async def test_a_bug_goes_up(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError):
        await reconciler("list", KeyError("a bug"))(KEY, resync=True)
    assert caplog.records == []


async def test_the_queue_logs_a_bug_with_its_trace_and_an_expected_error_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for error, want_traces in ((Unreachable("TimeoutError"), 0), (KeyError("a bug"), 1)):
        caplog.clear()
        seen = Seen()
        queue = WorkQueue[Key](resync_seconds=3600, observer=seen)
        work = asyncio.create_task(queue.run(1, reconciler("get", error)))
        queue.add(KEY)
        async with asyncio.timeout(30):
            await seen.one.wait()
        queue.close()
        await work
        assert sum(record.exc_info is not None for record in caplog.records) == want_traces
