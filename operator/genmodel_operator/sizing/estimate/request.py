"""What an estimate is asked for, read strictly: a wrong field is refused by its name and value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.hub.tensors import DTYPE_BITS
from genmodel_operator.sizing.budget.device import Interconnect
from genmodel_operator.sizing.shape.model import Unsizable

_T = TypeVar("_T")

_LARGEST_COUNT = 2**53
"""Larger whole numbers lose their last digits in JSON and mean nothing here."""
_LARGEST_SIZE = 2**20
"""Of a parallel size."""
_LARGEST_MEMORY_GIB = 2.0**20
DTYPES = {
    "half": "float16",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "float": "float32",
    "float32": "float32",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateRequest:
    """One request; None stands for the engine's own default.

    Attributes:
        config: the model's ``config.json``, not yet read.
        unknown_fields: what the request has beyond the interface, as paths.

    """

    id: str
    model_id: str
    config: Mapping[str, Any]
    parameters: Mapping[str, int] | None = None
    tensors: tuple[Tensor, ...] | None = None
    gpu_product: str
    gpu_memory_gib: float
    interconnect: Interconnect | None = None
    vllm_version: str
    dtype: str | None = None
    quantization: str | None = None
    kv_cache_dtype: str | None = None
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    enable_expert_parallel: bool = False
    gpu_memory_utilization: float | None = None
    kv_cache_memory_bytes: int | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    block_size: int | None = None
    enforce_eager: bool = False
    enable_prefix_caching: bool | None = None
    num_speculative_tokens: int = 0
    unknown_fields: tuple[str, ...] = ()


def parse_request(document: Mapping[str, Any]) -> EstimateRequest:
    """Return the request; raise ``Unsizable`` (InvalidRequest) that names the first wrong field and its value."""
    top = _Fields(document, "")
    model = top.object("model")
    gpu = top.object("gpu")
    return EstimateRequest(
        id=top.text("id", required=True) or "",
        model_id=model.text("id", required=True) or "",
        config=model.object("config").document,
        parameters=_parameters(model.get("parameters")),
        tensors=_tensors(model.get("tensors")),
        gpu_product=gpu.text("product", required=True) or "",
        gpu_memory_gib=gpu.number("memory_gib", above=0, most=_LARGEST_MEMORY_GIB, required=True) or 0.0,
        interconnect=_interconnect(gpu.text("interconnect")),
        vllm_version=top.text("vllm_version", required=True) or "",
        dtype=_dtype(top.text("dtype")),
        quantization=top.text("quantization"),
        kv_cache_dtype=top.text("kv_cache_dtype"),
        tensor_parallel_size=top.count("tensor_parallel_size", most=_LARGEST_SIZE) or 1,
        pipeline_parallel_size=top.count("pipeline_parallel_size", most=_LARGEST_SIZE) or 1,
        data_parallel_size=top.count("data_parallel_size", most=_LARGEST_SIZE) or 1,
        enable_expert_parallel=top.flag("enable_expert_parallel") or False,
        gpu_memory_utilization=top.number("gpu_memory_utilization", above=0, most=1),
        kv_cache_memory_bytes=top.count("kv_cache_memory_bytes"),
        max_model_len=top.count("max_model_len"),
        max_num_seqs=top.count("max_num_seqs"),
        max_num_batched_tokens=top.count("max_num_batched_tokens"),
        block_size=top.count("block_size", most=_LARGEST_SIZE),
        enforce_eager=top.flag("enforce_eager") or False,
        enable_prefix_caching=top.flag("enable_prefix_caching"),
        num_speculative_tokens=top.count("num_speculative_tokens", least=0, most=_LARGEST_SIZE) or 0,
        unknown_fields=(*top.unknown(_TOP), *model.unknown(_MODEL), *gpu.unknown(_GPU)),
    )


_MODEL = frozenset({"id", "config", "parameters", "tensors"})
_GPU = frozenset({"product", "memory_gib", "interconnect"})
_TOP = frozenset(EstimateRequest.__dataclass_fields__) - {
    "model_id",
    "config",
    "parameters",
    "tensors",
    "gpu_product",
    "gpu_memory_gib",
    "interconnect",
    "unknown_fields",
} | {"model", "gpu"}


@dataclass(frozen=True, slots=True)
class _Fields:
    """One object of a request; ``path`` stands before the names of its fields in messages."""

    document: Mapping[str, Any]
    path: str

    def get(self, name: str) -> Any:
        return self.document.get(name)

    def object(self, name: str) -> "_Fields":
        value = self._required(name)
        if not isinstance(value, Mapping):
            raise invalid(f"{self.path}{name}", value, "is not an object")
        return _Fields(value, f"{self.path}{name}.")

    def text(self, name: str, *, required: bool = False) -> str | None:
        value: str | None = self._checked(
            name, self._required(name) if required else self.get(name), str, "is not a string"
        )
        return value

    def flag(self, name: str) -> bool | None:
        value: bool | None = self._checked(name, self.get(name), bool, "is neither true nor false")
        return value

    def count(self, name: str, *, least: int = 1, most: int = _LARGEST_COUNT) -> int | None:
        value = self.get(name)
        if isinstance(value, bool):
            raise invalid(f"{self.path}{name}", value, "is not a whole number")
        number: int | None = self._checked(name, value, int, "is not a whole number")
        if number is not None and not least <= number <= most:
            raise invalid(f"{self.path}{name}", value, f"is not between {least} and {most}")
        return number

    def number(self, name: str, *, above: float, most: float, required: bool = False) -> float | None:
        value = self._required(name) if required else self.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(f"{self.path}{name}", value, "is not a number")
        # Compared before it is made a float, which a huge whole number cannot be.
        if value != value or not above < value <= most:  # noqa: PLR0124 - only NaN differs from itself
            raise invalid(f"{self.path}{name}", value, f"is not above {above:g} and at most {most:g}")
        return float(value)

    def unknown(self, known: frozenset[str]) -> tuple[str, ...]:
        return tuple(f"{self.path}{name}" for name in self.document if name not in known)

    def _required(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            raise Unsizable("InvalidRequest", f"{self.path}{name}: is missing")
        return value

    def _checked(self, name: str, value: Any, kind: type, problem: str) -> Any:
        if value is not None and not isinstance(value, kind):
            raise invalid(f"{self.path}{name}", value, problem)
        return value


def invalid(path: str, value: Any, problem: str) -> Unsizable:
    """Return the refusal of one field: its path, its value, what is wrong."""
    return Unsizable("InvalidRequest", f"{path}: {shown(value)} {problem}")


def shown(value: Any) -> str:
    """Return a value for a message, cut short; whole numbers of any size are safe to show."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**40:
        return "a number of more than 40 digits"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "null"
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 80 else f"{text[:77]}..."


