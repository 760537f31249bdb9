"""NetworkPolicies: who reaches a model's pods, and what the pods that fetch weights reach. Pure.

Ports are those of the pods, by number: a policy is enforced after a Service's address was translated, and
knows no host names.
"""

import re
from collections.abc import Iterable
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel, LabelSelector
from genmodel_operator.resources.names import child_metadata
from genmodel_operator.settings import EgressPeer, HubSettings, NetworkSettings, Settings
from genmodel_runtime.contract import HTTP_PORT, RUNTIME_PORT

HTTPS_PORT = 443
DEFAULT_PORTS = {"http": 80, "https": HTTPS_PORT}
DNS_PORTS = (53, 5353)
"""Of a name server by its address, and of the pods behind its Service on OpenShift."""
NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""Label that the API server puts on every namespace."""

Rule = dict[str, Any]

_URL = re.compile(r"(?:(?P<scheme>[a-z0-9]+)://)?(?:[^/@]*@)?(?:\[[^\]]*\]|[^:/?#\[]+)(?::(?P<port>[0-9]{1,5}))?")


def fetch_policy_name(model_name: str) -> str:
    """Return the name of the policy of the pods that fill a claim."""
    return f"{model_name}-fetch"


def build_inspection_policies(model: GenerativeModel, settings: Settings) -> list[dict[str, Any]]:
    """Return the policy of the pods that read a user's claim, which reach nobody and are reached by nobody.

    None where the settings turn policies off, or the model's files come from a Hub.
    """
    if not settings.network.policies or model.spec.claim_source is None:
        return []
    return [_policy(model, f"{model.metadata.name}-inspect", labels.COMPONENT_INSPECT, [], [])]


def build_network_policies(
    model: GenerativeModel, settings: Settings, *, servers_fetch: bool, jobs_fetch: bool
) -> list[dict[str, Any]]:
    """Return the policies of a model's pods; none where the settings turn them off.

    ``servers_fetch``: pods that serve bring their weights themselves; a policy holds for the whole pod, so they reach
    the Hub for as long as they live. ``jobs_fetch``: Jobs fill a claim.
    """
    if not settings.network.policies:
        return []
    name = model.metadata.name
    to_hub, network = _way_to_the_hub(model, settings), settings.network
    egress = _merged([*(to_hub if servers_fetch else []), *_way_to_media(settings)])
    found = [_policy(model, name, labels.COMPONENT_SERVER, _server_ingress(model, network), egress)]
    if jobs_fetch:
        ingress = _runtime_port(_platform(network.operator_namespace))
        found.append(_policy(model, fetch_policy_name(name), labels.COMPONENT_FETCH, ingress, to_hub))
    return found


def _policy(
    model: GenerativeModel, name: str, component: str, ingress: list[Rule], egress: list[Rule]
) -> dict[str, Any]:
    """Return a policy that denies both ways whatever its rules do not name."""
    model_name = model.metadata.name
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": child_metadata(model, name, labels.child_labels(model_name, component)),
        "spec": {
            "podSelector": {"matchLabels": {labels.MODEL: model_name, labels.COMPONENT_KEY: component}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def _server_ingress(model: GenerativeModel, network: NetworkSettings) -> list[Rule]:
    clients = [_peer(peer.namespace_selector, peer.pod_selector) for peer in model.spec.access.allow_from]
    watchers = _platform(network.operator_namespace, *network.monitoring_namespaces)
    return [{"from": clients or [{"podSelector": {}}], "ports": _ports([HTTP_PORT])}, *_runtime_port(watchers)]


def _runtime_port(peers: list[Rule]) -> list[Rule]:
    """Return the rule for the runtime's own port; none where there is nobody, since no peers would mean everybody."""
    return [{"from": peers, "ports": _ports([RUNTIME_PORT])}] if peers else []


def _platform(*namespaces: str) -> list[Rule]:
    named = [name for name in dict.fromkeys(namespaces) if name]
    return [{"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: name}}} for name in named]


def _peer(namespaces: LabelSelector | None, pods: LabelSelector | None) -> Rule:
    selectors = {"namespaceSelector": namespaces, "podSelector": pods}
    return {key: _selector(value) for key, value in selectors.items() if value is not None}


def _selector(selector: LabelSelector) -> Rule:
    """Return a selector as the API server stores it: without what is empty."""
    return selector.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _way_to_the_hub(model: GenerativeModel, settings: Settings) -> list[Rule]:
    """Return names, TCP 443, the ports of the model's Hub and of the proxies, and what the platform adds."""
    hub = model.spec.source.hub if model.spec.source else None
    endpoint = hub.endpoint if hub and hub.endpoint else settings.hub.endpoint
    ports = {HTTPS_PORT, *filter(None, map(_port_of, (endpoint, *_proxies(settings.hub))))}
    return [*_names(), _anywhere(sorted(ports)), *map(_extra, settings.network.extra_egress)]


def _way_to_media(settings: Settings) -> list[Rule]:
    """Return what the engine needs to load the images and recordings that requests name, where that is allowed."""
    return [*_names(), _anywhere(DEFAULT_PORTS.values())] if settings.limits.media_hosts else []


def _proxies(hub: HubSettings) -> tuple[str, ...]:
    return hub.https_proxy, hub.http_proxy


def _port_of(url: str) -> int | None:
    """Return the port that a URL leads to, None where it is none."""
    found = _URL.match(url)
    if found is None:
        return None
    return int(found["port"]) if found["port"] else DEFAULT_PORTS.get(found["scheme"] or "http")


def _names() -> list[Rule]:
    return [{"ports": [*_ports(DNS_PORTS, "UDP"), *_ports(DNS_PORTS)]}]


def _anywhere(ports: Iterable[int]) -> Rule:
    return {"ports": _ports(ports)}


def _extra(peer: EgressPeer) -> Rule:
    to = [*_platform(*peer.namespaces), *({"ipBlock": {"cidr": cidr}} for cidr in peer.cidrs)]
    return {**({"to": to} if to else {}), "ports": _ports(peer.ports)}


def _ports(ports: Iterable[int], protocol: str = "TCP") -> list[Rule]:
    return [{"port": port, "protocol": protocol} for port in ports]


def _merged(rules: list[Rule]) -> list[Rule]:
    """Return the rules, each once."""
    return [rule for number, rule in enumerate(rules) if rule not in rules[:number]]
