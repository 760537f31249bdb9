"""The page on sizing says what the bench measured and what the command prints."""

import json
from pathlib import Path

from bench.sizing.compare import compare_all
from bench.sizing.markdown import RESULTS, accuracy_lines
from bench.sizing.report import report
from bench.sizing.rows import read_rows
from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import to_line

PAGE = (Path(__file__).parents[3] / "docs" / "sizing.md").read_text()
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def test_the_accuracy_is_the_kept_result() -> None:
    assert "\n".join(accuracy_lines()) in PAGE, "run: python -m bench sizing"


def test_the_kept_result_is_current() -> None:
    rows = read_rows()
    assert json.loads(RESULTS.read_text())["rows"] == report(rows, compare_all(rows)), "run: python -m bench sizing"


def test_the_worked_example_is_what_the_command_prints() -> None:
    request = {
        "id": "r1",
        "model": {"id": "meta-llama/Llama-3.1-8B-Instruct", "config": LLAMA},
        "gpu": {"product": "NVIDIA-L4", "memory_gib": 22.0},
        "vllm_version": "0.32.0",
        "max_model_len": 16384,
    }
    line = to_line(estimate(request))
    assert line in PAGE.replace("\n ", " ")
    figures = json.loads(line)
    for name in ("weights_gib_per_gpu", "activation_gib", "non_torch_gib", "kv_cache_gib"):
        assert f"{figures[name]:g}" in PAGE.split("## What else is in it")[0]
    longer = json.loads(to_line(estimate({**request, "max_model_len": 32768})))
    assert "estimated maximum model length is 30832" in longer["message"]
    assert "30 832" in PAGE
