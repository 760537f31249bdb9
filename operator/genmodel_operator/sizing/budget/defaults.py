"""What the engine takes where a flag is not given, by release and device (the API server's values)."""

from dataclasses import dataclass

from genmodel_operator.sizing.budget.device import Device
from genmodel_operator.sizing.budget.release import Release

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests and tokens of one step."""

    max_num_seqs: int
    max_num_batched_tokens: int


def default_memory_utilization(release: Release) -> float:
    """Return the share of the device that the engine plans with: 0.92 from 0.21 on, 0.90 before."""
    return 0.92 if release.since(21) else 0.90


def resolve_batch(
    device: Device,
    release: Release,
    *,
    max_model_len: int,
    max_num_seqs: int | None,
    max_num_batched_tokens: int | None,
) -> Batch:
    """Return the batch limits, given ones unchanged.

    A default of tokens never exceeds what so many requests of full length have, a default of
    requests never the tokens of a step (both from 0.10 on).
    """
    big = _is_big(device, release)
    tokens = max_num_batched_tokens or _default_tokens(device, release, big=big)
    requests = max_num_seqs or (1024 if big or not release.since(9) else 256)
    if release.since(10):
        if max_num_batched_tokens is None:
            tokens = min(tokens, requests * max_model_len)
        if max_num_seqs is None:
            requests = min(requests, tokens)
    return Batch(max_num_seqs=requests, max_num_batched_tokens=tokens)


def capture_sizes(batch: Batch) -> int:
    """Return for how many batch sizes graphs are captured: 1, 2, 4, each 8th to 256, each 16th to 512."""
    largest = min(2 * batch.max_num_seqs, 512, batch.max_num_batched_tokens)
    small = sum(size <= largest for size in (1, 2, 4))
    return small + len(range(8, min(largest + 1, 256), 8)) + len(range(256, largest + 1, 16))


def _is_big(device: Device, release: Release) -> bool:
    """Whether the defaults of an H100 hold; the A100 was left out from 0.9 on (PR 17885)."""
    return device.memory_bytes >= 70 * GIB and not (device.is_a100 and release.since(9))


def _default_tokens(device: Device, release: Release, *, big: bool) -> int:
    # PR 51726, merged in August 2026, is in 0.28 and later.
    if device.memory_bytes >= 160 * GIB and release.since(28):
        return 16384
    return 8192 if big else 2048
