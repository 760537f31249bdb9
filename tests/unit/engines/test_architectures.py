"""Which models the engine serves, and whether every refusal says what its reason promises."""

import pytest

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.engines import Refusal, engine_for
from genmodel_operator.engines.architectures import engine_table, served_tasks, supports
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.settings import ENGINE_VERSION
from tests.builders import LLAMA_CONFIG, a_cpu_plan, a_gpu_plan, some_facts

GENERATE, EMBED = ServedTask.GENERATE, ServedTask.EMBED


def message_of(refusal: Refusal | None) -> str:
    assert refusal is not None
    return explain(Reason(refusal.reason), **dict(refusal.values))


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(some_facts(), id="Llama chat model"),
        pytest.param(some_facts(architecture="Qwen3ForCausalLM"), id="Qwen3 chat model"),
        pytest.param(some_facts(architecture="GPT2LMHeadModel"), id="GPT-2"),
        pytest.param(
            some_facts(architecture="BertModel", task=EMBED, tasks=(EMBED,)), id="BERT sentence-transformers model"
        ),
        pytest.param(some_facts(architecture="Qwen2Model", task=EMBED, tasks=(EMBED,)), id="embedding model on Qwen2"),
        pytest.param(some_facts(quantization="awq"), id="AWQ"),
        pytest.param(some_facts(quantization="GPTQ"), id="GPTQ in capitals"),
        pytest.param(some_facts(quantization="compressed-tensors"), id="compressed-tensors"),
        pytest.param(some_facts(quantization="fp8"), id="FP8"),
    ],
)
def test_serves(facts: ModelFacts) -> None:
    assert supports(facts) is None


@pytest.mark.parametrize(
    ("facts", "want_reason", "want_words"),
    [
        pytest.param(
            some_facts(architecture="EagleLlamaForCausalLM"),
            Reason.DRAFT_MODEL,
            "draft model for speculative decoding",
            id="EAGLE draft",
        ),
        pytest.param(
            some_facts(config={**LLAMA_CONFIG, "speculators_config": {"algorithm": "eagle3"}}),
            Reason.DRAFT_MODEL,
            "draft model",
            id="speculator with a common architecture name",
        ),
        pytest.param(
            some_facts(architecture="QWenLMHeadModel"),
            Reason.ARCHITECTURE_UNSUPPORTED,
            "vLLM 0.23.0 was the last release that did",
            id="architecture that was dropped",
        ),
        pytest.param(
            some_facts(architecture="BartForConditionalGeneration"),
            Reason.ARCHITECTURE_UNSUPPORTED,
            "without the plugin at https://github.com/vllm-project/bart-plugin",
            id="architecture in a plugin",
        ),
        pytest.param(
            some_facts(architecture="Qwen2VLForConditionalGeneration"),
            Reason.ARCHITECTURE_UNSUPPORTED,
            "images, audio or video",
            id="vision model",
        ),
        pytest.param(
            some_facts(architecture="WhisperForConditionalGeneration"),
            Reason.ARCHITECTURE_UNSUPPORTED,
            "transcribes speech",
            id="speech model",
        ),
        pytest.param(
            some_facts(architecture="BertForSequenceClassification"),
            Reason.ARCHITECTURE_UNSUPPORTED,
            "as anything but Score",
            id="classifier that is asked for more",
        ),
        pytest.param(
            some_facts(architecture="Qwen2ForRewardModel"),
            Reason.ARCHITECTURE_UNSUPPORTED,
            "reward model",
            id="reward model",
        ),
        pytest.param(
            some_facts(architecture="HF_ColBERT"),
            Reason.ARCHITECTURE_UNSUPPORTED,
            "one vector per token",
            id="late interaction",
        ),
        pytest.param(
            some_facts(architecture="TransformersForCausalLM"),
            Reason.ARCHITECTURE_UNSUPPORTED,
            "a name inside the engine",
            id="engine's own class",
        ),
        pytest.param(
            some_facts(architecture="FooForCausalLM"),
            Reason.ARCHITECTURE_UNSUPPORTED,
            "through Transformers is not verified",
            id="architecture that only the fallback might run",
        ),
        pytest.param(
            some_facts(architecture="BertModel", task=GENERATE, tasks=(GENERATE,)),
            Reason.ARCHITECTURE_UNSUPPORTED,
            "as anything but Embed",
            id="embedding model that is asked to generate",
        ),
        pytest.param(
            some_facts(quantization="bitsandbytes"),
            Reason.QUANTIZATION_UNSUPPORTED,
            "quantised with bitsandbytes, which vLLM 0.32.0 does not read",
            id="bitsandbytes",
        ),
        pytest.param(
            some_facts(quantization="fbgemm_fp8"),
            Reason.QUANTIZATION_UNSUPPORTED,
            "fbgemm_fp8",
            id="method that the engine refuses as deprecated",
        ),
    ],
)
def test_refuses(facts: ModelFacts, want_reason: Reason, want_words: str) -> None:
    refusal = supports(facts)
    assert refusal is not None
    assert refusal.reason == want_reason.value
    assert want_words in message_of(refusal)
    assert facts.repository in message_of(refusal)


def test_fp8_weights_are_served_on_gpu_and_refused_on_cpu() -> None:
    facts = some_facts(quantization="fp8")
    assert engine_for(a_gpu_plan()).supports(facts) is None
    refusal = engine_for(a_cpu_plan()).supports(facts)
    assert "vLLM 0.32.0 on CPU does not read" in message_of(refusal)
    assert "awq" in message_of(refusal)


@pytest.mark.parametrize(
    ("architecture", "want_tasks"),
    [
        pytest.param("LlamaForCausalLM", (GENERATE, EMBED), id="text model does both"),
        pytest.param("LlamaModel", (EMBED,), id="headless model only embeds"),
        pytest.param("Qwen2VLForConditionalGeneration", (), id="vision model does nothing here"),
        pytest.param("BertForSequenceClassification", (ServedTask.SCORE,), id="reranker"),
        pytest.param("Unheard", (), id="unknown architecture"),
    ],
)
def test_served_tasks(architecture: str, want_tasks: tuple[ServedTask, ...]) -> None:
    assert served_tasks(architecture) == want_tasks


def test_the_table_is_of_the_shipped_engine_and_whole() -> None:
    table = engine_table()
    assert table.version == ENGINE_VERSION
    assert len(table.categories) == 391
    assert not set(table.categories) & set(table.removed)
    assert not set(table.categories) & set(table.plugins)
    assert set(table.quantization_cpu) <= set(table.quantization)


@pytest.mark.parametrize("architecture", sorted(engine_table().categories))
def test_every_known_architecture_is_served_or_refused_in_words(architecture: str) -> None:
    refusal = supports(some_facts(architecture=architecture))
    if refusal is not None:
        assert architecture in message_of(refusal)
    else:
        assert served_tasks(architecture)
