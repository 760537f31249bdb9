"""The guard: who may ask the engine for what. ASGI middleware inside the engine's own server.

``launch`` puts it into every engine with ``--middleware``. A request passes when its route is one of
``routes``, its API key one of ``keys`` (where keys are asked for), and its body within ``limits``. An
answer is passed on as it comes; see ``answers``. Nothing here may cost a request a millisecond.
"""

import hmac
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from genmodel_runtime.answers import REQUEST_ID, App, Headers, Message, Receive, Refusal, Reply, Send
from genmodel_runtime.console import say
from genmodel_runtime.keys import KeyFolder
from genmodel_runtime.limits import Limits, OverLimit, check_request, may_name_addresses
from genmodel_runtime.routes import MESSAGES, MODELS, Audience, audience
from genmodel_runtime.settings import KEYS_DIR_VARIABLE, GuardSettings, guard_settings

MIDDLEWARE = "genmodel_runtime.guard.Guard"
OWN_KEY_VARIABLE = "GENMODEL_OWN_KEY"
OWN_KEY_HEADER = "x-genmodel-key"
"""The supervisor's own key of this start: opens every allowed route, and the metrics, on loopback."""
_OWN_KEY = OWN_KEY_HEADER.encode()
_SECRET_HEADERS = frozenset({b"authorization", b"x-api-key", _OWN_KEY})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_LOGGED_PER_SECOND = 5
_CHALLENGE = (b"www-authenticate", b'Bearer realm="genmodel"')


def child_environ(settings: GuardSettings, own_key: str) -> dict[str, str]:
    """Return what the engine's environment needs for the guard, beside the pod's own variables."""
    return {OWN_KEY_VARIABLE: own_key, KEYS_DIR_VARIABLE: str(settings.keys_dir)}


class ClientLeft(Exception):
    """The client went away before its request was whole."""


@dataclass(slots=True)
class Request:
    """What is decided on; header names are in lower case."""

    method: str
    raw_path: bytes
    headers: Headers
    peer: str
    id: bytes

    @classmethod
    def of(cls, scope: Message) -> "Request":
        """Return the request of an ASGI scope."""
        headers: Headers = [(name.lower(), value) for name, value in scope["headers"]]
        given = next((value for name, value in headers if name == REQUEST_ID), b"")
        return cls(
            method=scope["method"],
            raw_path=scope.get("raw_path") or scope["path"].encode(),
            headers=headers,
            peer=(scope.get("client") or ("", 0))[0],
            id=given if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex().encode(),
        )

    @property
    def path(self) -> str:
        """The path as sent."""
        return self.raw_path.decode("latin-1")

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of a header."""
        return [value for found, value in self.headers if found == name]


class Guard:
    """Stands before the engine's routes; one in each server process."""

    def __init__(self, app: App, environ: Mapping[str, str] = os.environ) -> None:
        self._app = app
        self._settings = guard_settings(environ)
        self._own_key = environ.get(OWN_KEY_VARIABLE, "").encode()
        self._keys = KeyFolder(self._settings.keys_dir) if self._settings.asks_for_keys else None
        self._log = RefusalLog()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "no such route"})

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        request = Request.of(scope)
        path = request.path
        reply = Reply(
            send,
            request_id=request.id,
            is_model_list=path == MODELS[1],
            is_messages=path.startswith(MESSAGES),
        )
        try:
            self._check_who(request)
            receive = await self._checked_body(request, receive)
        except Refusal as refusal:
            self._log.refused(request, refusal)
            await reply.refuse(refusal)
            return
        except ClientLeft:
            return
        await self._pass_on(scope, request, receive, reply)

    async def _pass_on(self, scope: Message, request: Request, receive: Receive, reply: Reply) -> None:
        # The engine logs and echoes what it is given; keys are not for it.
        kept = [field for field in request.headers if field[0] not in _SECRET_HEADERS and field[0] != REQUEST_ID]
        passed = {**scope, "headers": [*kept, (REQUEST_ID, request.id)]}
        try:
            await self._app(passed, receive, reply.send)
        except Exception:
            if not reply.has_begun:
                await reply.refuse(Refusal(500, "the engine failed at this request", "internal_error"))
            raise

    def _check_who(self, request: Request) -> None:
        allowed = audience(self._settings.task, request.method, request.raw_path)
        if allowed is Audience.ANYONE or (allowed is not Audience.NOBODY and self._is_own(request)):
            return
        if allowed is not Audience.CLIENTS:
            method, path = request.method[:20], request.path[:200]
            raise Refusal(404, f"there is no {method} {path} for a model that is served for {self._work()}", "no_route")
        if self._keys is not None:
            self._check_key(request, self._keys)

    def _work(self) -> str:
        return {"Generate": "text generation", "Embed": "embeddings"}.get(self._settings.task, "scores")

    def _is_own(self, request: Request) -> bool:
        presented = request.values(_OWN_KEY)
        if not presented or not self._own_key or request.peer not in _LOOPBACK:
            return False
        return len(presented) == 1 and hmac.compare_digest(presented[0], self._own_key)

    def _check_key(self, request: Request, folder: KeyFolder) -> None:
        keys = folder.keys()
        presented = _presented_keys(request)
        if len(presented) == 1 and keys.accept(presented[0]):
            return
        if problem := keys.problem():
            raise Refusal(401, f"this model lets nobody in: {problem}", "no_api_keys", headers=(_CHALLENGE,))
        how = "send it as the header Authorization: Bearer KEY"
        if len(presented) > 1:
            raise Refusal(401, f"more than one API key was sent; {how}", "invalid_api_key", headers=(_CHALLENGE,))
        if not presented:
            raise Refusal(401, f"an API key is needed; {how}", "missing_api_key", headers=(_CHALLENGE,))
        challenge = (_CHALLENGE[0], _CHALLENGE[1] + b', error="invalid_token"')
        raise Refusal(401, "this API key is not one of the model's", "invalid_api_key", headers=(challenge,))

    async def _checked_body(self, request: Request, receive: Receive) -> Receive:
        """Return where the engine gets the body from, which was read and found within the limits."""
        if request.method != "POST":
            return receive
        limits = self._settings.limits
        body = await _read_body(request, receive, limits)
        if body:
            _check_document(body, request.path, limits)
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        return replay


