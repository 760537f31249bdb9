"""Each row's estimate beside what the server logged: one error per figure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.sizing.peers import PEERS, Start
from bench.sizing.rows import Row
from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import Estimate, EstimateError

GIB = 1024**3
_BIG_GIB = 70
_CATALOGUE = ((70, 80, 80.0), (80, 96, 96.0), (39, 40, 40.0), (43, 46, 48.0), (21, 24, 24.0), (31, 32, 32.0))
"""Totals as torch sees them from, to, and the memory on the box, in GiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One row with its answer. Errors are estimate minus logged; None where one of them is missing.

    Attributes:
        refusal: why the request was not answered; None where it was.
        weights, tokens: relative. ``kv_gib``, ``activation_gib``: in GiB.
        blocks: relative, of the tokens in the logged GiB: the cache's arithmetic alone.
        verdict: whether start or refusal was foreseen; ``reason``: why the estimate refuses it, None where it does not.
        peers: of the cache's memory, in GiB, with the logged weights.

    """

    row: Row
    refusal: str | None = None
    weights: float | None = None
    activation_gib: float | None = None
    kv_gib: float | None = None
    tokens: float | None = None
    blocks: float | None = None
    verdict: bool | None = None
    reason: str | None = None
    peers: dict[str, float] | None = None

    @property
    def started(self) -> bool:
        """Whether the server came up."""
        return self.row.logged.outcome == "ok"


def compare(row: Row) -> Compared:
    """Return a row's errors; the row must have a request."""
    assert row.request is not None
    answer = served(with_step(row), any_length=row.any_length)
    if not isinstance(answer, Estimate):
        return Compared(row=row, refusal=f"{answer.reason}: {answer.message}")
    logged, has_device = row.logged, row.has_device
    return Compared(
        row=row,
        weights=_relative(_gib(answer.weights_bytes), logged.weights_gib),
        activation_gib=_difference(_gib(answer.activation_bytes), logged.activation_gib) if has_device else None,
        kv_gib=_difference(_gib(answer.kv_cache_bytes), logged.kv_cache_gib) if has_device else None,
        tokens=_relative(answer.kv_tokens, logged.kv_tokens) if has_device else None,
        blocks=_blocks_error(row),
        verdict=_foreseen(row, answer),
        reason=answer.verdict.reason,
        peers=_peer_errors(row),
    )


def with_step(row: Row) -> dict[str, Any]:
    """Return the request of a row, with the tokens of a step that the logged need of one request shows.

    A row that leaves them open is of a server or of the engine's LLM class, whose defaults differ.
    """
    request = row.request or {}
    if row.needed_gib is None or request["max_num_batched_tokens"] is not None:
        return request
    steps = (None, 16384 if request["gpu"]["memory_gib"] >= _BIG_GIB else 8192)
    told = [({**request, "max_num_batched_tokens": step}, row.needed_gib) for step in steps]
    return min(told, key=lambda one: abs((needed_gib(one[0]) or 0.0) - one[1]))[0]


def needed_gib(request: dict[str, Any]) -> float | None:
    """Return what one request of the wanted length needs: what the refusal of a cache of one byte says."""
    answer = estimate({**request, "kv_cache_memory_bytes": 1})
    found = re.search(
        r"\(([\d.]+) GiB KV cache is needed", str(answer.verdict.message if isinstance(answer, Estimate) else "")
    )
    return float(found[1]) if found else None


def served(request: dict[str, Any], *, any_length: bool) -> Estimate | EstimateError:
    """Return the answer to a request; where any length will do, with the longest that fits."""
    answer = estimate(request)
    if any_length and isinstance(answer, Estimate) and answer.verdict.longest:
        return estimate({**request, "max_model_len": answer.verdict.longest})
    return answer


def _foreseen(row: Row, answer: Estimate) -> bool | None:
    knows = row.about_memory and (row.has_device or row.logged.outcome == "invalid_tp")
    return answer.verdict.starts == (row.logged.outcome == "ok") if knows else None


def _blocks_error(row: Row) -> float | None:
    """Return the error of the tokens when the cache has exactly the logged GiB."""
    gib = row.logged.kv_cache_gib
    if gib is None or gib <= 0 or row.logged.kv_tokens is None or row.request is None:
        return None
    answer = estimate({**row.request, "kv_cache_memory_bytes": int(gib * GIB)})
    return _relative(answer.kv_tokens, row.logged.kv_tokens) if isinstance(answer, Estimate) else None


def _peer_errors(row: Row) -> dict[str, float] | None:
    logged, request = row.logged, row.request
    if request is None or logged.weights_gib is None or logged.kv_cache_gib is None or not row.has_device:
        return None
    config = request["model"]["config"]
    total = request["gpu"]["memory_gib"]
    start = Start(
        weights_gib=logged.weights_gib,
        total_gib=total,
        catalogue_gib=next((box for least, most, box in _CATALOGUE if least <= total < most), total),
        utilization=request["gpu_memory_utilization"] or 0.9,
        tensor_parallel=request["tensor_parallel_size"],
        is_mixture="MoE" in row.mechanisms,
        family=config.get("model_type") or "",
    )
    return {name: formula(start) - logged.kv_cache_gib for name, formula in PEERS.items()}


def compare_all(rows: Iterable[Row]) -> list[Compared]:
    """Return the comparison of every row that has a request."""
    return [compare(row) for row in rows if row.request is not None]


def _gib(size: int | None) -> float | None:
    return None if size is None else size / GIB


def _difference(estimated: float | None, logged: float | None) -> float | None:
    return None if estimated is None or logged is None else estimated - logged


def _relative(estimated: float | None, logged: float | None) -> float | None:
    return None if estimated is None or not logged else estimated / logged - 1
