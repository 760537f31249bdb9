"""Whether a Hub answers: a real HTTP server, one that fails, and addresses where nobody is."""

import asyncio
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from genmodel_operator.cli.check import _hub as hub_finding
from genmodel_operator.hub.reach import HubAwayError, reach
from genmodel_operator.settings import HubSettings, Settings
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import standard_repositories


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer(standard_repositories()) as server:
        yield server


def test_a_hub_that_answers_is_reached(hub: HubServer) -> None:
    assert reach(hub.url, timeout_seconds=5) == 200
    assert reach(f"{hub.url}/", timeout_seconds=5) == 200


def test_a_hub_without_this_route_is_reached_too(hub: HubServer) -> None:
    assert reach(f"{hub.url}/nowhere", timeout_seconds=5) == 404


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param("http://127.0.0.1:9", id="nobody listens"),
        pytest.param("http://no-such-name.invalid", id="a name that does not exist"),
    ],
)
def test_a_hub_that_is_not_there_is_told_in_words(endpoint: str) -> None:
    with pytest.raises(HubAwayError) as caught:
        reach(endpoint, timeout_seconds=5)
    assert str(caught.value)
    finding = asyncio.run(hub_finding(Settings(hub=HubSettings(endpoint=endpoint, timeout_seconds=5))))
    assert finding.problem is not None
    assert f"{endpoint} does not answer" in finding.problem
    assert "hub.endpoint, proxy.httpsProxy and extraCA.configMap" in finding.problem


@pytest.mark.parametrize(
    "endpoint",
    ["https://hub", "http://10.0.0.1:8080/hf/", "http://[fd00::1]:8080", "https://a-b_c.example.com/x%20y"],
)
def test_what_a_hub_can_have_is_taken(endpoint: str) -> None:
    assert HubSettings(endpoint=endpoint).endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param("hub.example.com", id="no scheme"),
        pytest.param("ftp://127.0.0.1", id="another scheme"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_no_hub_can_have_is_refused_before_anybody_is_asked(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="endpoint"):
        HubSettings(endpoint=endpoint)
    with pytest.raises(HubAwayError):
        reach(endpoint, timeout_seconds=5)


def test_an_error_of_the_hub_and_a_silent_one_count_as_away(hub: HubServer) -> None:
    hub.fault("/api/models", status=503)
    with pytest.raises(HubAwayError, match="it answers 503"):
        reach(hub.url, timeout_seconds=5)
    hub.fault("/api/models", delay=5)
    with pytest.raises(HubAwayError):
        reach(hub.url, timeout_seconds=0.5)
