"""The nodes that a command plans with: described in words, read from a file, or the cluster's own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from genmodel_operator.cli.described import Hardware, Node, describe_nodes
from genmodel_operator.cli.input import CommandError, read_documents
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import KNOWN_PRODUCTS, Inventory, Usage, read_inventory, with_usage
from genmodel_operator.sizing.accelerators.configured import inventory_rules
from genmodel_operator.sizing.pools_given import pools_given


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes of a cluster, which of their devices models use now, and what could not be read.

    ``name`` is for people.
    """

    nodes: list[dict[str, Any]]
    used: Usage
    name: str = "the current cluster"
    warnings: tuple[str, ...] = ()


ReadCluster = Callable[[], Awaitable[Cluster]]
"""Reads the current cluster; raises ``CommandError``. Only what needs it loads the client."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The inventory, where it comes from in words, and what was assumed; ``origin`` is empty for the options."""

    inventory: Inventory
    origin: str
    warnings: tuple[str, ...] = ()


async def survey_nodes(
    said: Hardware, nodes_file: str | None, *, settings: Settings, read_cluster: ReadCluster
) -> Surveyed:
    """Return what the options describe, else the current cluster, or the settings' pools; raise ``CommandError``."""
    rules = inventory_rules(settings.accelerators, pools_given(settings))
    own = (rules.catalogue.find(product.name) for product in settings.accelerators.products)
    described = describe_nodes(said, rules.catalogue, (*KNOWN_PRODUCTS, *(product for product in own if product)))
    nodes = [*described.nodes, *(read_nodes(nodes_file) if nodes_file else [])]
    origin, warnings = nodes_file or "", described.warnings
    used: Usage = {}
    if not nodes and not settings.inventory.reads_nodes:
        rules, origin = replace(rules, reads_nodes=False), "the pools of the settings"
    elif not nodes:
        cluster = await read_cluster()
        nodes, used, origin, warnings = cluster.nodes, cluster.used, cluster.name, cluster.warnings
    try:
        return Surveyed(with_usage(read_inventory(nodes, rules), used), origin, warnings)
    except ValueError as error:
        raise CommandError(f"{nodes_file or 'the nodes'}: {error}") from error


def read_nodes(filename: str) -> list[Node]:
    """Return the nodes in a file as ``kubectl get nodes -o yaml`` prints them; raise ``CommandError``."""
    found: list[Any] = []
    for document in read_documents(filename):
        listed = isinstance(document, Mapping) and "items" in document
        found += document["items"] if listed else document if isinstance(document, list) else [document]
    nodes = [node for node in found if isinstance(node, Mapping) and node.get("kind") == "Node"]
    if not nodes or len(nodes) < len(found):
        raise CommandError(f"{filename}: must hold nodes, as kubectl get nodes -o yaml prints them")
    return [dict(node) for node in nodes]