def _interconnect(value: str | None) -> Interconnect | None:
    if value is None:
        return None
    return _one_of("gpu.interconnect", value, {str(kind): kind for kind in Interconnect})


def _dtype(value: str | None) -> str | None:
    return None if value is None or value == "auto" else _one_of("dtype", value, DTYPES)


def _one_of(path: str, value: str, known: Mapping[str, _T]) -> _T:
    if value not in known:
        raise invalid(path, value, f"is not one of {', '.join(sorted(known))}")
    return known[value]


def _parameters(value: Any) -> Mapping[str, int] | None:
    """Return element counts by type, as the Hub reports them."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise invalid("model.parameters", value, "is not an object")
    counts = _Fields(value, "model.parameters.")
    return {str(name): counts.count(name, least=0, most=2**63) or 0 for name in value}


def _tensors(value: Any) -> tuple[Tensor, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise invalid("model.tensors", value, "is not a list")
    if not value:
        raise Unsizable("InvalidRequest", "model.tensors: is an empty list; leave it out where the files are not known")
    return tuple(_tensor(entry, f"model.tensors[{index}]") for index, entry in enumerate(value))


def _tensor(entry: Any, path: str) -> Tensor:
    if not isinstance(entry, Mapping):
        raise invalid(path, entry, "is not an object with name, dtype and shape")
    fields = _Fields(entry, f"{path}.")
    name, dtype = fields.text("name", required=True) or "", fields.text("dtype", required=True) or ""
    if dtype not in DTYPE_BITS:
        raise invalid(f"{path}.dtype", dtype, f"is not one of {', '.join(DTYPE_BITS)}")
    shape = entry.get("shape")
    if not isinstance(shape, list) or not all(_is_dimension(size) for size in shape):
        raise invalid(f"{path}.shape", shape, "is not a list of whole numbers from 0 on")
    elements = math.prod(shape)
    if elements > _LARGEST_COUNT:
        raise invalid(f"{path}.shape", shape, "has more elements than any file")
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), size_bytes=-(-elements * DTYPE_BITS[dtype] // 8))


def _is_dimension(size: Any) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= _LARGEST_COUNT
