"""What may stand between a pod and the Hub: a forward proxy, or a mirror with TLS and a path of its own."""

import http.client
import select
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_OWN_HEADERS = {"connection", "proxy-connection", "transfer-encoding", "content-length", "server", "date"}


class Relay(ThreadingHTTPServer):
    """A context manager. ``seen`` holds the request lines; with ``upstream`` it is a mirror of it below ``prefix``."""

    daemon_threads = True

    def __init__(self, upstream: str = "", *, prefix: str = "", certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.prefix, self.seen = upstream, prefix, list[str]()
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
            self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}{self.prefix}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that refuses our certificate is what some tests want."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Relay

    def log_message(self, *args: object) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        relay = self.server
        relay.seen.append(f"GET {self.path}")
        absolute = self.path.startswith("http://")
        if not absolute and not self.path.startswith(f"{relay.prefix}/"):
            self.send_error(404)
            return
        target = urlsplit(self.path if absolute else relay.upstream + self.path.removeprefix(relay.prefix))
        connection = http.client.HTTPConnection(target.netloc, timeout=30)
        path = target.path + (f"?{target.query}" if target.query else "")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN_HEADERS}
        connection.request("GET", path, headers=headers)
        self._pass_on(connection.getresponse())
        connection.close()

    def _pass_on(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OWN_HEADERS:
                self.send_header(name, self._rewritten(value) if name.lower() == "link" else value)
        content = answer.read()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _rewritten(self, link: str) -> str:
        """Return a link to us where the Hub wrote its own address."""
        host = self.headers["Host"]
        return link.replace(f"http://{host}", f"{self.server.scheme}://{host}{self.server.prefix}")

    def do_CONNECT(self) -> None:
        self.server.seen.append(f"CONNECT {self.path}")
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as other:
            self.send_response(200)
            self.end_headers()
            _join(self.connection, other)
        self.close_connection = True


def _join(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    while True:
        for readable in select.select([one, other], [], [], 30)[0]:
            content = readable.recv(65536)
            if not content:
                return
            (other if readable is one else one).sendall(content)
