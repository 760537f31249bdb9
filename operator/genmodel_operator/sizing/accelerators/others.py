"""Devices that are shown, though no engine of this operator serves them: Intel's, TPUs, Neuron.

Their memory is left at 0: nothing is planned on them, and no label tells it.
"""

from genmodel_operator.sizing.accelerators.devices import Devices, InventoryRules
from genmodel_operator.sizing.accelerators.nodes import Node

_PRODUCT_LABELS = (
    ("gpu.intel.com/", "gpu.intel.com/product"),
    ("gpu.intel.com/", "gpu.intel.com/family"),
    ("habana.ai/", "habana.ai/product.name"),
    ("google.com/tpu", "cloud.google.com/gke-tpu-accelerator"),
    ("aws.amazon.com/neuron", "karpenter.k8s.aws/instance-accelerator-name"),
    ("aws.amazon.com/neuron", "eks.amazonaws.com/instance-accelerator-name"),
)
"""Labels that name the product, by the beginning of the resource's name."""


def read_other(node: Node, resource: str, count: int, _: InventoryRules) -> Devices:
    """Return the devices behind a resource, by the name that any label gives them, else that of the resource."""
    keys = (key for prefix, key in _PRODUCT_LABELS if resource.startswith(prefix) and node.label(key))
    key = next(keys, "")
    identity = ((key, node.labels[key]),) if key else ()
    return Devices(resource=resource, count=count, product=node.label(key) or resource, identity=identity)
