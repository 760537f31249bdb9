"""What a cluster's network does with NetworkPolicies, after their specification: may a packet pass."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a connection: a pod of a namespace, or an address outside of the cluster where there is none."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    address: str = "203.0.113.7"


def may_reach(policies: Sequence[Policy], source: Party, target: Party, port: int, protocol: str = "TCP") -> bool:
    """Return whether a connection is let out at its source and in at its target."""
    return _passes(policies, source, target, "egress", "to", (port, protocol)) and _passes(
        policies, target, source, "ingress", "from", (port, protocol)
    )


def _passes(policies: Sequence[Policy], own: Party, other: Party, way: str, peers: str, port: tuple[int, str]) -> bool:
    """One end's part: everything where no policy chooses it, else what any rule of those that do lets through."""
    chosen = [policy for policy in policies if _chooses(policy, own, way)]
    if not chosen:
        return True
    rules = [rule for policy in chosen for rule in policy["spec"].get(way) or []]
    return any(_has_port(rule, port) and _has_peer(rule.get(peers), other, own.namespace) for rule in rules)


def _chooses(policy: Policy, party: Party, way: str) -> bool:
    is_same = bool(party.namespace) and policy["metadata"]["namespace"] == party.namespace
    return (
        is_same
        and way.capitalize() in policy["spec"]["policyTypes"]
        and _fits(policy["spec"]["podSelector"], party.labels)
    )


def _has_port(rule: Mapping[str, Any], port: tuple[int, str]) -> bool:
    ports = rule.get("ports") or []
    return not ports or any((found["port"], found.get("protocol", "TCP")) == port for found in ports)


def _has_peer(peers: Sequence[Mapping[str, Any]] | None, other: Party, namespace: str) -> bool:
    return not peers or any(all(_peer_checks(peer, other, namespace)) for peer in peers)


def _peer_checks(peer: Mapping[str, Any], other: Party, namespace: str) -> Iterator[bool]:
    if "ipBlock" in peer:
        yield ip_address(other.address) in ip_network(peer["ipBlock"]["cidr"])
        return
    yield bool(other.namespace)
    if "namespaceSelector" in peer:
        yield _fits(peer["namespaceSelector"], other.namespace_labels)
    else:
        yield other.namespace == namespace
    yield _fits(peer.get("podSelector", {}), other.labels)


def _fits(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(requirement, labels) for requirement in selector.get("matchExpressions", [])
    )


def _holds(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = requirement["key"], requirement.get("values", [])
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[requirement["operator"]]
