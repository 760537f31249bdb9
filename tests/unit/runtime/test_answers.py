import asyncio
import json
from typing import Any

import pytest

from genmodel_runtime.answers import Message, Receive, Send, without_paths
from genmodel_runtime.guard import Guard
from tests.fakes.asgi import Exchange, RecordingApp, ask

ENVIRON = {"GENMODEL_TASK": "Generate", "GENMODEL_ACCESS": "Open"}
CHAT = "/v1/chat/completions"


async def answered(
    status: int, body: bytes | tuple[bytes, ...], path: str = CHAT, method: str = "POST", **more: Any
) -> Exchange:
    app = RecordingApp(status=status, answer=body if isinstance(body, tuple) else (body,), **more)
    return await ask(Guard(app, ENVIRON), method, path, body=b"{}" if method == "POST" else b"")


ENGINE_ERROR = b'{"error":{"message":"too long","type":"BadRequestError","param":"prompt","code":400}}'


@pytest.mark.parametrize(
    ("status", "body", "want_message", "want_type"),
    [
        pytest.param(401, b'{"error":"Unauthorized"}', "Unauthorized", "authentication_error", id="a word"),
        pytest.param(404, b'{"detail":"Not Found"}', "Not Found", "not_found_error", id="FastAPI"),
        pytest.param(405, b'{"detail":"Method Not Allowed"}', "Method Not Allowed", "invalid_request_error", id="405"),
        pytest.param(
            422, b'{"detail":[{"loc":["a"]}]}', '[{"loc": ["a"]}]', "invalid_request_error", id="a list of details"
        ),
        pytest.param(400, b'{"object":"error","message":"old"}', "old", "invalid_request_error", id="older releases"),
        pytest.param(500, b"Internal Server Error", "Internal Server Error", "server_error", id="plain text"),
        pytest.param(503, b"", "Service Unavailable", "server_error", id="nothing"),
        pytest.param(418, b'"short"', '"short"', "invalid_request_error", id="a bare text"),
        pytest.param(599, b"", "the engine answered 599", "server_error", id="a status without a name"),
    ],
)
async def test_odd_errors_get_the_one_shape(status: int, body: bytes, want_message: str, want_type: str) -> None:
    exchange = await answered(status, body, content_type=b"text/plain", headers=((b"X-Else", b"kept"),))
    assert exchange.status == status
    assert (exchange.error["message"], exchange.error["type"]) == (want_message, want_type)
    assert exchange.headers["content-type"] == "application/json"
    assert exchange.headers["content-length"] == str(len(exchange.body))
    assert exchange.headers["x-else"] == "kept"
    assert exchange.error["request_id"] == exchange.headers["x-request-id"]


@pytest.mark.parametrize("status", [400, 500, 503])
async def test_an_error_in_the_right_shape_stays_as_it_is(status: int) -> None:
    exchange = await answered(status, (ENGINE_ERROR[:10], ENGINE_ERROR[10:]))
    assert exchange.body == ENGINE_ERROR


async def test_clients_of_messages_get_their_own_outer_type() -> None:
    exchange = await answered(404, b'{"detail":"Not Found"}', path="/v1/messages")
    assert json.loads(exchange.body)["type"] == "error"
    assert exchange.error["message"] == "Not Found"
    assert "type" not in json.loads((await answered(404, b'{"detail":"Not Found"}')).body)


async def test_an_engine_without_room_says_when_to_come_back() -> None:
    assert (await answered(503, ENGINE_ERROR)).headers["retry-after"] == "5"
    assert (await answered(503, ENGINE_ERROR, headers=((b"Retry-After", b"9"),))).headers["retry-after"] == "9"
    assert "retry-after" not in (await answered(500, ENGINE_ERROR)).headers


async def test_a_huge_error_passes_as_it_comes() -> None:
    parts = (b"x" * 600_000, b"y" * 600_000, b"z")
    exchange = await answered(500, parts)
    assert exchange.body == b"".join(parts)
    assert exchange.headers["content-type"] == "application/json"


async def test_the_folder_of_the_weights_is_not_told() -> None:
    models = {"object": "list", "data": [{"id": "m", "root": "/models/0123", "parent": None, "max_model_len": 8}]}
    exchange = await answered(200, json.dumps(models).encode(), path="/v1/models", method="GET")
    assert json.loads(exchange.body) == {**models, "data": [{**models["data"][0], "root": "m"}]}  # type: ignore[dict-item]
    assert exchange.headers["content-length"] == str(len(exchange.body))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": 5}', b'{"data": [{}]}', b"\xff"])
def test_what_is_no_list_of_models_stays(body: bytes) -> None:
    assert without_paths(body) == body


async def test_a_stream_passes_part_by_part() -> None:
    goes_on, arrived = asyncio.Event(), asyncio.Event()
    sent: list[Message] = []

    async def streams(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-type", b"text/event-stream"), (b"x-request-id", b"the engine's own")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        arrived.set()
        await goes_on.wait()
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": CHAT, "headers": [(b"X-Request-Id", b"mine")]}
    task = asyncio.create_task(Guard(streams, ENVIRON)(scope, receive, send))
    await asyncio.wait_for(arrived.wait(), 10)
    assert [message.get("body") for message in sent] == [None, b"data: 1\n\n"]
    assert sent[0]["headers"] == [(b"content-type", b"text/event-stream"), (b"x-request-id", b"mine")]
    goes_on.set()
    await task
    assert sent[-1] == {"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False}


async def test_an_application_that_breaks_is_answered_for_and_heard_of() -> None:
    async def breaks(scope: Message, receive: Receive, send: Send) -> None:
        raise ValueError("a bug")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": []}
    with pytest.raises(ValueError, match="a bug"):
        await Guard(breaks, ENVIRON)(scope, lambda: asyncio.sleep(0, {}), send)
    assert (sent[0]["status"], json.loads(sent[1]["body"])["error"]["code"]) == (500, "internal_error")


async def test_an_application_that_breaks_midway_is_not_answered_twice() -> None:
    async def breaks(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("a bug")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/health", "headers": []}
    with pytest.raises(ValueError, match="a bug"):
        await Guard(breaks, ENVIRON)(scope, lambda: asyncio.sleep(0, {}), send)
    assert [message["type"] for message in sent] == ["http.response.start"]
