"""One HTTP session to the API server, reached as the client library's configuration says.

Requests do not go through the library: it copies each body field by field, which takes three times
as long as everything else about the request.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from genmodel_operator.kube.kubernetes_aio import Configuration, RESTClientObject


class Transport:
    """Sends requests to one API server; bounded in time, with fresh credentials each time."""

    def __init__(self, configuration: Configuration, *, user_agent: str, timeout_seconds: float) -> None:
        """Take how the server is reached; opens nothing. ``timeout_seconds`` bounds each request as a whole."""
        self._configuration = configuration
        self._user_agent = user_agent
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None
        self.ssl_context: ssl.SSLContext = RESTClientObject(configuration).ssl_context
        self.proxy: str | None = configuration.proxy or _proxy_of_environment(configuration.host)

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self._configuration.host)

    async def credentials(self) -> dict[str, str]:
        """Return the headers that say who asks; none where the connection's certificate does."""
        token = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": token} if token else {}

    async def send(
        self, method: str, path: str, *, query: Sequence[tuple[str, str]], body: bytes | None, content_type: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request; return status, headers and body of the answer, whatever the status is."""
        # aiohttp's own time-out does not cover a token refresh, so this one goes around everything.
        async with asyncio.timeout(self._timeout_seconds):
            headers = {"Accept": "application/json", "User-Agent": self._user_agent, **await self.credentials()}
            if body is not None:
                headers["Content-Type"] = content_type
            async with self._opened().request(
                method,
                URL(self.server + path),
                params=query or None,
                data=body,
                headers=headers,
                proxy=self.proxy,
                proxy_headers=self._configuration.proxy_headers,
                server_hostname=self._configuration.tls_server_name or None,
            ) as answer:
                return answer.status, answer.headers, await answer.read()

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Sequence[tuple[str, str]], timeout_seconds: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open an answer that comes bit by bit; everything together may last ``timeout_seconds``."""
        async with asyncio.timeout(timeout_seconds):
            headers = {"Accept": "application/json", "User-Agent": self._user_agent, **await self.credentials()}
            async with self._opened().get(
                URL(self.server + path),
                params=query or None,
                headers=headers,
                proxy=self.proxy,
                proxy_headers=self._configuration.proxy_headers,
                server_hostname=self._configuration.tls_server_name or None,
            ) as answer:
                yield answer

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # The proxy is known already: asked to look itself, aiohttp reads environment and .netrc each time.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._configuration.connection_pool_maxsize, ssl=self.ssl_context),
                timeout=aiohttp.ClientTimeout(total=None),
                # A page of a list is megabytes; the default buffer would stop the server every 64 KiB.
                read_bufsize=2**21,
            )
        return self._session


def _proxy_of_environment(server: str) -> str | None:
    """Return the proxy that the environment names for a URL, None where it is to be reached directly."""
    url = URL(server)
    if proxy_bypass(url.host or ""):
        return None
    return getproxies().get(url.scheme)
