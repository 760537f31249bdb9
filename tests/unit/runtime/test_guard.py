import json
from pathlib import Path
from typing import Any

import pytest

from genmodel_runtime.answers import App, Message, Receive, Send
from genmodel_runtime.guard import MIDDLEWARE, OWN_KEY_HEADER, Guard, child_environ
from genmodel_runtime.settings import SettingsError, guard_settings
from tests.fakes.asgi import Exchange, RecordingApp, ask

CHAT = "/v1/chat/completions"
OWN = "own-key-of-this-start"
DOCUMENT = json.dumps({"model": "m", "messages": []}).encode()


def guard(app: App, keys_dir: Path | None = None, **environ: str) -> Guard:
    access = "ApiKeys" if keys_dir else "Open"
    folder = {"GENMODEL_KEYS_DIR": str(keys_dir)} if keys_dir else {}
    own = {"GENMODEL_TASK": "Generate", "GENMODEL_ACCESS": access, "GENMODEL_OWN_KEY": OWN}
    return Guard(app, {**own, **folder, **environ})


@pytest.fixture
def app() -> RecordingApp:
    return RecordingApp()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (tmp_path / "team-a").write_text("alpha\n")
    (tmp_path / "team-b").write_text("beta")
    return tmp_path


def assert_refused(exchange: Exchange, app: RecordingApp, status: int, code: str) -> None:
    assert (exchange.status, exchange.error["code"]) == (status, code), exchange.body
    assert exchange.headers["content-type"] == "application/json"
    assert exchange.headers["content-length"] == str(len(exchange.body))
    assert exchange.error["request_id"] == exchange.headers["x-request-id"]
    assert app.asked == []


async def test_an_allowed_request_passes_whole(app: RecordingApp) -> None:
    exchange = await ask(guard(app), "POST", CHAT, body=DOCUMENT)
    assert (exchange.status, exchange.body) == (200, b"{}")
    assert app.bodies == [DOCUMENT]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "BREW"])
async def test_other_methods_are_not_there(app: RecordingApp, method: str) -> None:
    assert_refused(await ask(guard(app), method, CHAT), app, 404, "no_route")


@pytest.mark.parametrize(
    "path", ["/tokenize", "/metrics", "/v1/embeddings", "/docs", f"{CHAT}/", f"/{CHAT}", "/\u00ff"]
)
async def test_other_routes_are_not_there(app: RecordingApp, path: str) -> None:
    assert_refused(await ask(guard(app), "POST", path, body=DOCUMENT), app, 404, "no_route")


async def test_what_is_not_there_says_for_what_the_model_is_served(app: RecordingApp) -> None:
    exchange = await ask(guard(app, GENMODEL_TASK="Embed"), "POST", CHAT, body=DOCUMENT)
    assert exchange.error == {
        "message": "there is no POST /v1/chat/completions for a model that is served for embeddings",
        "type": "not_found_error",
        "param": None,
        "code": "no_route",
        "request_id": exchange.headers["x-request-id"],
    }


async def test_a_path_below_a_mount_is_no_route(app: RecordingApp) -> None:
    """The engine matches the decoded path; what was sent decides."""

    async def decoded(scope: Message, receive: Receive, send: Send) -> None:
        await guard(app)({**scope, "raw_path": b"/v1/chat%2Fcompletions", "path": CHAT}, receive, send)

    assert_refused(await ask(decoded, "POST", CHAT, body=DOCUMENT), app, 404, "no_route")


async def test_a_websocket_is_closed(app: RecordingApp) -> None:
    exchange = await ask(guard(app), "GET", "/v1/realtime", kind="websocket")
    assert [message["type"] for message in exchange.sent] == ["websocket.close"]
    assert app.asked == []


async def test_the_servers_own_life_passes(app: RecordingApp) -> None:
    await ask(guard(app), "", "", kind="lifespan")
    assert [scope["type"] for scope in app.asked] == ["lifespan"]
    await ask(guard(app), "", "", kind="unknown")
    assert len(app.asked) == 1


# The supervisor's own calls ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/metrics", "/version", "/v1/models", "/health"])
async def test_the_supervisors_own_calls_pass(app: RecordingApp, keys: Path, path: str) -> None:
    exchange = await ask(guard(app, keys), "GET", path, headers=[(OWN_KEY_HEADER, OWN)], peer="127.0.0.1")
    assert exchange.status == 200


