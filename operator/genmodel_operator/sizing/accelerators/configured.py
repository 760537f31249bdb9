"""From the operator's settings to the rules that an inventory is read by."""

from collections.abc import Sequence

from genmodel_operator.api.quantity import gib_of, parse_quantity
from genmodel_operator.policy.pool import AcceleratorPool
from genmodel_operator.settings import AcceleratorProduct, AcceleratorSettings
from genmodel_operator.sizing.accelerators.catalogue import Catalogue, Product, own_product
from genmodel_operator.sizing.accelerators.devices import InventoryRules, Pool
from genmodel_operator.sizing.accelerators.products import KNOWN_PRODUCTS


def inventory_rules(
    settings: AcceleratorSettings, pools: Sequence[AcceleratorPool] | None = None, *, reads_nodes: bool = True
) -> InventoryRules:
    """Return the rules; ``ValueError`` for a quantity that Kubernetes would not accept either.

    ``pools``: the static pools that hold now, None for those of the settings. ``reads_nodes``: whether the cluster's
    nodes are known, or only what the pools describe.
    """
    return InventoryRules(
        catalogue=Catalogue((*KNOWN_PRODUCTS, *map(_product, settings.products))),
        pools=tuple(map(_pool, settings.pools if pools is None else pools)),
        plan_time_slices=settings.time_slices,
        reads_nodes=reads_nodes,
    )


def _product(product: AcceleratorProduct) -> Product:
    major, _, minor = product.compute_capability.partition(".")
    return own_product(
        name=product.name,
        vendor=product.vendor,
        memory_gib=product.memory_gib,
        compute_capability=(int(major), int(minor)) if major else None,
        architecture=product.architecture,
        interconnect=product.interconnect,
        aliases=tuple(product.aliases),
    )


def _pool(pool: AcceleratorPool) -> Pool:
    return Pool(
        name=pool.name,
        product=pool.product,
        devices_per_node=pool.devices,
        nodes=pool.nodes,
        labels=tuple(sorted(pool.labels.items())),
        taints=tuple(pool.taints),
        memory_gib=gib_of(pool.memory),
        cores=float(parse_quantity(pool.cpu)),
        architecture=pool.architecture,
        resource=pool.resource,
    )
