"""NetworkPolicies of a model: for each of many connections, whether it passes."""

from typing import Any

import pytest
from pydantic import ValidationError

from genmodel_operator.api import labels
from genmodel_operator.resources.network import build_network_policies
from genmodel_operator.resources.revision import inputs_of
from genmodel_operator.settings import HubSettings, LimitSettings, NetworkSettings, Settings
from tests.builders import A_COMMIT, A_UID, a_model
from tests.network_evaluator import Party, may_reach

NAME_LABEL = "kubernetes.io/metadata.name"


def pod(namespace: str, **own: str) -> Party:
    return Party(namespace, own, {NAME_LABEL: namespace, "team": namespace.partition("-")[0]}, address="10.1.0.9")


def server(name: str = "mistral") -> Party:
    own = labels.revision_labels(name, "a" * 10, A_COMMIT)
    return Party("team-a", own, {NAME_LABEL: "team-a"}, address="10.1.0.1")


FETCHER = Party("team-a", labels.child_labels("mistral", labels.COMPONENT_FETCH), {NAME_LABEL: "team-a"})
NEIGHBOUR, STRANGER = pod("team-a", app="chat"), pod("team-b", app="chat")
OPERATOR, PROMETHEUS, MIRROR = pod("genmodel-system"), pod("monitoring"), pod("mirror")
OUTSIDE, INTRANET = Party(), Party(address="10.9.0.5")


def policies(*, fetches: bool = True, jobs: bool = False, hub: Any = None, **spec: Any) -> list[dict[str, Any]]:
    settings = Settings(
        hub=HubSettings(**(hub or {})),
        network=NetworkSettings(operator_namespace="genmodel-system", monitoring_namespaces=["monitoring"]),
    )
    return build_network_policies(a_model(**spec), settings, servers_fetch=fetches, jobs_fetch=jobs)


