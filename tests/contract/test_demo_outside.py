"""The Hub that `make demo MODEL=...` takes its model from, asked over real connections."""

import socket

import pytest

from examples.demo.outside import PUBLIC_HUB, OuterHub, endpoint_of, outer_hub
from examples.demo.screen import DemoError
from tests.fakes.hub import HubServer
from tests.fakes.runtime_pod import free_port

NAME = socket.gethostname()


def test_a_hub_on_this_machine_by_the_machine_s_name() -> None:
    shows_loopback = socket.gethostbyname(NAME).startswith("127.")
    with HubServer(host="0.0.0.0") as hub:
        endpoint = hub.url.replace("127.0.0.1", NAME)
        assert outer_hub({"HF_ENDPOINT": f"{endpoint}/"}) == OuterHub(endpoint, shows_loopback)


@pytest.mark.parametrize("host", ["localhost", "hub.localhost", "127.0.0.1", "127.0.1.1", "[::1]"])
def test_a_name_that_means_the_pod_itself_is_refused_with_the_way_out(host: str) -> None:
    with HubServer() as hub, pytest.raises(DemoError, match="is the pod itself; use a name of this machine"):
        outer_hub({"HF_ENDPOINT": hub.url.replace("127.0.0.1", host)})


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param(f"http://{NAME}:{free_port()}", id="nobody listens"),
        pytest.param("http://no-such-hub.invalid", id="no such name"),
        pytest.param("no-url", id="no URL"),
    ],
)
def test_a_hub_that_does_not_answer_is_refused_before_anything_is_started(endpoint: str) -> None:
    with pytest.raises(DemoError, match=f"MODEL needs the Hub at {endpoint}, which this machine cannot reach"):
        outer_hub({"HF_ENDPOINT": endpoint})


def test_a_hub_that_answers_with_an_error_is_refused() -> None:
    with HubServer(host="0.0.0.0") as hub:
        hub.fault("/api/models", status=503)
        with pytest.raises(DemoError, match="503"):
            outer_hub({"HF_ENDPOINT": hub.url.replace("127.0.0.1", NAME)})


@pytest.mark.parametrize("environ", [{}, {"HF_ENDPOINT": ""}], ids=["not set", "empty"])
def test_the_public_hub_is_meant_where_none_is_named(environ: dict[str, str]) -> None:
    assert endpoint_of(environ) == PUBLIC_HUB
