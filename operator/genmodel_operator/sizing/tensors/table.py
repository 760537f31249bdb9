"""The weights of a model summed by class, from which the bytes of any layout follow in microseconds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from genmodel_operator.sizing.tensors.model import DeviceWeights, Layout, Part, StageWeights
from genmodel_operator.sizing.tensors.mxfp4 import KernelExperts
from genmodel_operator.sizing.tensors.names import Division


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one class of tensors.

    Attributes:
        block: the parameter of the engine that it is a part of, which is one allocation; "" for small things.
        heads, kv_heads: of the attention that it belongs to, for what is divided by them.
        experts: number of experts, for what is divided by experts.

    """

    part: Part
    division: Division
    size_bytes: int
    block: str = ""
    heads: int = 1
    kv_heads: int = 1
    experts: int = 1

    def on_device(self, layout: Layout) -> int:
        """Return the bytes that one device keeps."""
        tensor_parallel = layout.tensor_parallel
        match self.division:
            case Division.WHOLE:
                return self.size_bytes
            case Division.EVEN:
                return -(-self.size_bytes // tensor_parallel)
            case Division.KEYS:
                return -(-self.size_bytes * self._local_keys(tensor_parallel) // self.kv_heads)
            case Division.QUERIES_AND_KEYS:
                local = -(-self.heads // tensor_parallel) + 2 * self._local_keys(tensor_parallel)
                return -(-self.size_bytes * local // (self.heads + 2 * self.kv_heads))
            case Division.EXPERTS:
                return self._experts(layout)

    def _local_keys(self, tensor_parallel: int) -> int:
        return max(1, self.kv_heads // tensor_parallel)

    def _experts(self, layout: Layout) -> int:
        """Return whole experts under expert parallelism, else a slice of each; replicas share them either way."""
        devices = layout.tensor_parallel * layout.data_parallel
        if layout.expert_parallel:
            return -(-self.size_bytes * -(-self.experts // devices) // self.experts)
        return -(-self.size_bytes // devices)

    def blocks(self, layout: Layout) -> dict[str, int]:
        """Return the bytes on one device by the parameter that they are a part of."""
        return {self.block: self.on_device(layout)}


Content = Piece | KernelExperts


@dataclass(frozen=True, slots=True)
class WeightTable:
    """All weights that the engine loads.

    Attributes:
        kinds: what the distinct layers hold; ``layers`` gives the kind of each layer by its number.
        first, last, every: what the first, the last and every stage of a pipeline hold besides.
        again: what the last of several stages holds too: the table of words that is the output matrix.
        warnings: what was assumed.

    """

    kinds: tuple[tuple[Content, ...], ...]
    layers: tuple[int, ...]
    first: tuple[Piece, ...]
    last: tuple[Piece, ...]
    every: tuple[Piece, ...]
    again: tuple[Piece, ...] = ()
    warnings: tuple[str, ...] = ()
    _known: dict[Layout, DeviceWeights] = field(default_factory=dict, compare=False, repr=False, hash=False)

    def on_device(self, layout: Layout) -> DeviceWeights:
        """Return what each device holds. ``layout`` must be valid: see ``why_invalid_layout``."""
        found = self._known.get(layout)
        if found is None:
            found = self._known[layout] = self._compute(layout)
        return found

    def _compute(self, layout: Layout) -> DeviceWeights:
        kinds = [_parts(pieces, layout) for pieces in self.kinds]
        ranges = stage_layers(len(self.layers), layout.pipeline_parallel)
        stages = []
        for number, (start, end) in enumerate(ranges):
            ends: list[Content] = list(self.every)
            if number == 0:
                ends += self.first
            if number == len(ranges) - 1:
                ends += self.last
                if len(ranges) > 1:
                    ends += self.again
            total = _parts(ends, layout)
            for kind in self.layers[start:end]:
                for part, size in kinds[kind].items():
                    total[part] = total.get(part, 0) + size
            stages.append(StageWeights(start, end, total))
        return DeviceWeights(tuple(stages), self.warnings)


def _parts(pieces: Iterable[Content], layout: Layout) -> dict[Part, int]:
    blocks: dict[tuple[Part, str], int] = {}
    for piece in pieces:
        for block, size in piece.blocks(layout).items():
            blocks[piece.part, block] = blocks.get((piece.part, block), 0) + size
    total: dict[Part, int] = {}
    for (part, block), size in blocks.items():
        total[part] = total.get(part, 0) + (allocated(size) if block else size)
    return total


def allocated(size: int) -> int:
    """Return what the allocator of the device counts for one tensor.

    It takes segments of 2 MiB, and splits off what is left over only where that is more than 1 MiB.
    Qwen2.5-7B loses 57 MiB in that way: 14.193 GiB of tensors, 14.249 as logged.
    """
    if size < _OWN_SEGMENT:
        return size
    segment = -(-size // _SEGMENT) * _SEGMENT
    return segment if segment - size <= _KEPT else size


_OWN_SEGMENT, _SEGMENT, _KEPT = 10 << 20, 2 << 20, 1 << 20
"""Of PyTorch's caching allocator: the least size that gets a segment of its own, the steps of a
segment, and the most that stays with a tensor unsplit."""


def stage_layers(layers: int, stages: int) -> list[tuple[int, int]]:
    """Return the first layer and the one after the last of each stage, as the engine splits them.

    What does not divide goes one each to the stages before the last.
    """
    counts = [layers // stages] * stages
    for index in range(2, layers % stages + 2):
        counts[-index] += 1
    starts = [sum(counts[:index]) for index in range(stages)]
    return [(start, start + count) for start, count in zip(starts, counts, strict=True)]


def summed(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Return the pieces with those of one class made one."""
    sizes: dict[tuple[Part, Division, str, int, int, int], int] = {}
    for piece in pieces:
        key = (piece.part, piece.division, piece.block, piece.heads, piece.kv_heads, piece.experts)
        sizes[key] = sizes.get(key, 0) + piece.size_bytes
    ordered = sorted(sizes.items(), key=lambda item: (item[0][0], item[0][2], item[0][1].name))
    return tuple(
        Piece(part, division, size, block, heads, kv_heads, experts)
        for (part, division, block, heads, kv_heads, experts), size in ordered
    )


def distinct(layers: Sequence[tuple[Content, ...]]) -> tuple[tuple[tuple[Content, ...], ...], tuple[int, ...]]:
    """Return the different layers, and which of them each layer is."""
    numbers: dict[tuple[Content, ...], int] = {}
    order = tuple(numbers.setdefault(pieces, len(numbers)) for pieces in layers)
    return tuple(numbers), order
