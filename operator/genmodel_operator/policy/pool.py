"""A static pool: nodes that are not there yet, as a platform team describes them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from genmodel_operator.api.quantity import parse_quantity
from genmodel_operator.section import Described


def _quantity(text: str) -> str:
    parse_quantity(text)
    return text


Quantity = Annotated[str, AfterValidator(_quantity)]
"""A Kubernetes quantity, such as 64Gi or 500m."""


class AcceleratorPool(Described):
    """Nodes that an autoscaler adds when a pod asks for them."""

    name: Annotated[str, Field(min_length=1)]
    """Name that explanations use."""
    product: Annotated[str, Field(min_length=1)]
    """Product of the devices, as in spec.accelerator.products."""
    devices: Annotated[int, Field(ge=1, le=64)]
    """Devices of one node."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """Nodes that the pool can have at most."""
    labels: Annotated[dict[str, str], Field(min_length=1)]
    """Labels of the pool's nodes that the autoscaler knows before a node is there; pods ask for them."""
    taints: list[Annotated[str, Field(pattern=r"^[^\s:=]+(=[^\s:=]*)?:(NoSchedule|NoExecute|PreferNoSchedule)$")]] = []
    """Taints of the pool's nodes, as key=value:NoSchedule; pods tolerate them."""
    memory: Quantity = "64Gi"
    """Allocatable host memory of one node, as a Kubernetes quantity."""
    cpu: Quantity = "8"
    """Allocatable cores of one node, as a Kubernetes quantity."""
    architecture: Literal["amd64", "arm64"] = "amd64"
    """Processors of the nodes: amd64 or arm64."""
    resource: str = ""
    """Extended resource of the devices; empty: nvidia.com/gpu or amd.com/gpu, by the product."""
