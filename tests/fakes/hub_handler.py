"""From sockets to ``hub_routes`` and back, with the faults in between."""

import contextlib
import json
import socket
import sys
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.hub_faults import Entry, Fault, Faults, RequestLog
from tests.fakes.hub_link import Link
from tests.fakes.hub_routes import Answer, Hub, Request, document, error
from tests.fakes.hub_store import Access, HubStore

CHUNK_BYTES = 1 << 16
DRIPS_PER_SECOND = 20


@dataclass
class State:
    """What both listeners share."""

    store: HubStore
    hub: Hub
    faults: Faults = field(default_factory=Faults)
    log: RequestLog = field(default_factory=RequestLog)
    stopping: threading.Event = field(default_factory=threading.Event)
    bytes_per_second: float | None = None
    link: Link | None = None
    cdn_port: int = 0


class Listener(ThreadingHTTPServer):
    """One port; ``port_name`` is ``hub`` or ``cdn``. ``close`` also ends open connections."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], state: State, port_name: str) -> None:
        self.state = state
        self.port_name = port_name
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news, all else is."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        self.shutdown()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the other side may have been first
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def log_message(self, *args: object) -> None:
        """Nothing on the terminal; the request log is what tests read."""

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        state, port = self.server.state, self.server.port_name
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if port == "hub" and parts.path.startswith("/_"):
            self._send(control(state, self.command, parts.path, body), None)
            return
        fault = state.faults.take(self.command, port, parts.path)
        if fault and fault.delay and state.stopping.wait(fault.delay):
            self.close_connection = True
            return
        request = self._request(body, fault)
        answer = self._answer(request, fault)
        authorized = "authorization" in self.headers
        state.log.add(Entry(port, self.command, parts.path, answer.status, self.headers.get("range"), authorized))
        self._send(answer, fault)

    def _answer(self, request: Request, fault: Fault | None) -> Answer:
        state = self.server.state
        if fault and fault.status is not None:
            answer = error(fault.status, fault.msg or "injected", fault.code, headers=fault.headers)
            return answer if fault.body is None else replace(answer, content=fault.body.encode())
        answer = state.hub.answer(request) if self.server.port_name == "hub" else state.hub.answer_cdn(request)
        if fault and fault.body is not None:
            return Answer(200, {"Content-Type": "text/html"}, fault.body.encode())
        return _with_commit(answer, fault.commit) if fault and fault.commit else answer

    def _request(self, body: bytes, fault: Fault | None) -> Request:
        parts = urlsplit(self.path)
        host = self.headers.get("Host") or "localhost"
        headers = {name.lower(): value for name, value in self.headers.items()}
        if fault and fault.ignore_range:
            headers.pop("range", None)
        return Request(
            method=self.command,
            segments=tuple(parts.path.strip("/").split("/")),
            query=parse_qs(parts.query),
            headers=headers,
            form=parse_qs(body.decode()) if self.command == "POST" else {},
            base_url=f"http://{host}",
            cdn_url=f"http://{host.rsplit(':', 1)[0]}:{self.server.state.cdn_port}",
        )

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        self.send_response(answer.status)
        for name, value in {"X-Request-Id": str(uuid.uuid4()), **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(answer.length))
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(answer, fault or Fault(""))

    def _send_body(self, answer: Answer, fault: Fault) -> None:
        limited = self.server.state.bytes_per_second if answer.blob else None
        rate = fault.bytes_per_second or limited
        step = CHUNK_BYTES if rate is None else max(1, int(rate / DRIPS_PER_SECOND))
        end = answer.length if fault.cut is None else min(fault.cut, answer.length)
        for begin in range(0, end, step):
            self.wfile.write(_slice(answer, begin, min(begin + step, end), fault.flip))
            seconds = self._seconds_for(step, rate, answer)
            if seconds and self.server.state.stopping.wait(seconds):
                end = -1
                break
        if end < answer.length:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _seconds_for(self, count: int, rate: float | None, answer: Answer) -> float:
        """How long so many bytes of a body take."""
        link = self.server.state.link if answer.blob else None
        return max(count / rate if rate else 0.0, link.seconds_until_sent(count) if link else 0.0)


def _slice(answer: Answer, begin: int, end: int, flip: int | None) -> bytes:
    if answer.blob is None:
        return answer.content[begin:end]
    first, last = answer.begin + begin, answer.begin + end
    content = bytearray(answer.blob.read(first, last))
    if flip is not None and first <= flip < last:
        content[flip - first] ^= 1
    return bytes(content)


def _with_commit(answer: Answer, commit: str) -> Answer:
    """The same answer, as if it were of another commit."""
    headers = dict(answer.headers)
    if "X-Repo-Commit" in headers:
        return replace(answer, headers=headers | {"X-Repo-Commit": commit})
    if answer.content:
        return replace(answer, content=json.dumps(json.loads(answer.content) | {"sha": commit}).encode())
    return answer


def control(state: State, method: str, path: str, body: bytes) -> Answer:
    """The control routes."""
    try:
        wanted: Mapping[str, Any] = json.loads(body or b"{}")
        match (method, path):
            case ("POST", "/_fault"):
                state.faults.add(Fault.from_json(wanted))
            case ("POST", "/_clear"):
                state.faults.clear()
            case ("GET", "/_log"):
                return document([entry.to_json() for entry in state.log.take()])
            case ("POST", "/_move"):
                return document({"sha": state.store.move(wanted["repository"], wanted["revision"])})
            case ("POST", "/_commit"):
                return document({"sha": state.store.commit(wanted["repository"], wanted["files"])})
            case ("POST", "/_token"):
                access = (
                    None if wanted.get("remove") else Access(bool(wanted.get("gated")), bool(wanted.get("private")))
                )
                state.store.set_token(wanted["token"], access)
            case _:
                return error(404, "Not found")
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        return error(400, f"{type(problem).__name__}: {problem}")
    return document({})
