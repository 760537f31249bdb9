"""Which nodes there are of a kind, where they may not be read: placed pods tell, by the labels that they ask for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from genmodel_operator.sizing.accelerators.groups import Inventory, NodeGroup

Places = Mapping[str, Mapping[str, str]]
"""Labels that a node has for certain, by its name."""


def place_of(pod: Mapping[str, Any]) -> Places:
    """Return the pod's node with the labels that the pod requires of it; nothing where it is not placed."""
    spec = pod.get("spec") or {}
    name = spec.get("nodeName")
    return {name: _required_labels(spec)} if name else {}


def _required_labels(spec: Mapping[str, Any]) -> dict[str, str]:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or []
    # Of several terms one is enough, and nobody tells which it was.
    expressions = (terms[0].get("matchExpressions") or []) if len(terms) == 1 else []
    single = {found["key"]: found["values"][0] for found in expressions if _names_one(found)}
    return {**(spec.get("nodeSelector") or {}), **single}


def _names_one(expression: Mapping[str, Any]) -> bool:
    return expression["operator"] == "In" and len(expression.get("values") or []) == 1


def with_places(inventory: Inventory, places: Places) -> Inventory:
    """Return the inventory with the nodes of each group that are known by the pods on them."""
    return replace(inventory, groups=tuple(_with_places(group, places) for group in inventory.groups))


def _with_places(group: NodeGroup, places: Places) -> NodeGroup:
    wanted = set(group.selector)
    names = (name for name, labels in places.items() if wanted.issubset(labels.items()))
    return replace(group, node_names=tuple(sorted(names)))
