"""Requests on their way through the engine's HTTP server: counted, and told to close their connections.

The engine's own figures know a request only while its scheduler does; one that is being read,
tokenised or written to a slow client is not in them, and must not be cut off either. This ASGI
middleware sits around everything else in the engine's API server (``--middleware``) and sees them
all. Supervisor and server share a folder: a small mapped file of each server process, and a mark
that says that connections are to end.
"""

import contextlib
import mmap
import os
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "GENMODEL_TRAFFIC_DIR"
"""Set by the supervisor for its child."""
MIDDLEWARE = "genmodel_runtime.traffic.TrafficMiddleware"
_COUNTS = struct.Struct("=qq")
_CLOSING = "closing"
_PREFIX = "server-"
_UNCOUNTED = frozenset({"/metrics", "/health"})
"""Asked by our own looks at the engine and by probes, never by a client that waits for an answer."""

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


@dataclass(frozen=True)
class Traffic:
    """Requests of all server processes: those under way, and those that have ended since the start."""

    under_way: int
    ended: int


class TrafficFolder:
    """The supervisor's side of the folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def environ(self) -> dict[str, str]:
        """Return what the engine's environment needs, so that its servers find the folder."""
        return {FOLDER_VARIABLE: str(self._path)}

    def read(self) -> Traffic:
        """Return the traffic now; none before a server has answered its first request."""
        found = []
        # At the very end a look may still be under way while the folder is taken away.
        with contextlib.suppress(FileNotFoundError):
            found = [_COUNTS.unpack(path.read_bytes()) for path in self._path.glob(f"{_PREFIX}*")]
        return Traffic(sum(under_way for under_way, _ in found), sum(ended for _, ended in found))

    def close_connections(self) -> None:
        """Let every answer from now on end its connection, so that clients come back to another pod."""
        (self._path / _CLOSING).touch()


class ServerTraffic:
    """One server process's side of the folder; all calls from one thread, or under the caller's lock."""

    def __init__(self, folder: Path) -> None:
        self._closing = str(folder / _CLOSING)
        self._under_way = self._ended = 0
        path = folder / f"{_PREFIX}{os.getpid()}"
        unfinished = folder / f".{path.name}"
        unfinished.write_bytes(bytes(_COUNTS.size))
        # Whole or not there at all: the supervisor reads it at any moment.
        unfinished.rename(path)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _COUNTS.size)

    def begin(self) -> None:
        """Count a request that has come."""
        self._under_way += 1
        self._write()

    def end(self) -> None:
        """Count a request that is answered or given up."""
        self._under_way -= 1
        self._ended += 1
        self._write()

    def is_closing(self) -> bool:
        """Return whether connections are to end with their answers."""
        return os.path.exists(self._closing)  # noqa: PTH110 - once per answer, and several times faster

    def _write(self) -> None:
        _COUNTS.pack_into(self._map, 0, self._under_way, self._ended)


class TrafficMiddleware:
    """Counts HTTP requests and closes their connections while the pod drains."""

    def __init__(self, app: _App) -> None:
        self._app = app
        self._traffic = ServerTraffic(Path(os.environ[FOLDER_VARIABLE]))

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http" or scope["path"] in _UNCOUNTED:
            await self._app(scope, receive, send)
            return
        self._traffic.begin()
        try:
            await self._app(scope, receive, self._closing(send))
        finally:
            self._traffic.end()

    def _closing(self, send: _Send) -> _Send:
        async def sending(message: _Message) -> None:
            if message["type"] == "http.response.start" and self._traffic.is_closing():
                # Without it a client keeps the connection, and with it this pod, for its next requests.
                headers = [field for field in message.get("headers", ()) if field[0].lower() != b"connection"]
                message = {**message, "headers": [*headers, (b"connection", b"close")]}
            await send(message)

        return sending
