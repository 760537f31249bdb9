"""A reranker is an encoder with one number on top, and is planned as its encoder is."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.hub.facts import ModelFacts, ServedTask
from tests.builders import a_tensor
from tests.builders_sizing import MINILM, a_gpu_node, a_node, a_plan, bert_tensors, facts_of, minilm_facts

CONFIG = {**MINILM, "architectures": ["BertForSequenceClassification"], "num_labels": 1}
HEAD = (a_tensor("classifier.weight", (1, 384), "F32"), a_tensor("classifier.bias", (1,), "F32"))


def reranker_facts() -> ModelFacts:
    encoder = (replace(tensor, name=f"bert.{tensor.name}") for tensor in bert_tensors())
    tasks = {"task": ServedTask.SCORE, "tasks": (ServedTask.SCORE,), "stored_precision": "Float32"}
    return facts_of(CONFIG, (*encoder, *HEAD), **tasks)


@pytest.mark.parametrize(
    "node", [pytest.param(a_node(), id="CPU"), pytest.param(a_gpu_node("NVIDIA-L4", name="l4"), id="GPU")]
)
def test_a_reranker_takes_what_its_encoder_takes(node: dict[str, Any]) -> None:
    scores, embeds = a_plan(reranker_facts(), node), a_plan(minilm_facts(), node)
    assert scores.max_model_len == embeds.max_model_len == MINILM["max_position_embeddings"]
    assert scores.kv_cache_bytes == embeds.kv_cache_bytes == 0
    assert scores.max_num_batched_tokens == embeds.max_num_batched_tokens
    assert scores.host_memory_gib == embeds.host_memory_gib
    assert scores.memory.weights_gib == pytest.approx(embeds.memory.weights_gib, abs=0.01)