def _presented_keys(request: Request) -> list[str]:
    """Return the keys that a request carries; more than one is as good as none."""
    found = []
    for value in request.values(b"authorization"):
        scheme, _, key = value.decode("latin-1").partition(" ")
        found.append(key.strip() if scheme.lower() == "bearer" else "")
    if request.raw_path.startswith(MESSAGES.encode()):
        found += [value.decode("latin-1") for value in request.values(b"x-api-key")]
    return list(dict.fromkeys(found))


async def _read_body(request: Request, receive: Receive, limits: Limits) -> bytes:
    declared = request.values(b"content-length")
    if declared and declared[0].isdigit() and int(declared[0]) > limits.body_bytes:
        raise _too_large(limits)
    chunks: list[bytes] = []
    size = 0
    is_more = True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limits.body_bytes:
            raise _too_large(limits)
        chunks.append(chunk)
        is_more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limits: Limits) -> Refusal:
    return Refusal(413, f"the body is larger than the limit of {limits.body_bytes} bytes", "request_too_large")


def _check_document(body: bytes, path: str, limits: Limits) -> None:
    try:
        document = json.loads(body)
    except RecursionError:
        raise Refusal(400, "the body is nested too deeply", "invalid_json") from None
    except ValueError as error:
        raise Refusal(400, f"the body is not valid JSON: {error}", "invalid_json") from None
    try:
        check_request(document, path=path, limits=limits, has_addresses=may_name_addresses(body))
    except OverLimit as error:
        raise Refusal(400, str(error), "over_limit", param=error.field) from None


class RefusalLog:
    """Says of refused requests what was wrong; a flood of them is only counted."""

    def __init__(self) -> None:
        self._second, self._lines, self._unsaid = 0, 0, 0

    def refused(self, request: Request, refusal: Refusal) -> None:
        """Say it, with the request's id; neither header nor body of a request is ever logged."""
        second = int(time.monotonic())
        if second != self._second:
            unsaid = f"{self._unsaid} more refused requests were not logged" if self._unsaid else ""
            self._second, self._lines, self._unsaid = second, 0, 0
            if unsaid:
                say(f"guard: {unsaid}")
        if self._lines >= _LOGGED_PER_SECOND:
            self._unsaid += 1
            return
        self._lines += 1
        path = ascii(request.path[:100])
        say(f"guard: {refusal.status} {refusal.code} {request.method[:20]} {path}, request {request.id.decode()}")
