"""What the weights of a model take on the devices of one server. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What a tensor belongs to, for the explanation of a plan."""

    EMBEDDINGS = "embeddings"
    ATTENTION = "attention"
    MLP = "mlp"
    EXPERTS = "experts"
    VISION = "vision"
    ROTARY = "rotary"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a server is spread over devices.

    Attributes:
        tensor_parallel, pipeline_parallel, data_parallel: sizes; one server has their product in devices.
        expert_parallel: experts are dealt out whole over ``tensor_parallel x data_parallel`` devices.

    """

    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    data_parallel: int = 1
    expert_parallel: bool = False


@dataclass(frozen=True, slots=True)
class StageWeights:
    """What each device of one pipeline stage holds: layers ``first`` to before ``end``, bytes by part."""

    first: int
    end: int
    parts: Mapping[Part, int]

    @property
    def total_bytes(self) -> int:
        """Bytes on one device; the sum of the parts."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class DeviceWeights:
    """What the weights take: ``stages`` in the order of the pipeline, one without pipeline parallelism.

    ``warnings`` name what was assumed.
    """

    stages: tuple[StageWeights, ...]
    warnings: tuple[str, ...] = ()

    @property
    def largest(self) -> StageWeights:
        """Return the stage whose devices hold most."""
        return max(self.stages, key=lambda stage: stage.total_bytes)

    @property
    def total_bytes(self) -> int:
        """Bytes on the device that holds most: what the engine logs as "Model loading took" there."""
        return self.largest.total_bytes

    @property
    def parts(self) -> Mapping[Part, int]:
        """Bytes by part on the device that holds most."""
        return self.largest.parts


@dataclass(frozen=True, slots=True)
class InvalidLayout:
    """Why the engine refuses a layout.

    ``reason`` is InvalidTensorParallelSize or InvalidPipelineParallelSize; ``message`` is in the
    engine's own words where it has some.
    """

    reason: str
    message: str
