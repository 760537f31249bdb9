"""The warnings of an estimate: assumptions that were made, fields that were ignored, constraints that are close."""

from collections.abc import Iterator

from genmodel_operator.settings import ENGINE_VERSION
from genmodel_operator.sizing.budget.budget import Budget
from genmodel_operator.sizing.budget.release import parse_release
from genmodel_operator.sizing.estimate.server import GIB, Asked

_CLOSE_BYTES = GIB // 2
BLOCK_STEP = 16
"""Tokens that the blocks of every attention backend for GPUs are multiples of."""
_CLOSE_CONCURRENCY = 1.1


def notes_on_request(asked: Asked) -> Iterator[str]:
    """Yield what was ignored or assumed of the request itself."""
    request, server, device = asked.request, asked.server, asked.server.device
    if request.unknown_fields:
        yield f"ignored, not part of the interface: {', '.join(name[:80] for name in request.unknown_fields[:20])}"
    yield from _notes_on_release(asked)
    if request.interconnect is None and server.layout.tensor_parallel > 1:
        yield f"gpu.interconnect is not given: taken as {device.interconnect} from the product {device.product[:80]!r}"
    if asked.max_model_len > asked.shape.max_positions:
        yield (
            f"max_model_len ({asked.max_model_len}) is greater than the model's own maximum "
            f"({asked.shape.max_positions}): vLLM refuses it without VLLM_ALLOW_LONG_MAX_MODEL_LEN=1"
        )
    if server.batch.max_num_batched_tokens < server.batch.max_num_seqs:
        yield (
            f"max_num_batched_tokens ({server.batch.max_num_batched_tokens}) is smaller than max_num_seqs "
            f"({server.batch.max_num_seqs}): vLLM refuses this"
        )
    yield from _notes_on_drafts_and_blocks(asked)
    yield from _notes_on_capability(asked)


def _notes_on_release(asked: Asked) -> Iterator[str]:
    release, newest = asked.server.release, parse_release(ENGINE_VERSION)
    if (release.major, release.minor, release.patch) > (newest.major, newest.minor, newest.patch):
        yield f"vllm_version {asked.request.vllm_version[:40]} is newer than {newest}: taken as it"


def _notes_on_drafts_and_blocks(asked: Asked) -> Iterator[str]:
    request = asked.request
    if request.num_speculative_tokens and not asked.shape.draft_layers:
        yield (
            f"num_speculative_tokens is {request.num_speculative_tokens}, and config.json describes no drafting layers:"
            " vLLM refuses this (num_speculative_tokens was provided but without speculative model)"
        )
    if request.block_size is not None and request.block_size % BLOCK_STEP:
        yield (
            f"block_size ({request.block_size}) is no multiple of {BLOCK_STEP}: vLLM has no attention backend for it "
            "and refuses this"
        )


def notes_on_figures(asked: Asked, budget: Budget, concurrency: float | None, *, starts: bool) -> Iterator[str]:
    """Yield which constraints of a server that starts are close."""
    if not starts:
        return
    if concurrency is not None and concurrency < _CLOSE_CONCURRENCY:
        yield f"close: the KV cache holds {concurrency:.2f} requests of {asked.max_model_len} tokens"
    if not budget.is_cache_fixed and budget.reserve - budget.reserve_needed < _CLOSE_BYTES:
        yield (
            f"close: {budget.reserve / GIB:.2f} GiB lie outside the budget, about "
            f"{budget.reserve_needed / GIB:.2f} are needed there"
        )


def _notes_on_capability(asked: Asked) -> Iterator[str]:
    server = asked.server
    capability = server.device.compute_capability
    if capability is None:
        return
    shown = f"compute capability {capability[0]}.{capability[1]}"
    if server.dtype == "bfloat16" and capability < (8, 0):
        yield f"bfloat16 needs compute capability 8.0, {server.device.product[:80]!r} has {shown}: use float16"
    quantization = asked.shape.quantization
    method = server.quantization or ("" if quantization is None else quantization.method)
    if "fp8" in method and capability < (8, 9):
        yield f"8 bit floating point runs on weights only below compute capability 8.9; the device has {shown}"
