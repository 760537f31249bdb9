"""``/metrics``, ``/livez`` and ``/readyz``; an unready operator says why."""

import errno
import socket
from collections.abc import Callable

from aiohttp import web

from genmodel_operator.observability.metrics import CONTENT_TYPE, Metrics

Check = Callable[[], str | None]
"""Returns what is wrong, or None."""


class Health:
    """What must hold before the operator counts as ready."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._problems: dict[str, str] = {}

    def add_check(self, name: str, check: Check) -> None:
        """Ask this each time somebody wants to know."""
        self._checks[name] = check

    def set(self, name: str, problem: str | None) -> None:
        """Set or clear a problem that somebody else found."""
        if problem is None:
            self._problems.pop(name, None)
        else:
            self._problems[name] = problem

    def problems(self) -> dict[str, str]:
        """Return what is wrong, by name; empty when ready."""
        asked = {name: check() for name, check in self._checks.items()}
        return self._problems | {name: problem for name, problem in asked.items() if problem is not None}


class HttpServer:
    """Serves health and metrics on one port, from ``start`` until ``stop``."""

    def __init__(self, *, port: int, health: Health, metrics: Metrics, host: str | None = None) -> None:
        """Take the port (0 chooses a free one) and what to serve; ``host`` None listens on every address."""
        self._wanted_port = port
        self._host = host
        self._health = health
        self._metrics = metrics
        self._runner: web.AppRunner | None = None
        self.port = port

    async def start(self) -> None:
        """Listen; ``port`` then holds the real port. Raises ``OSError`` where it is taken."""
        app = web.Application()
        app.add_routes(
            [web.get("/livez", self._livez), web.get("/readyz", self._readyz), web.get("/metrics", self._render)]
        )
        # A probe that keeps its connection would hold up the end of the process.
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=0, shutdown_timeout=1)
        await self._runner.setup()
        listener = _listen(self._host, self._wanted_port)
        await web.SockSite(self._runner, listener).start()
        self.port = int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _livez(self, _request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _readyz(self, _request: web.Request) -> web.Response:
        problems = self._health.problems()
        return web.json_response({"ready": not problems, "problems": problems}, status=503 if problems else 200)

    async def _render(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})


_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def _listen(host: str | None, port: int) -> socket.socket:
    """Return one listening socket for both address families; two sockets would choose two free ports."""
    if host is not None:
        return socket.create_server((host, port))
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("", port))
