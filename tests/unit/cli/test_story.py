from typing import Any

import pytest

from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.story import EVENTS_FORBIDDEN, PODS_FORBIDDEN, Reporter, event_time, parse
from genmodel_operator.kube.errors import Forbidden, KubeError, NotFound, Unauthorized, Unreachable
from genmodel_operator.kube.kinds import GENERATIVE_MODEL, POD, Kind
from tests.builders_pods import a_ready_pod, container, in_prepare
from tests.builders_status import BORN, SERVING, a_download, a_raw_model, an_event

FORBIDDEN = Forbidden("no", status=403)
LOADING = in_prepare(container("prepare", running={}), "loading")


def born(pod: dict[str, Any]) -> dict[str, Any]:
    pod["metadata"] |= {"creationTimestamp": BORN, "uid": pod["metadata"]["name"]}
    return pod


class Client:
    """An API server with one model; what ``fails`` names by verb and kind is refused."""

    def __init__(
        self, *, is_served: bool = True, page: Any = None, page_error: Exception | None = None, **fails: KubeError
    ) -> None:
        self.page_error = page_error
        self.fails, self.served, self.page = fails, is_served, page or a_download(1, 2)
        self.pages = 0

    def _check(self, what: str) -> None:
        if what in self.fails:
            raise self.fails[what]

    async def get(self, _kind: Kind, _namespace: str, _name: str) -> Any:
        self._check("get")
        return a_raw_model(SERVING)

    async def list(self, kind: Kind, _namespace: str | None, **_selectors: Any) -> list[Any]:
        self._check(f"list_{kind.plural}")
        if kind is GENERATIVE_MODEL:
            return [a_raw_model(SERVING, name=name) for name in ("b", "a")]
        if kind is POD:
            return [born(a_ready_pod("ready")), born(LOADING)]
        return [an_event("Late", "2", at="2026-11-24T10:09:00Z"), an_event("Early", "1", at=BORN)]

    async def is_served(self, _kind: Kind) -> bool:
        self._check("is_served")
        return self.served

    async def read_page(self, _namespace: str, pod: str, port: int, page: str) -> Any:
        assert (pod, port, page) == ("loading", 8001, "status")
        self.pages += 1
        if self.page_error is not None:
            raise self.page_error
        return self.page


def reporter(client: Client) -> Reporter:
    return Reporter(client)  # type: ignore[arg-type]


async def test_the_whole_story() -> None:
    story = await reporter(Client()).story("team-a", "mistral")
    assert story.model.metadata.name == "mistral"
    assert [pod["metadata"]["name"] for pod in story.pods] == ["loading", "ready"]
    assert [event["reason"] for event in story.events] == ["Early", "Late"]
    assert story.runtimes == {"loading": a_download(1, 2)}
    assert story.notes == ()


@pytest.mark.parametrize(
    ("fails", "want"),
    [
        pytest.param({"list_pods": FORBIDDEN}, (PODS_FORBIDDEN,), id="pods"),
        pytest.param({"list_events": FORBIDDEN}, (EVENTS_FORBIDDEN,), id="Events"),
        pytest.param({"list_pods": FORBIDDEN, "list_events": FORBIDDEN}, (PODS_FORBIDDEN, EVENTS_FORBIDDEN), id="both"),
    ],
)
async def test_what_may_not_be_read_is_a_note(fails: dict[str, Any], want: tuple[str, ...]) -> None:
    story = await reporter(Client(**fails)).story("team-a", "mistral")
    assert story.notes == want


@pytest.mark.parametrize(
    ("error", "want_asked"),
    [
        pytest.param(FORBIDDEN, 1, id="no right: it is not asked again"),
        pytest.param(TimeoutError(), 1, id="no way: it is not asked again"),
        pytest.param(Unreachable("502", status=502), 3, id="not there yet: it is"),
    ],
)
async def test_a_pod_that_cannot_be_asked_is_left_out_silently(error: Any, want_asked: int) -> None:
    client = Client(page_error=error)
    asked = reporter(client)
    for _ in range(3):
        story = await asked.story("team-a", "mistral")
        assert (story.runtimes, story.notes) == ({}, ())
    assert client.pages == want_asked


async def test_a_page_of_something_else_is_left_out() -> None:
    story = await reporter(Client(page={"hello": "world"})).story("team-a", "mistral")
    assert story.runtimes == {}


@pytest.mark.parametrize(
    ("client", "want_code", "want"),
    [
        pytest.param(
            Client(get=NotFound("no", status=404)),
            2,
            "NAME mistral: there is no GenerativeModel mistral in namespace team-a; "
            "genmodel status -A lists those of all namespaces",
            id="no such model",
        ),
        pytest.param(
            Client(get=NotFound("no", status=404), is_served=False), 1, "genmodel is not installed there", id="no CRD"
        ),
        pytest.param(Client(get=FORBIDDEN), 1, "ask for the right", id="no right"),
        pytest.param(Client(get=Unauthorized("no", status=401)), 1, "log in again", id="no login"),
        pytest.param(Client(get=Unreachable("refused")), 1, "check the current context of kubectl", id="no answer"),
        pytest.param(Client(list_pods=Unreachable("refused")), 1, "check the current context", id="no answer for pods"),
        pytest.param(Client(list_events=Unreachable("refused")), 1, "check the current context", id="nor for Events"),
    ],
)
async def test_what_cannot_be_told_is_one_line(client: Client, want_code: int, want: str) -> None:
    with pytest.raises(CommandError) as error:
        await reporter(client).story("team-a", "mistral")
    assert error.value.exit_code == want_code
    (line,) = error.value.lines
    assert want in line


async def test_models_are_in_order() -> None:
    found = await reporter(Client()).models(None)
    assert [model.metadata.name for model in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("error", "want"),
    [
        pytest.param(NotFound("no", status=404), "genmodel is not installed there", id="no CRD"),
        pytest.param(FORBIDDEN, "ask for the right", id="no right"),
    ],
)
async def test_models_that_cannot_be_listed(error: KubeError, want: str) -> None:
    with pytest.raises(CommandError, match=want):
        await reporter(Client(list_generativemodels=error)).models("team-a")


def test_a_model_of_a_newer_schema_is_named() -> None:
    with pytest.raises(CommandError, match=r"mistral: spec.replicas: .*; is this genmodel older than the operator\?"):
        parse(a_raw_model(spec={"replicas": "many"}))


@pytest.mark.parametrize(
    ("event", "want"),
    [
        pytest.param(an_event("A", "n", at="t1"), "t1", id="once"),
        pytest.param(an_event("A", "n") | {"series": {"lastObservedTime": "t2"}}, "t2", id="again and again"),
        pytest.param({"eventTime": None, "deprecatedLastTimestamp": "t3"}, "t3", id="as older clients write"),
        pytest.param({}, "", id="never"),
    ],
)
def test_when_an_event_was(event: dict[str, Any], want: str) -> None:
    assert event_time(event) == want
