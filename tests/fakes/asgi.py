"""An ASGI server and application in one process, for what stands between them."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from genmodel_runtime.answers import App, Message, Receive, Send


@dataclass
class Exchange:
    """One request and everything that was sent for it."""

    sent: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode().lower(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


@dataclass
class RecordingApp:
    """Answers every request in the same way and keeps what it was asked."""

    status: int = 200
    answer: tuple[bytes, ...] = (b"{}",)
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    asked: list[Message] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.asked.append(scope)
        if scope["type"] != "http":
            return
        self.bodies.append((await receive()).get("body", b""))
        headers = [(b"Content-Type", self.content_type), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for number, part in enumerate(self.answer, start=1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(self.answer)})


async def ask(
    app: App,
    method: str,
    path: str,
    *,
    body: bytes | Iterable[bytes] = b"",
    headers: Iterable[tuple[str, str]] = (),
    peer: str = "10.0.0.9",
    kind: str = "http",
    on_receive: Callable[[], None] = lambda: None,
) -> Exchange:
    """Send one request; ``path`` as it is sent on the wire. A body in parts has no Content-Length."""
    exchange = Exchange()
    is_whole = isinstance(body, bytes)
    parts = [body] if isinstance(body, bytes) else list(body)
    waiting = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, start=1)
    ]

    async def receive() -> Message:
        on_receive()
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        exchange.sent.append(message)

    length = [(b"content-length", str(len(parts[0])).encode())] if is_whole else []
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "headers": [*length, *((name.lower().encode(), value.encode("latin-1")) for name, value in headers)],
        "client": (peer, 40000),
        "root_path": "",
    }
    await app(scope, receive, send)
    return exchange
