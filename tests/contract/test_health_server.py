"""The health and metrics port over real HTTP."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from genmodel_operator.observability.metrics import Metrics
from genmodel_operator.observability.server import Health, HttpServer


@asynccontextmanager
async def serving(health: Health) -> AsyncIterator[aiohttp.ClientSession]:
    server = HttpServer(port=0, health=health, metrics=Metrics(), host="127.0.0.1")
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            yield session
    finally:
        await server.stop()


async def test_an_operator_without_problems_is_ready() -> None:
    async with serving(Health()) as session, session.get("/readyz") as answer:
        assert answer.status == 200
        assert await answer.json() == {"ready": True, "problems": {}}


async def test_an_unready_operator_says_why_and_is_alive() -> None:
    health = Health()
    health.set("kind", "the CustomResourceDefinition is not installed")
    health.add_check("queue", lambda: "a model has waited 200 s for a worker")
    health.add_check("fine", lambda: None)
    async with serving(health) as session:
        async with session.get("/readyz") as answer:
            assert answer.status == 503
            assert await answer.json() == {
                "ready": False,
                "problems": {
                    "kind": "the CustomResourceDefinition is not installed",
                    "queue": "a model has waited 200 s for a worker",
                },
            }
        async with session.get("/livez") as answer:
            assert answer.status == 200


async def test_a_problem_that_is_gone_is_forgotten() -> None:
    health = Health()
    health.set("kind", "missing")
    health.set("kind", None)
    health.set("never", None)
    async with serving(health) as session, session.get("/readyz") as answer:
        assert answer.status == 200


async def test_metrics_are_prometheus_text() -> None:
    async with serving(Health()) as session, session.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "genmodel_info{" in await answer.text()


@pytest.mark.parametrize(
    ("method", "path", "want"),
    [
        pytest.param("GET", "/", 404, id="nothing else"),
        pytest.param("POST", "/metrics", 405, id="no other method"),
        pytest.param("HEAD", "/readyz", 200, id="head"),
    ],
)
async def test_nothing_else_is_served(method: str, path: str, want: int) -> None:
    async with serving(Health()) as session, session.request(method, path) as answer:
        assert answer.status == want


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


async def test_it_listens_on_every_address_with_one_port() -> None:
    server = HttpServer(port=0, health=Health(), metrics=Metrics())
    await server.start()
    hosts = ["127.0.0.1", "[::1]"] if has_ipv6() else ["127.0.0.1"]
    async with aiohttp.ClientSession() as session:
        for host in hosts:
            async with session.get(f"http://{host}:{server.port}/livez") as answer:
                assert answer.status == 200
    await server.stop()


async def test_a_taken_port_is_an_error() -> None:
    first = HttpServer(port=0, health=Health(), metrics=Metrics(), host="127.0.0.1")
    await first.start()
    second = HttpServer(port=first.port, health=Health(), metrics=Metrics(), host="127.0.0.1")
    try:
        with pytest.raises(OSError, match=r"(?i)address already in use"):
            await second.start()
    finally:
        await second.stop()
        await first.stop()


async def test_stopping_twice_is_nothing() -> None:
    server = HttpServer(port=0, health=Health(), metrics=Metrics(), host="127.0.0.1")
    await server.start()
    await server.stop()
    await server.stop()
