"""The HTTP session to the API server, on loopback: what is sent, through which proxy, for how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from genmodel_operator.kube.transport import Transport


@dataclass
class Server:
    """Answers everything and remembers it; as a proxy it answers in the place of others."""

    url: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200
    waits_seconds: float = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        await asyncio.sleep(self.waits_seconds)
        return web.json_response({"kind": "Status"}, status=self.status)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server, app = Server(), web.Application()
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def transport(host: str, *, timeout_seconds: float = 30.0, **options: Any) -> AsyncIterator[Transport]:
    configuration = Configuration()
    configuration.host = host
    for name, value in options.items():
        setattr(configuration, name, value)
    found = Transport(configuration, user_agent="genmodel-operator/1", timeout_seconds=timeout_seconds)
    try:
        yield found
    finally:
        await found.close()


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def get(found: Transport, path: str = "/api") -> int:
    status, _, _ = await found.send("GET", path, query=(), body=None, content_type="application/json")
    return status


async def test_what_is_sent_and_what_comes_back() -> None:
    async with serving() as server, transport(server.url) as found:
        server.status = 409
        query = [("labelSelector", "a=b,c"), ("limit", "1")]
        status, headers, body = await found.send(
            "PATCH", "/apis/x", query=query, body=b'{"a":1}', content_type="application/apply-patch+yaml"
        )
        ((method, path, sent, data),) = server.asked
    assert (status, headers["Content-Type"], body) == (409, "application/json; charset=utf-8", b'{"kind": "Status"}')
    assert (method, path, data) == ("PATCH", "/apis/x?labelSelector=a%3Db,c&limit=1", b'{"a":1}')
    assert sent["Content-Type"] == "application/apply-patch+yaml"
    assert (sent["Accept"], sent["User-Agent"]) == ("application/json", "genmodel-operator/1")
    assert "Authorization" not in sent


async def test_each_request_carries_the_token_of_that_moment() -> None:
    tokens = iter(["Bearer one", "Bearer two"])

    def refresh(configuration: Configuration) -> None:
        configuration.api_key["BearerToken"] = next(tokens)

    async with serving() as server, transport(server.url, refresh_api_key_hook=refresh) as found:
        await get(found)
        await get(found)
        assert [sent["Authorization"] for _, _, sent, _ in server.asked] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize(
    ("no_proxy", "want_proxied"),
    [
        pytest.param("", True, id="every host"),
        pytest.param("example.com", True, id="another host is excepted"),
        pytest.param("api.cluster.test", False, id="the API server is excepted"),
        pytest.param(".cluster.test", False, id="its domain is excepted"),
    ],
)
async def test_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch, no_proxy: str, want_proxied: bool) -> None:
    async with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", no_proxy)
        async with transport("http://api.cluster.test:8080") as found:
            assert found.proxy == (proxy.url if want_proxied else None)
            if want_proxied:
                assert await get(found) == 200
                assert proxy.asked[0][1] == "http://api.cluster.test:8080/api"


async def test_the_proxy_of_the_kubeconfig_comes_before_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with serving() as proxy, transport("http://api.cluster.test", proxy=proxy.url) as found:
        assert await get(found) == 200
        assert len(proxy.asked) == 1


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    async with serving() as server, transport(server.url, timeout_seconds=0.2) as found:
        server.waits_seconds = 5.0
        with pytest.raises(TimeoutError):
            await get(found)


async def test_a_token_that_does_not_come_is_given_up_too() -> None:
    async def refresh(_configuration: Configuration) -> None:
        await asyncio.sleep(5)

    async with serving() as server, transport(server.url, timeout_seconds=0.2, refresh_api_key_hook=refresh) as found:
        with pytest.raises(TimeoutError):
            await get(found)
        assert server.asked == []
