"""Answers as clients of OpenAI's API expect them: every error in one shape, with the request's id.

What the engine answers passes through as it comes. Only errors, and the list of models, are taken in
whole and mended: the engine has several shapes of errors, and tells the folder of its weights.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

REQUEST_ID = b"x-request-id"
RETRY_SECONDS = 5
"""What a client is told to wait where the engine has no room for its request."""
_MAX_HELD_BYTES = 1024 * 1024
_KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


@dataclass(eq=False)
class Refusal(Exception):
    """A request that goes no further; ``param`` names the field of the request that is wrong."""

    status: int
    message: str
    code: str
    param: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Reply:
    """The answer to one request on its way to the client."""

    def __init__(self, send: Send, *, request_id: bytes, is_model_list: bool, is_messages: bool) -> None:
        self._send, self._request_id = send, request_id
        self._is_model_list, self._is_messages = is_model_list, is_messages
        self._held: Message | None = None
        self._body = bytearray()
        self.has_begun = False

    async def refuse(self, refusal: Refusal) -> None:
        """Answer in the engine's place."""
        document = self._error(refusal.status, refusal.message, code=refusal.code, param=refusal.param)
        headers = [(b"content-type", b"application/json"), *refusal.headers]
        await self._whole({"type": "http.response.start", "status": refusal.status, "headers": headers}, document)

    async def send(self, message: Message) -> None:
        """Pass a part of the engine's answer on."""
        if self._held is not None:
            await self._hold(message)
        elif message["type"] != "http.response.start":
            await self._send(message)
        elif message["status"] >= 400 or (self._is_model_list and message["status"] == 200):
            self.has_begun, self._held = True, message
        else:
            await self._start(message)

    async def _start(self, message: Message) -> None:
        self.has_begun = True
        headers = [field for field in message.get("headers", ()) if field[0].lower() != REQUEST_ID]
        await self._send({**message, "headers": [*headers, (REQUEST_ID, self._request_id)]})

    async def _hold(self, message: Message) -> None:
        self._body += message.get("body", b"")
        start, is_more = self._held, message.get("more_body", False)
        if is_more and len(self._body) <= _MAX_HELD_BYTES:
            return
        assert start is not None  # noqa: S101 - only called while there is one
        self._held = None
        if is_more:
            await self._start(start)
            await self._send({**message, "body": bytes(self._body)})
            return
        await self._whole(start, self._mended(start["status"], bytes(self._body)))

    def _mended(self, status: int, body: bytes) -> bytes:
        return self._mended_error(status, body) if status >= 400 else without_paths(body)

    def _mended_error(self, status: int, body: bytes) -> bytes:
        said = _said(body)
        return body if said is None else self._error(status, said or _phrase(status))

    def _error(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
        error = {
            "message": message,
            "type": _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": param,
            "code": code,
            "request_id": self._request_id.decode(),
        }
        # Clients of /v1/messages know errors by the outer type.
        outer = {"type": "error"} if self._is_messages else {}
        return json.dumps({**outer, "error": error}).encode()

    async def _whole(self, start: Message, body: bytes) -> None:
        ours = {b"content-length": str(len(body)).encode()}
        theirs = {name.lower(): value for name, value in start.get("headers", ())}
        if start["status"] == HTTPStatus.SERVICE_UNAVAILABLE and b"retry-after" not in theirs:
            ours[b"retry-after"] = str(RETRY_SECONDS).encode()
        if start["status"] >= 400:
            ours[b"content-type"] = b"application/json"
        await self._start({**start, "headers": list({**theirs, **ours}.items())})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def without_paths(body: bytes) -> bytes:
    """Return the list of models without the folders that the engine loaded them from; others as they are."""
    try:
        document = json.loads(body)
        models = [{**model, "root": model["id"]} for model in document["data"]]
    except (ValueError, KeyError, TypeError):
        return body
    return json.dumps({**document, "data": models}).encode()


def _said(body: bytes) -> str | None:
    """Return what an error says in one of the engine's odd shapes; None where its shape is the wanted one."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return " ".join(body.decode(errors="replace").split())[:500]
    if not isinstance(document, dict):
        return json.dumps(document)[:500]
    error = document.get("error", document.get("detail", document.get("message", "")))
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return None
    return error if isinstance(error, str) else json.dumps(error)[:500]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"the engine answered {status}"
