"""What the cluster has to serve on: accelerators of every vendor and CPU nodes, read from node objects."""

from genmodel_operator.sizing.accelerators.catalogue import (
    Catalogue,
    Product,
    device_total_gib,
    own_product,
    product_key,
)
from genmodel_operator.sizing.accelerators.devices import InventoryRules, Pool
from genmodel_operator.sizing.accelerators.groups import (
    AMD,
    AMD_RESOURCE,
    AWS,
    CPU_PRODUCT,
    CPU_RESOURCE,
    GOOGLE,
    INTEL,
    NVIDIA,
    NVIDIA_RESOURCE,
    Inventory,
    NodeGroup,
    Taint,
    taint_key,
    vendor_of,
)
from genmodel_operator.sizing.accelerators.inventory import read_inventory
from genmodel_operator.sizing.accelerators.nodes import ARCHITECTURE_LABEL, OS_LABEL
from genmodel_operator.sizing.accelerators.nvidia import MEMORY_LABEL, PRODUCT_LABEL
from genmodel_operator.sizing.accelerators.places import place_of, with_places
from genmodel_operator.sizing.accelerators.pools import parse_taint
from genmodel_operator.sizing.accelerators.products import DEFAULT_CATALOGUE, KNOWN_PRODUCTS
from genmodel_operator.sizing.accelerators.usage import Usage, total_usage, usage_of, with_usage

__all__ = [
    "AMD",
    "AMD_RESOURCE",
    "ARCHITECTURE_LABEL",
    "AWS",
    "CPU_PRODUCT",
    "CPU_RESOURCE",
    "DEFAULT_CATALOGUE",
    "GOOGLE",
    "INTEL",
    "KNOWN_PRODUCTS",
    "MEMORY_LABEL",
    "NVIDIA",
    "NVIDIA_RESOURCE",
    "OS_LABEL",
    "PRODUCT_LABEL",
    "Catalogue",
    "Inventory",
    "InventoryRules",
    "NodeGroup",
    "Pool",
    "Product",
    "Taint",
    "Usage",
    "device_total_gib",
    "own_product",
    "parse_taint",
    "place_of",
    "product_key",
    "read_inventory",
    "taint_key",
    "total_usage",
    "usage_of",
    "vendor_of",
    "with_places",
    "with_usage",
]
