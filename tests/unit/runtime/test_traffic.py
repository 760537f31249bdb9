import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from genmodel_runtime.drain import QuietDetector
from genmodel_runtime.traffic import FOLDER_VARIABLE, ServerTraffic, Traffic, TrafficFolder, TrafficMiddleware

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

JSON = (b"content-type", b"application/json")


async def answers(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[..., Any]) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": [JSON, (b"Connection", b"keep-alive")]})
    await send({"type": "http.response.body", "body": b"{}", "more_body": False})


async def fails(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[..., Any]) -> None:
    del scope, receive, send
    raise ValueError("the application broke")


async def nothing() -> Message:
    return {"type": "http.disconnect"}


async def ask(app: App, path: str = "/v1/completions", kind: str = "http") -> list[Message]:
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    await app({"type": kind, "path": path}, nothing, keep)
    return sent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrafficFolder:
    found = TrafficFolder(tmp_path)
    for name, value in found.environ().items():
        monkeypatch.setenv(name, value)
    assert list(found.environ()) == [FOLDER_VARIABLE]
    return found


def test_no_server_no_traffic(folder: TrafficFolder) -> None:
    assert folder.read() == Traffic(under_way=0, ended=0)


async def test_a_request_is_counted_until_its_last_byte(folder: TrafficFolder) -> None:
    goes_on = asyncio.Event()

    async def waits(scope: Message, receive: Any, send: Any) -> None:
        await goes_on.wait()
        await answers(scope, receive, send)

    app = TrafficMiddleware(waits)
    request = asyncio.create_task(ask(app))
    await asyncio.sleep(0)
    assert folder.read() == Traffic(under_way=1, ended=0)
    goes_on.set()
    await request
    assert folder.read() == Traffic(under_way=0, ended=1)


async def test_a_request_that_is_given_up_is_not_under_way(folder: TrafficFolder) -> None:
    async def waits(*_: Any) -> None:
        await asyncio.Event().wait()

    request = asyncio.create_task(ask(TrafficMiddleware(waits)))
    await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert folder.read() == Traffic(under_way=0, ended=1)


async def test_an_application_that_breaks_is_not_under_way(folder: TrafficFolder) -> None:
    with pytest.raises(ValueError, match="broke"):
        await ask(TrafficMiddleware(fails))
    assert folder.read() == Traffic(under_way=0, ended=1)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/metrics", "http", id="our own looks"),
        pytest.param("/health", "http", id="probes"),
        pytest.param("/v1/realtime", "websocket", id="websocket"),
        pytest.param("", "lifespan", id="lifespan"),
    ],
)
async def test_what_nobody_waits_for_is_not_counted(folder: TrafficFolder, path: str, kind: str) -> None:
    assert len(await ask(TrafficMiddleware(answers), path, kind)) == 2
    assert folder.read() == Traffic(under_way=0, ended=0)


async def test_servers_are_summed(folder: TrafficFolder, tmp_path: Path) -> None:
    app = TrafficMiddleware(answers)
    (tmp_path / "server-1").write_bytes(ServerBytes.of(under_way=2, ended=5))
    await ask(app)
    assert folder.read() == Traffic(under_way=2, ended=6)


class ServerBytes:
    @staticmethod
    def of(*, under_way: int, ended: int) -> bytes:
        return b"".join(number.to_bytes(8, "little") for number in (under_way, ended))


async def test_answers_close_their_connections_once_asked(folder: TrafficFolder) -> None:
    app = TrafficMiddleware(answers)
    before, _ = await ask(app)
    folder.close_connections()
    after, body = await ask(app)
    assert before["headers"] == [JSON, (b"Connection", b"keep-alive")]
    assert after["headers"] == [JSON, (b"connection", b"close")]
    assert body["body"] == b"{}"


def test_a_server_of_an_older_process_id_begins_anew(tmp_path: Path) -> None:
    first = ServerTraffic(tmp_path)
    first.begin()
    ServerTraffic(tmp_path)
    assert TrafficFolder(tmp_path).read() == Traffic(under_way=0, ended=0)


@pytest.mark.parametrize(
    ("looks", "want"),
    [
        pytest.param([(5, 0, 7), (6, 0, 7)], [False, True], id="quiet from the start"),
        pytest.param([(3, 1, 7), (20, 1, 7), (26, 1, 7)], [False, False, False], id="a long stream"),
        pytest.param([(10, 1, 7), (11, 0, 8), (16, 0, 8), (17, 0, 8)], [False, False, False, True], id="a stream ends"),
        pytest.param([(5, 0, 8), (10, 0, 8), (11, 0, 8)], [False, False, True], id="one between two looks"),
    ],
)
def test_quiet_is_no_traffic_for_a_while(looks: list[tuple[float, int, int]], want: list[bool]) -> None:
    detector = QuietDetector(Traffic(0, 7), quiet_seconds=6, now=0)
    assert [detector.observe(Traffic(under_way, ended), now=now) for now, under_way, ended in looks] == want