CHAT_OF_B = [
    {"namespaceSelector": {"matchLabels": {NAME_LABEL: "team-b"}}, "podSelector": {"matchLabels": {"app": "chat"}}}
]
WITH_APP = [{"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}]
NOT_BATCH = [
    {
        "namespaceSelector": {},
        "podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["batch"]}]},
    }
]


@pytest.mark.parametrize(
    ("allow_from", "source", "port", "want"),
    [
        pytest.param([], NEIGHBOUR, 8000, True, id="without a list: the same namespace"),
        pytest.param([], STRANGER, 8000, False, id="without a list: no other namespace"),
        pytest.param([], OUTSIDE, 8000, False, id="without a list: nobody outside"),
        pytest.param([], OPERATOR, 8000, False, id="the operator asks no model"),
        pytest.param([], OPERATOR, 8001, True, id="the operator reads the progress"),
        pytest.param([], PROMETHEUS, 8001, True, id="the monitoring reads metrics"),
        pytest.param([], PROMETHEUS, 8000, False, id="and asks no model"),
        pytest.param([], NEIGHBOUR, 8001, False, id="no neighbour reads the progress"),
        pytest.param([], NEIGHBOUR, 22, False, id="no other port"),
        pytest.param(CHAT_OF_B, STRANGER, 8000, True, id="the pods that are named, of another namespace"),
        pytest.param(CHAT_OF_B, pod("team-b", app="batch"), 8000, False, id="others of that namespace"),
        pytest.param(CHAT_OF_B, NEIGHBOUR, 8000, False, id="a list replaces the own namespace"),
        pytest.param(CHAT_OF_B, OPERATOR, 8001, True, id="and changes nothing for the operator"),
        pytest.param(WITH_APP, NEIGHBOUR, 8000, True, id="pods alone: of the model's own namespace"),
        pytest.param(WITH_APP, pod("team-a"), 8000, False, id="those without the label"),
        pytest.param(WITH_APP, STRANGER, 8000, False, id="and no other namespace"),
        pytest.param([{"namespaceSelector": {}}], STRANGER, 8000, True, id="all namespaces"),
        pytest.param([{"namespaceSelector": {}}], OUTSIDE, 8000, False, id="are the cluster's, and no more"),
        pytest.param(NOT_BATCH, pod("team-b", app="batch"), 8000, False, id="all but some"),
        pytest.param(NOT_BATCH, STRANGER, 8000, True, id="all but some: another"),
    ],
)
def test_who_reaches_a_server(allow_from: Any, source: Party, port: int, want: bool) -> None:
    found = policies(access={"allowFrom": allow_from})
    assert may_reach(found, source, server(), port) is want


@pytest.mark.parametrize(
    ("given", "target", "port", "want"),
    [
        pytest.param({}, OUTSIDE, 443, True, id="the Hub"),
        pytest.param({}, OUTSIDE, 80, False, id="no other port"),
        pytest.param({}, OUTSIDE, 53, True, id="names"),
        pytest.param({}, NEIGHBOUR, 8080, False, id="no neighbour"),
        pytest.param({"fetches": False, "jobs": True}, OUTSIDE, 443, False, id="a filled volume: nothing"),
        pytest.param({"fetches": False, "jobs": True}, OUTSIDE, 53, False, id="a filled volume: no names"),
        pytest.param({"fetches": False, "jobs": True}, FETCHER, 8001, False, id="a filled volume: not the Job"),
        pytest.param({"hub": {"endpoint": "http://hub.mirror.svc:8080"}}, MIRROR, 8080, True, id="the mirror's port"),
        pytest.param({"hub": {"endpoint": "http://hub.mirror.svc"}}, MIRROR, 80, True, id="the scheme's port"),
        pytest.param({"hub": {"https_proxy": "http://proxy:3128"}}, INTRANET, 3128, True, id="the proxy's port"),
        pytest.param(
            {"hub": {"https_proxy": "http://me:1@[fd00::1]:3130/"}}, INTRANET, 3130, True, id="a proxy by address"
        ),
        pytest.param({"hub": {"http_proxy": "proxy"}}, INTRANET, 80, True, id="a proxy by its name alone"),
        pytest.param({"hub": {"https_proxy": "socks5://proxy"}}, INTRANET, 80, False, id="a scheme without a port"),
        pytest.param({"hub": {"http_proxy": "proxy:3129"}}, INTRANET, 3129, True, id="a proxy without a scheme"),
        pytest.param(
            {"source": {"hub": {"endpoint": "http://hub.mirror.svc:9000"}}},
            MIRROR,
            9000,
            True,
            id="the model's own Hub",
        ),
        pytest.param(
            {"source": {"hub": {"endpoint": "http://hub:9000"}}, "hub": {"endpoint": "http://hub:8080"}},
            MIRROR,
            8080,
            False,
            id="the model's own Hub in place of the default",
        ),
    ],
)
def test_what_a_server_reaches(given: dict[str, Any], target: Party, port: int, want: bool) -> None:
    assert may_reach(policies(**given), server(), target, port) is want


@pytest.mark.parametrize(
    ("source", "target", "port", "want"),
    [
        pytest.param(FETCHER, OUTSIDE, 443, True, id="the Hub"),
        pytest.param(FETCHER, NEIGHBOUR, 8080, False, id="no neighbour"),
        pytest.param(OPERATOR, FETCHER, 8001, True, id="the operator reads its progress"),
        pytest.param(PROMETHEUS, FETCHER, 8001, False, id="there are no metrics to read"),
        pytest.param(NEIGHBOUR, FETCHER, 8001, False, id="nobody else"),
        pytest.param(NEIGHBOUR, FETCHER, 8000, False, id="nobody asks it"),
    ],
)
def test_the_pod_that_fills_a_claim(source: Party, target: Party, port: int, want: bool) -> None:
    assert may_reach(policies(fetches=False, jobs=True), source, target, port) is want


EXTRA = [
    {"namespaces": ["mirror"], "ports": [5000]},
    {"cidrs": ["10.9.0.0/16"], "ports": [8443]},
    {"ports": [9999]},
]


@pytest.mark.parametrize(
    ("target", "port", "want"),
    [
        pytest.param(MIRROR, 5000, True, id="a namespace"),
        pytest.param(STRANGER, 5000, False, id="no other one"),
        pytest.param(INTRANET, 8443, True, id="a network"),
        pytest.param(OUTSIDE, 8443, False, id="no other one's address"),
        pytest.param(OUTSIDE, 9999, True, id="a port of any address"),
    ],
)
def test_what_the_platform_adds(target: Party, port: int, want: bool) -> None:
    settings = Settings(network=NetworkSettings(extra_egress=EXTRA))
    found = build_network_policies(a_model(), settings, servers_fetch=True, jobs_fetch=False)
    assert may_reach(found, server(), target, port) is want


@pytest.mark.parametrize(("port", "want"), [(443, True), (80, True), (53, True), (8080, False)])
def test_the_hosts_of_images_are_reached_from_a_filled_volume_too(port: int, want: bool) -> None:
    settings = Settings(limits=LimitSettings(media_hosts=["images.example"]))
    found = build_network_policies(a_model(), settings, servers_fetch=False, jobs_fetch=True)
    assert may_reach(found, server(), OUTSIDE, port) is want


def test_another_model_of_the_namespace_is_left_alone() -> None:
    found = policies()
    assert may_reach(found, OUTSIDE, server("other"), 8000)
    assert may_reach(found, server("other"), OUTSIDE, 22)


def test_a_model_asks_another_one_only_where_it_may() -> None:
    assert may_reach(policies(), pod("team-a"), server(), 8000)
    assert not may_reach(policies(fetches=False), server("mistral"), server("other"), 8000), "no way out"


def test_without_an_operator_in_the_cluster_nobody_reads_the_progress() -> None:
    found = build_network_policies(a_model(), Settings(), servers_fetch=True, jobs_fetch=True)
    for source in (OPERATOR, NEIGHBOUR, PROMETHEUS):
        assert not may_reach(found, source, server(), 8001)
        assert not may_reach(found, source, FETCHER, 8001)


def test_the_settings_turn_them_off() -> None:
    settings = Settings(network=NetworkSettings(policies=False))
    assert build_network_policies(a_model(), settings, servers_fetch=True, jobs_fetch=True) == []


def test_they_belong_to_the_model_and_bear_its_name() -> None:
    found = policies(jobs=True)
    assert [policy["metadata"]["name"] for policy in found] == ["mistral", "mistral-fetch"]
    for policy in found:
        assert [owner["uid"] for owner in policy["metadata"]["ownerReferences"]] == [A_UID]
        assert policy["metadata"]["labels"][labels.MODEL] == "mistral"
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_who_may_ask_is_no_new_revision() -> None:
    plain, keys = a_model(), a_model(access={"apiKeysSecretRef": {"name": "keys"}})
    assert inputs_of(a_model(access={"allowFrom": CHAT_OF_B}), A_COMMIT) == inputs_of(plain, A_COMMIT)
    assert inputs_of(keys, A_COMMIT) != inputs_of(plain, A_COMMIT)


@pytest.mark.parametrize(
    "network",
    [
        pytest.param({"extra_egress": [{"cidrs": ["10.0.0.0/33"], "ports": [1]}]}, id="no network"),
        pytest.param({"extra_egress": [{"cidrs": ["10.0.0.1/8"], "ports": [1]}]}, id="an address in a network"),
        pytest.param({"extra_egress": [{"ports": []}]}, id="no port would be every port"),
        pytest.param({"extra_egress": [{"ports": [65536]}]}, id="no port at all"),
        pytest.param({"extra_egress": [{"namespaces": ["A"], "ports": [1]}]}, id="no namespace"),
        pytest.param({"monitoring_namespaces": [""]}, id="a namespace without a name"),
    ],
)
def test_wrong_settings_are_refused(network: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NetworkSettings.model_validate(network)