@pytest.mark.parametrize(
    ("headers", "peer"),
    [
        pytest.param([], "127.0.0.1", id="no key"),
        pytest.param([(OWN_KEY_HEADER, "")], "127.0.0.1", id="an empty key"),
        pytest.param([(OWN_KEY_HEADER, OWN[:-1])], "127.0.0.1", id="a wrong key"),
        pytest.param([(OWN_KEY_HEADER, OWN), (OWN_KEY_HEADER, "x")], "127.0.0.1", id="two keys"),
        pytest.param([("Authorization", f"Bearer {OWN}")], "127.0.0.1", id="as an API key"),
        pytest.param([(OWN_KEY_HEADER, OWN)], "10.0.0.9", id="from elsewhere"),
    ],
)
async def test_for_others_there_are_no_metrics(
    app: RecordingApp, keys: Path, headers: list[tuple[str, str]], peer: str
) -> None:
    assert_refused(await ask(guard(app, keys), "GET", "/metrics", headers=headers, peer=peer), app, 404, "no_route")
    exchange = await ask(guard(app, keys), "GET", "/v1/models", headers=headers, peer=peer)
    assert (exchange.status, app.asked) == (401, [])


async def test_without_an_own_key_nothing_is_the_supervisors(app: RecordingApp) -> None:
    no_key = guard(app, GENMODEL_OWN_KEY="")
    headers = [(OWN_KEY_HEADER, "")]
    assert_refused(await ask(no_key, "GET", "/metrics", headers=headers, peer="127.0.0.1"), app, 404, "no_route")


# API keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "header", "value"),
    [
        (CHAT, "Authorization", "Bearer alpha"),
        (CHAT, "authorization", "bearer  beta "),
        ("/v1/messages", "x-api-key", "alpha"),
        ("/v1/messages", "Authorization", "Bearer beta"),
        ("/v1/messages/count_tokens", "x-api-key", "beta"),
    ],
)
async def test_a_key_opens(app: RecordingApp, keys: Path, path: str, header: str, value: str) -> None:
    assert (await ask(guard(app, keys), "POST", path, body=DOCUMENT, headers=[(header, value)])).status == 200


@pytest.mark.parametrize(
    ("headers", "want_code", "want_challenge"),
    [
        pytest.param([], "missing_api_key", 'Bearer realm="genmodel"', id="none"),
        pytest.param(
            [("Authorization", "Bearer gamma")],
            "invalid_api_key",
            'Bearer realm="genmodel", error="invalid_token"',
            id="unknown",
        ),
        pytest.param([("Authorization", "alpha")], "invalid_api_key", None, id="without Bearer"),
        pytest.param([("Authorization", "Basic alpha")], "invalid_api_key", None, id="another scheme"),
        pytest.param([("Authorization", "Bearer ")], "invalid_api_key", None, id="empty"),
        pytest.param([("x-api-key", "alpha")], "missing_api_key", None, id="the header of another API"),
        pytest.param(
            [("Authorization", "Bearer alpha"), ("Authorization", "Bearer gamma")], "invalid_api_key", None, id="two"
        ),
        pytest.param([("Authorization", "Bearer \u00e9")], "invalid_api_key", None, id="not ASCII"),
    ],
)
async def test_without_a_key_nothing_opens(
    app: RecordingApp, keys: Path, headers: list[tuple[str, str]], want_code: str, want_challenge: str | None
) -> None:
    exchange = await ask(guard(app, keys), "POST", CHAT, body=DOCUMENT, headers=headers)
    assert_refused(exchange, app, 401, want_code)
    assert exchange.error["type"] == "authentication_error"
    assert exchange.headers["www-authenticate"].startswith("Bearer")
    if want_challenge:
        assert exchange.headers["www-authenticate"] == want_challenge


async def test_health_needs_no_key(app: RecordingApp, keys: Path) -> None:
    assert (await ask(guard(app, keys), "GET", "/health")).status == 200


async def test_where_no_keys_are_asked_for_any_or_none_will_do(app: RecordingApp) -> None:
    for headers in ([], [("Authorization", "Bearer unused")]):
        assert (await ask(guard(app), "POST", CHAT, body=DOCUMENT, headers=headers)).status == 200


