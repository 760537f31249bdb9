"""What is to be planned: the model, what the user asked for, and what the platform's team decided."""

from dataclasses import dataclass

from genmodel_operator.api.v1alpha1 import GenerativeModelSpec
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.sizing.accelerators import Taint
from genmodel_operator.sizing.architecture import Architecture
from genmodel_operator.sizing.evidence import Attention
from genmodel_operator.sizing.memory import Version, parse_version
from genmodel_operator.sizing.weights import Weights


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """What the platform team decided.

    Attributes:
        engine_version: release of the engine, such as ``0.32.0``.
        cpu_max_model_gib: weights above this are served on CPU only where the user asks for CPU.
        cpu_request_cores: cores that a server on CPU asks for.
        gpu_request_cores: cores that a server on GPUs asks for, per device.
        cpu_architectures: processors that the CPU engine's image is for.
        tolerated_taints: taints, as key or key=value, that mark nodes for accelerator work.
            Nodes with any other taint are reserved for somebody else and left alone.

    """

    engine_version: str
    cpu_max_model_gib: float
    cpu_request_cores: float
    gpu_request_cores: float = 2
    cpu_architectures: tuple[str, ...] = ("amd64",)
    tolerated_taints: tuple[str, ...] = ("nvidia.com/gpu", "sku=gpu")

    def tolerates(self, taint: Taint) -> bool:
        """Whether a server may be placed on nodes with this taint."""
        return taint.key in self.tolerated_taints or f"{taint.key}={taint.value}" in self.tolerated_taints


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be planned: the model, what the user asked for, and the platform's policy."""

    facts: ModelFacts
    task: ServedTask
    spec: GenerativeModelSpec
    policy: PlanPolicy
    architecture: Architecture
    attention: Attention
    weights: Weights

    def weight_bytes(self, *, element_bytes: int, tensor_parallel: int = 1) -> int:
        """Return the bytes of the weights on one device."""
        return self.weights.device_bytes(
            self.architecture, element_bytes=element_bytes, tensor_parallel=tensor_parallel
        )

    @property
    def engine(self) -> Version:
        """Release of the engine as (major, minor)."""
        return parse_version(self.policy.engine_version)

    @property
    def concurrency(self) -> int:
        """Requests of full length that must fit at once."""
        return self.spec.context.concurrency
