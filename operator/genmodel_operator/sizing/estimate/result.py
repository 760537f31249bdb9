"""What an estimate answers, and its fixed form as one JSON object."""

import json
from dataclasses import dataclass
from typing import Any

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the server would come up; ``reason`` and ``message`` are None where it would.

    ``longest`` is the largest ``max_model_len`` that would, where the wanted one does not fit.
    """

    starts: bool
    reason: str | None = None
    message: str | None = None
    longest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The figures of one request; bytes, None where a figure cannot be given.

    Attributes:
        max_concurrency: requests of full length that fit at once; None where nothing is cached.

    """

    id: str
    weights_bytes: int | None
    activation_bytes: int | None
    non_torch_bytes: int | None
    graph_bytes: int | None
    kv_cache_bytes: int | None
    kv_tokens: int | None
    max_concurrency: float | None
    verdict: Verdict
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the result as the interface writes it, GiB with three decimals."""
        return {
            "id": self.id,
            "weights_gib_per_gpu": _gib(self.weights_bytes),
            "activation_gib": _gib(self.activation_bytes),
            "non_torch_gib": _gib(self.non_torch_bytes),
            "cuda_graph_gib": _gib(self.graph_bytes),
            "kv_cache_gib": _gib(self.kv_cache_bytes),
            "kv_tokens": self.kv_tokens,
            "max_concurrency": None if self.max_concurrency is None else round(self.max_concurrency, 4),
            "starts": self.verdict.starts,
            "reason": self.verdict.reason,
            "message": self.verdict.message,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class EstimateError:
    """A request that cannot be estimated; ``id`` is None where the request has no usable one."""

    id: str | None
    reason: str
    message: str

    def document(self) -> dict[str, Any]:
        """Return the error as the interface writes it."""
        return {"id": self.id, "error": {"reason": self.reason, "message": self.message}}


def to_line(answer: Estimate | EstimateError) -> str:
    """Return an answer as one line of JSON without its line end."""
    return json.dumps(answer.document(), allow_nan=False)


def _gib(size: int | None) -> float | None:
    """Return bytes in GiB; numbers that no float holds were refused before."""
    return None if size is None else round(size / GIB, 3)
