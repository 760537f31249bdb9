"""The guard before a real vLLM: every route that vLLM registers is allowed or not there, and keys open it."""

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from openai import AuthenticationError, BadRequestError, OpenAI

from genmodel_runtime.routes import Audience, audience
from tests.engine_failures import Refusal, write_model
from tests.oracle import told_by
from tests.real_engine import Server, serving

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND")
NOT_THERE_FOR_CLIENTS = re.compile(r"/v1/responses/[^/]+(/cancel)?")
DOCUMENTATION = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}


@pytest.fixture(scope="module")
def routes(site_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str]]]:
    """Return the routes that vLLM registers for each of our tasks, from its own application."""
    assert site_packages
    found: dict[str, list[list[str]]] = told_by("engine_routes.py", asked=None, home=tmp_path_factory.mktemp("home"))
    return {task: [(method, path) for method, path in listed] for task, listed in found.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, site_packages: Path) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("pod")
    keys = root / "etc/genmodel/keys"
    keys.mkdir(parents=True)
    (keys / "team-a").write_text("alpha\n")
    model = write_model(root / "model", Refusal("none", "", ()))
    environ = {"GENMODEL_ACCESS": "ApiKeys", "GENMODEL_LIMITS": '{"bodyBytes": 1000000, "choices": 4}'}
    with serving(root, site_packages, "--enforce-eager", model=model, environ=environ) as found:
        found.wait_until_ready()
        yield found


def client(server: Server, key: str = "alpha") -> OpenAI:
    return OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key=key, timeout=120, max_retries=0)


