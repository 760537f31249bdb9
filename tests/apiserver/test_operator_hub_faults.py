"""A Hub that is away or says no for a while: what people read meanwhile, and that nothing else happens."""

import pytest

from tests.operator_world import HUB, OperatorWorld

pytestmark = pytest.mark.apiserver

UNREACHABLE = (f"the Hub at {HUB} cannot be reached: ", "check the endpoint, the proxy and the network path")


@pytest.fixture(autouse=True)
def _an_operator_that_asks(world: OperatorWorld) -> None:
    """Start the operator anew: it keeps for a while what the Hub told it."""
    assert world.stop_operator() == 0
    world.start_operator()


def test_unreachable_at_the_start_it_waits_and_then_goes_on(world: OperatorWorld, team: str) -> None:
    world.stop_hub()
    try:
        world.wish(team, "late", "acme/sharded-llama", revision="v1.0")
        seen = world.assert_shown(
            team,
            "late",
            reason="HubUnreachable",
            words=(*UNREACHABLE, "Connection refused", "retried by itself"),
            event="Normal HubUnreachable",
            row={"READY": "False", "REPLICAS": "0/1", "COMMIT": ""},
        )
        assert seen.warnings == [], "nobody has to act in this cluster"
        assert "Status: True Type: Reconciling" in seen.text
        assert "Type: Stalled" not in seen.text
    finally:
        world.start_hub()
    world.assert_shown(
        team,
        "late",
        reason="Serving",
        words="1 of 1 replicas answer",
        event="Normal Serving",
        row={"READY": "True"},
        seconds=120,
    )


def test_an_answer_that_says_busy_is_waited_for(world: OperatorWorld, team: str) -> None:
    world.hub_post("/_fault", match="^/api/models/acme/sharded-llama", status=503, times=100000)
    try:
        world.wish(team, "late", "acme/sharded-llama", revision="v1.0")
        world.assert_shown(
            team,
            "late",
            reason="HubUnreachable",
            words=(UNREACHABLE[0], "503"),
            event="Normal HubUnreachable",
            row={"READY": "False"},
        )
    finally:
        world.hub_post("/_clear")
    world.wait_for(team, "late", "Serving", seconds=120)


def test_a_limit_on_requests_is_kept_and_then_over(world: OperatorWorld, team: str) -> None:
    limit = {"match": "^/api/models/acme/tiny-bert", "status": 429, "headers": {"Retry-After": "20"}, "times": 1}
    world.hub_post("/_fault", **limit)
    world.wish(team, "limited", "acme/tiny-bert", revision="v1.0")
    seen = world.assert_shown(
        team,
        "limited",
        reason="HubRateLimited",
        words=(f"the Hub at {HUB} limits the rate of requests for another ", "an access token raises the limit"),
        event="Normal HubRateLimited",
        row={"READY": "False"},
    )
    assert seen.warnings == []
    world.assert_shown(
        team,
        "limited",
        reason="Serving",
        words="1 of 1 replicas answer",
        event="Normal Serving",
        row={"READY": "True"},
        seconds=120,
    )


def test_unreachable_while_serving_nothing_happens(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.assert_shown(team, "tiny", reason="Serving", words="1 of 1 replicas answer", event="Normal Serving")
    pods = {pod["metadata"]["uid"] for pod in world.list(team, "pods")}
    world.stop_hub()
    try:
        world.stop_operator()
        world.start_operator()
        world.cluster.kubectl("-n", team, "scale", "gm/tiny", "--replicas=2")
        seen = world.assert_shown(
            team,
            "tiny",
            reason="Serving",
            words="2 of 2 replicas answer",
            row={"READY": "True", "REPLICAS": "2/2"},
        )
        assert seen.warnings == []
        assert "HubUnreachable" not in f"{seen.text} {seen.events}"
        assert pods < {pod["metadata"]["uid"] for pod in world.list(team, "pods")}
    finally:
        world.start_hub()
