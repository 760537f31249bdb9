"""A PodMonitor is written where the kind is served, and never keeps a model from serving."""

from dataclasses import dataclass
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.controller.monitors import apply_monitor
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.errors import Forbidden, KubeError, NotFound
from genmodel_operator.kube.kinds import Kind
from genmodel_operator.settings import Settings
from tests.builders import a_model

SERVICE: dict[str, Any] = {"metadata": {"name": "mistral"}}


@dataclass
class Served:
    is_served: bool = True


class Client:
    """Creates what it is given, or fails."""

    def __init__(self, failure: KubeError | None = None) -> None:
        self.failure = failure
        self.created: list[tuple[str, str]] = []

    async def create(self, kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        self.created.append((kind.kind, obj["metadata"]["name"]))
        return obj


def a_context(client: Client, *, served: bool = True, service: dict[str, Any] | None = SERVICE) -> Context:
    parts: dict[str, Any] = {"client": client, "hub": None, "inventory": None, "runtimes": None}
    tools = Tools(cache=ChildCache(), settings=Settings(), now=lambda: "", monitors=Served(served), **parts)
    return Context(tools=tools, model=a_model(), resync=False, service=service)


async def test_it_is_written_once() -> None:
    client = Client()
    ctx = a_context(client)
    await apply_monitor(ctx)
    await apply_monitor(ctx)
    assert client.created == [("PodMonitor", "mistral")]


@pytest.mark.parametrize(
    ("served", "service"),
    [pytest.param(False, SERVICE, id="no such kind"), pytest.param(True, None, id="nothing to be scraped yet")],
)
async def test_nothing_is_asked(served: bool, service: dict[str, Any] | None) -> None:
    client = Client()
    await apply_monitor(a_context(client, served=served, service=service))
    assert client.created == []


async def test_a_missing_right_is_an_event_and_no_failure() -> None:
    ctx = a_context(Client(Forbidden("podmonitors is forbidden: cannot create resource")))
    await apply_monitor(ctx)
    ((reason, message),) = ctx.event_notes
    assert reason is Reason.OPERATOR_FORBIDDEN
    assert "PodMonitor" in message
    assert ctx.failures == []


async def test_a_kind_that_just_went_is_no_failure() -> None:
    ctx = a_context(Client(NotFound("no such resource")))
    await apply_monitor(ctx)
    assert (ctx.event_notes, ctx.failures) == ([], [])