@pytest.mark.parametrize(
    "prepare", [lambda folder: None, lambda folder: (folder / "a").touch()], ids=["no", "an empty"]
)
async def test_an_empty_secret_lets_nobody_in(app: RecordingApp, tmp_path: Path, prepare: Any) -> None:
    prepare(tmp_path)
    for headers in ([], [("Authorization", "Bearer ")], [("Authorization", "Bearer a")]):
        exchange = await ask(guard(app, tmp_path), "POST", CHAT, body=DOCUMENT, headers=headers)
        assert_refused(exchange, app, 401, "no_api_keys")
        assert "this model lets nobody in" in exchange.error["message"]


async def test_keys_are_neither_passed_on_nor_logged(
    app: RecordingApp, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    headers = [("Authorization", "Bearer alpha"), ("x-api-key", "zeta"), (OWN_KEY_HEADER, "eta"), ("Accept", "*/*")]
    await ask(guard(app, keys), "POST", CHAT, body=DOCUMENT, headers=headers)
    passed = dict(app.asked[0]["headers"])
    assert set(passed) == {b"content-length", b"accept", b"x-request-id"}
    await ask(guard(app, keys), "POST", CHAT, body=b"{", headers=headers)
    await ask(guard(app, keys), "POST", CHAT, headers=[("Authorization", "Bearer theta")])
    said = capsys.readouterr().out
    assert said.count(": guard: 4") == 2
    assert [key for key in ("alpha", "zeta", "theta", OWN) if key in said] == []


# Limits ------------------------------------------------------------------------------------------

SMALL = '{"bodyBytes": 100, "choices": 2}'


async def test_a_body_that_says_it_is_too_large_is_not_even_read(app: RecordingApp) -> None:
    read: list[None] = []
    body = b"x" * 101
    exchange = await ask(
        guard(app, GENMODEL_LIMITS=SMALL), "POST", CHAT, body=body, on_receive=lambda: read.append(None)
    )
    assert_refused(exchange, app, 413, "request_too_large")
    assert "the limit of 100 bytes" in exchange.error["message"]
    assert read == []


@pytest.mark.parametrize("claim", [[], [("Content-Length", "5")], [("Content-Length", "no number")]])
async def test_a_body_that_turns_out_too_large(app: RecordingApp, claim: list[tuple[str, str]]) -> None:
    parts = [b'{"a": "' + b"x" * 60, b"x" * 60, b'"}']
    exchange = await ask(guard(app, GENMODEL_LIMITS=SMALL), "POST", CHAT, body=parts, headers=claim)
    assert_refused(exchange, app, 413, "request_too_large")


async def test_a_body_in_parts_reaches_the_engine_whole(app: RecordingApp) -> None:
    await ask(guard(app), "POST", CHAT, body=[DOCUMENT[:5], b"", DOCUMENT[5:]])
    assert app.bodies == [DOCUMENT]


async def test_after_the_body_the_engine_hears_when_the_client_leaves(app: RecordingApp) -> None:
    heard: list[str] = []

    async def listens(scope: Message, receive: Receive, send: Send) -> None:
        heard.extend([(await receive())["type"], (await receive())["type"]])
        await app(scope, receive, send)

    await ask(guard(listens), "POST", CHAT, body=DOCUMENT)
    assert heard == ["http.request", "http.disconnect"]


async def test_a_client_that_leaves_before_its_request_is_whole_costs_nothing(app: RecordingApp) -> None:
    async def cut(scope: Message, receive: Receive, send: Send) -> None:
        async def left() -> Message:
            return {"type": "http.disconnect"}

        await guard(app)(scope, left, send)

    assert (await ask(cut, "POST", CHAT, body=DOCUMENT)).sent == []
    assert app.asked == []


@pytest.mark.parametrize(
    ("body", "want_code", "want_param", "want_message"),
    [
        (b'{"n": 3}', "over_limit", "n", "n is above the limit of 2"),
        (b'{"n": 1, "n": 3}', "over_limit", "n", "n is above the limit of 2"),
        (b'{"\\u006e": 3}', "over_limit", "n", "n is above the limit of 2"),
        ('{"n": 3}'.encode("utf-16"), "over_limit", "n", "n is above the limit of 2"),
        (b'{"messages": [{"image_url": "file:///x"}]}', "over_limit", "image_url", "file: are not read"),
        (b'{"messages": [{"image_\\u0075rl": "file:///x"}]}', "over_limit", "image_url", "file: are not read"),
        ('{"messages":[{"image_url":"file:/x"}]}'.encode("utf-16-le"), "over_limit", "image_url", "file: are not read"),
        (b"{", "invalid_json", None, "not valid JSON"),
        (b'{"n": ' + b"1" * 90 + b"}", "over_limit", "n", "n is above"),
        (b"\xff\xfe\xff", "invalid_json", None, "not valid JSON"),
    ],
)
async def test_what_a_request_may_not_ask_for(
    app: RecordingApp, body: bytes, want_code: str, want_param: str | None, want_message: str
) -> None:
    exchange = await ask(guard(app, GENMODEL_LIMITS=SMALL), "POST", CHAT, body=body)
    assert_refused(exchange, app, 400, want_code)
    assert exchange.error["param"] == want_param
    assert want_message in exchange.error["message"]


async def test_a_body_nested_too_deeply(app: RecordingApp) -> None:
    exchange = await ask(guard(app), "POST", CHAT, body=b"[" * 100_000)
    assert_refused(exchange, app, 400, "invalid_json")


async def test_an_empty_body_is_for_the_engine_to_judge(app: RecordingApp) -> None:
    assert (await ask(guard(app), "POST", "/v1/responses/resp_1/cancel")).status == 200


# Request ids -------------------------------------------------------------------------------------


async def test_a_request_id_is_echoed_and_reaches_the_engine(app: RecordingApp) -> None:
    headers = [("X-Request-Id", "abc-1.2:3_4")]
    exchange = await ask(guard(app), "POST", CHAT, body=DOCUMENT, headers=headers)
    assert exchange.headers["x-request-id"] == "abc-1.2:3_4"
    assert dict(app.asked[0]["headers"])[b"x-request-id"] == b"abc-1.2:3_4"


@pytest.mark.parametrize("given", [None, "", "two words", "a" * 129, "a\x0bb", "\u00e9", '"quoted"'])
async def test_an_id_that_is_none_gets_a_new_one(app: RecordingApp, given: str | None) -> None:
    headers = [] if given is None else [("X-Request-Id", given)]
    exchange = await ask(guard(app), "POST", CHAT, body=DOCUMENT, headers=headers)
    made = exchange.headers["x-request-id"]
    assert len(made) == 32
    assert [value for name, value in app.asked[0]["headers"] if name == b"x-request-id"] == [made.encode()]


async def test_the_log_names_the_request(app: RecordingApp, capsys: pytest.CaptureFixture[str]) -> None:
    await ask(guard(app), "GET", "/tokenize", headers=[("X-Request-Id", "abc")])
    assert capsys.readouterr().out == "genmodel_runtime: guard: 404 no_route GET '/tokenize', request abc\n"


async def test_a_flood_of_refusals_is_counted_and_not_written(
    app: RecordingApp, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    guarded = guard(app)
    for _ in range(20):
        await ask(guarded, "GET", "/a\nb" + "c" * 200)
    now[0] = 101.0
    await ask(guarded, "GET", "/x")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert "15 more refused requests were not logged" in lines[5]
    assert max(map(len, lines)) < 220


# Settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        ({"GENMODEL_TASK": "Generate"}, "GENMODEL_ACCESS is not set"),
        ({"GENMODEL_TASK": "Generate", "GENMODEL_ACCESS": "open"}, "'open' is none of Open, ApiKeys"),
        ({"GENMODEL_TASK": "Chat", "GENMODEL_ACCESS": "Open"}, "'Chat' is none of Generate, Embed, Score"),
        (
            {"GENMODEL_TASK": "Generate", "GENMODEL_ACCESS": "Open", "GENMODEL_LIMITS": "{"},
            "GENMODEL_LIMITS: Expecting property name",
        ),
    ],
)
def test_settings_that_are_wrong_stop_the_server(environ: dict[str, str], want: str) -> None:
    with pytest.raises(SettingsError, match=want):
        Guard(RecordingApp(), environ)


def test_the_child_is_told_the_folder_and_the_own_key() -> None:
    environ = {"GENMODEL_TASK": "Score", "GENMODEL_ACCESS": "ApiKeys"}
    settings = guard_settings(environ)
    assert child_environ(settings, "k") == {"GENMODEL_OWN_KEY": "k", "GENMODEL_KEYS_DIR": "/etc/genmodel/keys"}
    assert guard_settings({**environ, **child_environ(settings, "k")}) == settings


def test_the_engine_finds_it_by_this_name() -> None:
    assert f"{Guard.__module__}.{Guard.__qualname__}" == MIDDLEWARE
