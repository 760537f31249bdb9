"""The arithmetic against what real vLLM servers logged when they started.

``logged_starts.csv`` has one row per start: what vLLM printed as "Model loading took",
"PyTorch activation peak memory", "Available KV cache memory" and "GPU KV cache size", and where it
was published. Where ``max_num_seqs`` and ``max_num_batched_tokens`` are not in the log they are
that release's defaults on an H100: 1024 and 8192; activation is left out where even that is open.
"""

import csv
from pathlib import Path

import pytest

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.sizing.architecture import Architecture, read_architecture
from genmodel_operator.sizing.evidence import Attention, prove_plain_attention
from genmodel_operator.sizing.kvcache import GPU_BLOCK_TOKENS, kv_cache
from genmodel_operator.sizing.memory import GIB, Batch, activation_bytes, bytes_per_logit, parse_version
from genmodel_operator.sizing.weights import read_weights
from tests import builders_sizing
from tests.builders_sizing import facts_of

ROWS = list(csv.DictReader((Path(__file__).parent / "logged_starts.csv").read_text().splitlines()))
WIDTH = {"bfloat16": 2, "float32": 4}


def rows_with(*columns: str) -> list[object]:
    """The rows in which these columns are known."""
    known = [row for row in ROWS if all(row[column] for column in columns)]
    return [pytest.param(row, id=f"{row['id']} {row['model']} TP{row['tp']} {row['vllm_version']}") for row in known]


def architecture_of(row: dict[str, str]) -> Architecture:
    architecture = read_architecture(getattr(builders_sizing, row["model"]))
    assert isinstance(architecture, Architecture)
    return architecture


@pytest.mark.parametrize("row", rows_with("weights_gib"))
def test_weights_are_what_was_loaded(row: dict[str, str]) -> None:
    facts, architecture = facts_of(getattr(builders_sizing, row["model"])), architecture_of(row)
    got_bytes = read_weights(facts, architecture).device_bytes(
        architecture, element_bytes=WIDTH[row["dtype"]], tensor_parallel=int(row["tp"])
    )
    # The allocator's slack, which the log counts in, is up to 0.4 %.
    assert got_bytes / GIB == pytest.approx(float(row["weights_gib"]), rel=0.0045, abs=0.006)


@pytest.mark.parametrize("row", rows_with("kv_cache_gib", "kv_tokens"))
def test_tokens_are_what_fitted(row: dict[str, str]) -> None:
    architecture = architecture_of(row)
    attention = prove_plain_attention(facts_of(getattr(builders_sizing, row["model"])), architecture)
    assert isinstance(attention, Attention)
    cache = kv_cache(
        architecture,
        attention,
        element_bytes=WIDTH[row["dtype"]],
        tensor_parallel=int(row["tp"]),
        block_tokens=GPU_BLOCK_TOKENS,
    )
    assert cache is not None
    # The log rounds the memory to hundredths of a GiB: at most half a hundredth either way.
    got_tokens = cache.tokens(int(float(row["kv_cache_gib"]) * GIB))
    assert abs(got_tokens - int(row["kv_tokens"])) <= 0.006 * GIB / cache.token_bytes + GPU_BLOCK_TOKENS


@pytest.mark.parametrize("row", rows_with("activation_gib"))
def test_activation_is_near_what_was_profiled(row: dict[str, str]) -> None:
    engine = parse_version(row["vllm_version"])
    got_bytes = activation_bytes(
        architecture_of(row),
        batch=Batch(1024, 8192),
        tensor_parallel=int(row["tp"]),
        element_bytes=WIDTH[row["dtype"]],
        bytes_per_logit=bytes_per_logit(ServedTask.GENERATE, on_gpu=True, engine=engine),
    )
    assert got_bytes / GIB == pytest.approx(float(row["activation_gib"]), rel=0.12)
