"""The operator's Hub client when the Hub or the way to it fails."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.hub.client import HubError
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import standard_repositories
from tests.fakes.hub_testing import GOOD, TINY, TOKENS, Asking, Clock, ask, kinds


@pytest.fixture(scope="module")
def running() -> Iterator[HubServer]:
    with HubServer(standard_repositories(), tokens=TOKENS) as server:
        yield server


@pytest.fixture
def hub(running: HubServer) -> HubServer:
    running.clear_faults()
    running.log()
    return running


async def failure(asking: Asking, **question: Any) -> HubError:
    """The error of a question; the client is closed afterwards."""
    with pytest.raises(HubError) as error:
        await asking.resolve(**question)
    await asking.client.close()
    return error.value


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "want"),
    [
        pytest.param(
            f"http://127.0.0.1:{free_port()}", "127.0.0.1: [Errno 111] Connection refused", id="nobody listens"
        ),
        pytest.param("http://hub.invalid", "hub.invalid: ", id="no such host"),
        pytest.param("https://127.0.0.1:1", "127.0.0.1: ", id="https"),
        pytest.param("ftp://127.0.0.1", "not a valid http or https address", id="another protocol"),
        pytest.param("http://hub:port", "not a valid http or https address", id="no address"),
    ],
)
async def test_a_hub_that_cannot_be_reached(url: str, want: str) -> None:
    error = await failure(ask(url))
    assert (error.reason, error.transient) == (Reason.HUB_UNREACHABLE, True)
    assert str(error).startswith(f"the Hub at {url} cannot be reached: {want}")


async def test_a_silent_peer_costs_one_timeout(hub: HubServer) -> None:
    hub.fault("/api/models/", delay=5)
    started = time.monotonic()
    error = await failure(ask(hub, timeout_seconds=0.3))
    assert time.monotonic() - started < 2
    assert error.values["detail"] == "no answer from 127.0.0.1 within 0.3 s"


async def test_a_peer_that_drips_costs_one_timeout(hub: HubServer) -> None:
    hub.fault("/api/models/", bytes_per_second=40)
    started = time.monotonic()
    error = await failure(ask(hub, timeout_seconds=0.3))
    assert time.monotonic() - started < 2
    assert error.reason is Reason.HUB_UNREACHABLE


async def test_everything_together_has_a_bound_too(hub: HubServer) -> None:
    hub.fault(".*", delay=0.2, times=None)
    error = await failure(ask(hub, resolve_timeout_seconds=0.5))
    assert error.values["detail"] == "not all was answered within 0.5 s"
    hub.clear_faults()
    asking = ask(hub)
    assert (await asking.resolve()).repository == TINY
    await asking.client.close()


async def test_a_silent_hub_holds_up_no_other(hub: HubServer) -> None:
    asking = ask(hub, threads=4, timeout_seconds=1)
    with HubServer(standard_repositories()) as silent:
        silent.fault(".*", delay=5, times=None)
        stuck = asyncio.ensure_future(
            asking.client.resolve(TINY, "main", endpoint=silent.url, token=None, credential="x", secret="y")
        )
        started = time.monotonic()
        await asking.resolve()
        assert time.monotonic() - started < 0.9
        with pytest.raises(HubError):
            await stuck
    await asking.client.close()


@pytest.mark.parametrize(
    ("headers", "want_seconds"),
    [
        pytest.param({"RateLimit": '"api";r=0;t=55'}, 55, id="the Hub's header"),
        pytest.param({"Retry-After": "7"}, 7, id="the standard header"),
        pytest.param({}, 60, id="none"),
    ],
)
async def test_a_rate_limit_is_obeyed(hub: HubServer, headers: dict[str, str], want_seconds: float) -> None:
    clock = Clock()
    asking = ask(hub, clock=clock)
    hub.fault("/api/models/", status=429, headers=headers)
    for _ in range(2):
        with pytest.raises(HubError) as error:
            await asking.resolve()
        assert (error.value.reason, error.value.transient) == (Reason.HUB_RATE_LIMITED, True)
        assert error.value.retry_after_seconds == pytest.approx(want_seconds)
        assert f"for another {want_seconds} s" in str(error.value)
    assert len(hub.log()) == 1, "nothing is asked before the time has come"
    clock.now += want_seconds
    assert (await asking.resolve()).repository == TINY
    await asking.client.close()


@pytest.mark.parametrize(
    "match",
    [
        pytest.param("/tree/", id="while listing"),
        pytest.param("/config.json", id="while reading a document"),
        pytest.param("/resolve/.*/model.safetensors", id="while reading a header"),
    ],
)
async def test_a_rate_limit_is_obeyed_at_every_step(hub: HubServer, match: str) -> None:
    hub.fault(match, port="hub", status=429, headers={"Retry-After": "9"})
    started = time.monotonic()
    error = await failure(ask(hub))
    assert error.reason is Reason.HUB_RATE_LIMITED
    assert error.retry_after_seconds == 9
    assert time.monotonic() - started < 2


async def test_a_rate_limit_of_one_token_is_not_that_of_another(hub: HubServer) -> None:
    asking = ask(hub)
    hub.fault("/api/models/", status=429, headers={"Retry-After": "9"})
    with pytest.raises(HubError):
        await asking.resolve()
    assert (await asking.resolve(token=GOOD)).repository == TINY
    await asking.client.close()


@pytest.mark.parametrize(
    "action",
    [
        pytest.param({"match": "/api/models/[^/]+/[^/]+/revision", "status": 503}, id="info, 503"),
        pytest.param({"match": "/tree/", "status": 500}, id="tree, 500"),
        pytest.param({"match": "config.json", "cut": 20}, id="a document cut off"),
        pytest.param({"match": "/blob/", "status": 502}, id="the CDN, 502"),
        pytest.param({"match": "/blob/", "cut": 100}, id="a header cut off"),
    ],
)
async def test_a_glitch_is_tried_again_at_once(hub: HubServer, action: dict[str, Any]) -> None:
    hub.fault(**action)
    asking = ask(hub)
    assert (await asking.resolve()).repository == TINY
    await asking.client.close()


async def test_a_server_error_that_stays_is_told(hub: HubServer) -> None:
    hub.fault("/blob/", status=503, times=None)
    error = await failure(ask(hub))
    want = "127.0.0.1 answered the request for model.safetensors with status 503"
    assert (error.reason, error.values["detail"]) == (Reason.HUB_UNREACHABLE, want)
    assert kinds(hub.log()).count("cdn model.safetensors") == 3


async def test_a_hub_in_maintenance_names_the_time(hub: HubServer) -> None:
    hub.fault("/api/models/", status=503, headers={"Retry-After": "30"})
    error = await failure(ask(hub))
    assert (error.retry_after_seconds, len(hub.log())) == (30, 1)


@pytest.mark.parametrize(
    ("action", "want"),
    [
        pytest.param(
            {"match": "/api/models/", "body": "<html>Sign in</html>"},
            "not JSON, so this is not a Hub",
            id="a sign-in page",
        ),
        pytest.param({"match": "/api/models/", "body": "{}"}, "no commit in it", id="an empty object"),
        pytest.param({"match": "/tree/", "body": "{}"}, "tree cannot be used: not a list", id="no list"),
        pytest.param(
            {"match": "/tree/", "body": '[{"type": "file"}]'}, "an entry without path, size or oid", id="no entries"
        ),
        pytest.param(
            {"match": "/config.json", "flip": 3, "times": None},
            "config.json cannot be used: its content does not match its hash",
            id="a flipped byte",
        ),
        pytest.param(
            {"match": "/config.json", "commit": "b" * 40}, "it is of the commit bbbbbbb", id="a file of another commit"
        ),
        pytest.param(
            {"match": "/resolve/.*/config.json", "status": 404, "code": "EntryNotFound"},
            "with status 404",
            id="a listed file is gone",
        ),
    ],
)
async def test_answers_that_make_no_sense(hub: HubServer, action: dict[str, Any], want: str) -> None:
    hub.fault(**action)
    error = await failure(ask(hub))
    assert (error.reason, error.transient) == (Reason.HUB_UNREACHABLE, True)
    assert want in str(error)


async def test_info_of_another_commit_than_asked_for(hub: HubServer) -> None:
    hub.fault("/api/models/", commit="b" * 40)
    commit = hub.store.all()[0].refs["main"]
    error = await failure(ask(hub), revision=commit)
    assert f"it is of the commit {'b' * 40}, not of {commit}" in str(error)


async def test_a_server_that_ignores_ranges_is_not_read_to_the_end(hub: HubServer) -> None:
    hub.fault("/blob/", ignore_range=True, times=None)
    asking = ask(hub)
    assert (await asking.resolve()).weights_bytes == 426_624
    await asking.client.close()


@pytest.mark.parametrize(
    ("address", "want"),
    [
        pytest.param(
            "http://elsewhere.invalid/x", "its next page is on another server, elsewhere.invalid", id="another"
        ),
        pytest.param("http://[bad", "its next page has no valid address", id="no address"),
    ],
)
async def test_the_next_page_must_be_on_the_same_server(hub: HubServer, address: str, want: str) -> None:
    hub.fault("/tree/", status=200, headers={"Link": f'<{address}>; rel="next"'}, body="[]")
    error = await failure(ask(hub), token=GOOD)
    assert want in str(error)


async def test_endless_redirects_end(hub: HubServer) -> None:
    hub.fault("/resolve/", status=302, headers={"Location": f"{hub.url}/a/b/resolve/main/c"}, times=None)
    error = await failure(ask(hub))
    assert error.values["detail"] == "127.0.0.1 redirects without end"


async def test_a_failure_is_not_remembered(hub: HubServer) -> None:
    asking = ask(hub)
    hub.fault("/api/models/", status=404, code="RepoNotFound")
    with pytest.raises(HubError):
        await asking.resolve()
    assert (await asking.resolve()).repository == TINY
    await asking.client.close()
