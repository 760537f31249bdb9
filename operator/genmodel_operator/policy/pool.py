"""A static pool: nodes that are not there yet, or that the operator may not read, as a platform team describes them."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from genmodel_operator.api.quantity import parse_quantity
from genmodel_operator.section import Described


def _quantity(text: str) -> str:
    parse_quantity(text)
    return text


def _as_text(value: object) -> object:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else value


Quantity = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(_quantity),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
]
"""A Kubernetes quantity, such as 64Gi or 500m; a whole number may be without quotes, as in Kubernetes."""


CPU = "CPU"
"""Product of a pool whose nodes have no devices."""


class AcceleratorPool(Described):
    """Nodes that an autoscaler adds when a pod asks for them; with inventory.mode pools: all that count."""

    name: Annotated[str, Field(min_length=1)]
    """Name that explanations use."""
    product: Annotated[str, Field(min_length=1)]
    """Product of the devices, as in spec.accelerator.products; CPU for nodes without any."""
    devices: Annotated[int, Field(ge=0, le=64)]
    """Devices of one node; 0 for the product CPU, and only for that."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """Nodes that the pool can have at most; with inventory.mode pools: that it has."""
    labels: Annotated[dict[str, Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    """Labels that all nodes of the pool have, and no others; an autoscaler has to know them. Pods ask for them."""
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

    @model_validator(mode="after")
    def _has_devices_or_is_of_processors(self) -> Self:
        if self.is_cpu and (self.devices or self.resource):
            raise ValueError("nodes of the product CPU have no devices: set devices to 0, and no resource")
        if not self.is_cpu and not self.devices:
            raise ValueError(f"devices is 0, and the product is {self.product}: only nodes of CPU have none")
        return self

    @property
    def is_cpu(self) -> bool:
        """Whether the pool's nodes have no devices."""
        return self.product == CPU
