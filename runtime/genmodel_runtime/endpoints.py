"""The runtime's own HTTP port: ``/livez``, ``/readyz``, ``/status`` and ``/metrics``."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

JSON_TYPE = "application/json"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_IDLE_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes
    content_type: str


Route = Callable[[], Answer]


def json_answer(status: int, document: Mapping[str, object]) -> Answer:
    """Return ``document`` as a JSON answer."""
    return Answer(status, json.dumps(document).encode() + b"\n", JSON_TYPE)


class RuntimeServer:
    """Serves GET and HEAD of fixed routes from threads, as a context manager.

    Listens on all addresses, IPv6 and IPv4; port 0 takes a free one, see ``port``.
    """

    def __init__(self, port: int, routes: Mapping[str, Route]) -> None:
        self._server = _listen(port, _handler_for(routes))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="runtime-http", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def __enter__(self) -> "RuntimeServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _IPv4Server(ThreadingHTTPServer):
    daemon_threads = True
    # A pod whose clients hold connections open must still end at once.
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that went away is no news; anything else is a bug and belongs in the log.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _DualStackServer(_IPv4Server):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _listen(port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return _DualStackServer(("::", port), handler)
    except OSError:
        # A kernel without IPv6; a port in use fails again, with its own error.
        return _IPv4Server(("0.0.0.0", port), handler)


def _handler_for(routes: Mapping[str, Route]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "genmodel-runtime"
        sys_version = ""
        timeout = _IDLE_SECONDS

        def do_GET(self) -> None:
            answer = self._answer()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        def _answer(self) -> Answer:
            route = routes.get(self.path.partition("?")[0])
            if route is None:
                return json_answer(404, {"error": "no such page", "pages": sorted(routes)})
            return route()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            """Write nothing: probes each few seconds would bury the engine's log."""

    return Handler