def sent(server: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Send a request whose path is written as it is."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        known = {"Authorization": "Bearer alpha", "Content-Type": "application/json"}
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {**known, **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body)
        with connection.getresponse() as response:
            return response.status, response.read()


def concrete(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "x1", path)


@pytest.mark.parametrize(("task", "want_at_least"), [("Generate", 30), ("Embed", 15), ("Score", 15)])
def test_of_all_routes_that_the_engine_registers_only_the_listed_are_there(
    routes: dict[str, list[tuple[str, str]]], task: str, want_at_least: int
) -> None:
    """And every route that we allow is one of the engine's: the list holds nothing that is gone."""
    found = routes[task]
    assert len(found) >= want_at_least
    open_to = {
        (method, path)
        for method, path in found
        if audience(task, method, concrete(path).encode()) is not Audience.NOBODY
    }
    want = {
        "Generate": {
            ("GET", "/health"),
            ("GET", "/metrics"),
            ("GET", "/v1/models"),
            ("GET", "/v1/responses/{response_id}"),
            ("GET", "/version"),
            ("POST", "/v1/chat/completions"),
            ("POST", "/v1/completions"),
            ("POST", "/v1/messages"),
            ("POST", "/v1/messages/count_tokens"),
            ("POST", "/v1/responses"),
            ("POST", "/v1/responses/{response_id}/cancel"),
        },
        "Embed": {
            ("GET", "/health"),
            ("GET", "/metrics"),
            ("GET", "/v1/models"),
            ("GET", "/version"),
            ("POST", "/v1/embeddings"),
            ("POST", "/v2/embed"),
        },
        "Score": {
            ("GET", "/health"),
            ("GET", "/metrics"),
            ("GET", "/v1/models"),
            ("GET", "/version"),
            ("POST", "/rerank"),
            ("POST", "/score"),
            ("POST", "/v1/rerank"),
            ("POST", "/v1/score"),
            ("POST", "/v2/rerank"),
        },
    }[task]
    assert open_to == want


def test_every_registered_route_through_the_running_server(
    server: Server, routes: dict[str, list[tuple[str, str]]]
) -> None:
    """By every method, with a valid key: what is not allowed answers 404 in one shape.

    To the routes that the engine lists in its log those of other tasks are added.
    """
    logged = set(re.findall(r"Route: (/\S*),", server.pod.log))
    assert {"/tokenize", "/invocations", "/v1/chat/completions"} <= logged
    assert logged <= {path for _, path in routes["Generate"]} | DOCUMENTATION
    paths = sorted({concrete(path) for listed in routes.values() for _, path in listed} | {*map(concrete, logged)})
    answered = set()
    for path in paths:
        for method in METHODS:
            status, body = sent(server, method, path, b"{}" if method == "POST" else None)
            expected = audience("Generate", method, path.encode())
            if expected in (Audience.NOBODY, Audience.RUNTIME):
                assert status == 404, (method, path, body)
                assert method == "HEAD" or json.loads(body)["error"]["code"] == "no_route"
            else:
                answered.add(path)
                assert status != 404 or NOT_THERE_FOR_CLIENTS.fullmatch(path), (method, path, body)
    assert {"/v1/models", "/v1/completions", "/health"} <= answered


@pytest.mark.parametrize(
    "path",
    [
        "//tokenize",
        "/tokenize/",
        "/%74okenize",
        "/v1%2fcompletions",
        "/v1/../tokenize",
        "/V1/models",
        "/v1/models/",
        "*",
    ],
)
def test_odd_spellings_are_not_there(server: Server, path: str) -> None:
    for method in ("GET", "POST"):
        assert sent(server, method, path, b"{}")[0] == 404


def test_a_websocket_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(
            b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Authorization: Bearer alpha\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert wire.recv(1000).split()[1] in (b"403", b"404")


def test_the_supervisor_gets_in_and_nobody_else_sees_its_routes(server: Server) -> None:
    assert b"vllm:num_requests_running" in server.pod.get("/metrics")[1]
    assert server.pod.status()["engine"]["version"].startswith("0.32.0")
    assert server.pod.status()["access"] == {"keys": 1, "unusable": [], "problem": ""}
    for path in ("/metrics", "/version"):
        assert sent(server, "GET", path, x_genmodel_key="guess")[0] == 404


def test_the_models_are_listed_without_the_folder_of_the_weights(server: Server) -> None:
    status, body = sent(server, "GET", "/v1/models")
    assert status == 200
    assert {model["id"]: model["root"] for model in json.loads(body)["data"]} == {
        "tiny": "tiny",
        "acme/tiny-llama": "acme/tiny-llama",
    }
    assert str(server.pod.root).encode() not in body


def test_only_a_key_opens_and_a_new_one_within_seconds(server: Server) -> None:
    assert ask_for_a_word(server, "alpha")
    for key in ("beta", "alph"):
        with pytest.raises(AuthenticationError) as refused:
            ask_for_a_word(server, key)
        assert refused.value.response.headers["www-authenticate"].startswith("Bearer")
    keys = server.pod.root / "etc/genmodel/keys"
    (keys / "team-b").write_text("beta")
    until_it_opens(server, "beta")
    assert ask_for_a_word(server, "alpha")
    (keys / "team-b").unlink()
    status, body = sent(server, "POST", "/v1/messages", message(), x_api_key="alpha", Authorization="Bearer alpha")
    assert status == 200, body
    assert {"alpha", "beta"} & set(re.findall(r"\w+", server.pod.log)) == set()


def test_a_secret_that_is_emptied_takes_the_pod_out_and_lets_nobody_in(server: Server) -> None:
    keys = server.pod.root / "etc/genmodel/keys"
    (keys / "team-a").write_text("")
    server.pod.wait_until(lambda: not server.pod.is_ready())
    assert b"no entry of the Secret is a key (team-a)" in server.pod.get("/readyz")[1]
    assert server.pod.get("/startupz")[0] == 200, "the container is not restarted for it"
    time.sleep(1.1)
    for key in ("", "alpha"):
        status, body = sent(server, "POST", "/v1/completions", b"{}", Authorization=f"Bearer {key}")
        assert (status, json.loads(body)["error"]["code"]) == (401, "no_api_keys")
    assert sent(server, "GET", "/health")[0] == 200
    (keys / "team-a").write_text("alpha\n")
    server.pod.wait_until(server.pod.is_ready)
    until_it_opens(server, "alpha")


def ask_for_a_word(server: Server, key: str, **more: Any) -> str:
    with client(server, key) as api:
        return str(api.completions.create(**{"model": "tiny", "prompt": "a", "max_tokens": 1, **more}).id)


def until_it_opens(server: Server, key: str) -> None:
    def opens() -> bool:
        try:
            return bool(ask_for_a_word(server, key))
        except AuthenticationError:
            return False

    server.pod.wait_until(opens)


def message() -> bytes:
    return json.dumps({"model": "tiny", "max_tokens": 1, "messages": [{"role": "user", "content": "hello"}]}).encode()


def test_request_ids_are_echoed_and_made(server: Server) -> None:
    assert ask_for_a_word(server, "alpha", extra_headers={"X-Request-Id": "mine-7"}).startswith("cmpl-mine-7")
    with client(server) as api:
        answer = api.completions.with_raw_response.create(model="tiny", prompt="a", max_tokens=1)
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


def test_limits(server: Server) -> None:
    with pytest.raises(BadRequestError, match="n is above the limit of 4") as refused:
        ask_for_a_word(server, "alpha", n=5)
    assert (refused.value.code, refused.value.param) == ("over_limit", "n")
    image = {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest/meta-data"}}
    with pytest.raises(BadRequestError, match=r"nothing is fetched from 169\.254\.169\.254"), client(server) as api:
        api.chat.completions.create(model="tiny", messages=[{"role": "user", "content": [image]}])  # type: ignore[list-item, misc]
    large = json.dumps({"model": "tiny", "prompt": "x" * 20_000_000}).encode()
    status, body = sent(server, "POST", "/v1/completions", large)
    assert (status, json.loads(body)["error"]["code"]) == (413, "request_too_large")
    assert chunked(server, large)[0] == 413
    assert ask_for_a_word(server, "alpha")


def chunked(server: Server, body: bytes) -> tuple[int, bytes]:
    """Send a body whose length is not told."""
    headers = {"Authorization": "Bearer alpha", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("POST", "/v1/completions", iter([body[:1000], body[1000:]]), headers, encode_chunked=True)
        with connection.getresponse() as response:
            return response.status, response.read()


def test_errors_of_the_engine_are_in_the_one_shape(server: Server) -> None:
    status, body = sent(server, "POST", "/v1/completions", b'{"model": "other", "prompt": "a"}')
    assert (status, json.loads(body)["error"]["type"]) == (404, "NotFoundError")
    status, body = sent(server, "POST", "/v1/completions", b"{}", Content_Type="text/plain")
    assert status in (400, 415)
    assert json.loads(body)["error"]["message"]


def test_tools_are_refused_in_words_where_the_model_has_no_parser(server: Server) -> None:
    """As where none follows from the template: the engine has no flags of tools here."""
    tool: Any = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    question: Any = [{"role": "user", "content": "hello"}]
    with pytest.raises(BadRequestError, match="--tool-call-parser") as refused, client(server) as api:
        api.chat.completions.create(model="tiny", messages=question, tools=[tool], max_tokens=1)
    error = json.loads(refused.value.response.content)["error"]
    assert error.keys() >= {"message", "type", "param", "code"}
    assert "--enable-auto-tool-choice" in error["message"]
