"""What a repository is made for."""

import pytest

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.hub.tasks import NotServed, has_pooling, served_tasks
from tests.fakes.hub_models import SENTENCE_MODULES

GENERATE, EMBED, SCORE = ServedTask.GENERATE, ServedTask.EMBED, ServedTask.SCORE
NEW_POOLING = [{"type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"}]


@pytest.mark.parametrize(
    ("architecture", "modules", "tag", "want"),
    [
        pytest.param("LlamaForCausalLM", None, "text-generation", (GENERATE, EMBED), id="a chat model"),
        pytest.param("LlamaForCausalLM", None, None, (GENERATE, EMBED), id="without a tag"),
        pytest.param("LlamaForCausalLM", None, "translation", (GENERATE, EMBED), id="a tag of no consequence"),
        pytest.param("GPT2LMHeadModel", None, None, (GENERATE, EMBED), id="an old suffix"),
        pytest.param(
            "Qwen3ForCausalLM", SENTENCE_MODULES, "feature-extraction", (EMBED,), id="sentence-transformers first"
        ),
        pytest.param("MistralForCausalLM", NEW_POOLING, None, (EMBED,), id="the new name of the pooling module"),
        pytest.param(
            "Qwen2ForCausalLM", None, "sentence-similarity", (EMBED, GENERATE), id="the tag decides the default"
        ),
        pytest.param("LlavaForConditionalGeneration", None, "image-text-to-text", (GENERATE,), id="a vision model"),
        pytest.param("BertModel", None, None, (EMBED,), id="an encoder"),
        pytest.param("BertModel", SENTENCE_MODULES, "sentence-similarity", (EMBED,), id="an encoder with modules"),
        pytest.param("BertForMaskedLM", SENTENCE_MODULES, "fill-mask", (EMBED,), id="a masked model with pooling"),
        pytest.param(
            "BertForMaskedLM", None, "feature-extraction", (EMBED,), id="a masked model tagged for embeddings"
        ),
        pytest.param("GteNewForTextEncoding", None, None, (EMBED,), id="a text encoder"),
    ],
)
def test_the_tasks_follow_the_engine(
    architecture: str, modules: object, tag: str | None, want: tuple[ServedTask, ...]
) -> None:
    assert served_tasks({"architectures": [architecture]}, modules=modules, pipeline_tag=tag) == want


@pytest.mark.parametrize(
    ("labels", "want"),
    [
        pytest.param({"id2label": {"0": "LABEL_0"}}, (SCORE,), id="one name"),
        pytest.param({"num_labels": 1}, (SCORE,), id="one as a number"),
        pytest.param({"id2label": {"0": "a", "1": "b"}}, None, id="two names"),
        pytest.param({"id2label": {"0": "a", "1": "b"}, "num_labels": 1}, None, id="names decide"),
        pytest.param({"num_labels": 5}, None, id="five"),
        pytest.param({"num_labels": "1"}, None, id="no number"),
        pytest.param({}, None, id="not told"),
    ],
)
def test_a_classifier_with_one_label_scores(labels: dict[str, object], want: tuple[ServedTask, ...] | None) -> None:
    for tag in (None, "text-ranking", "text-classification"):
        config = {"architectures": ["XLMRobertaForSequenceClassification"], **labels}
        if want is None:
            with pytest.raises(NotServed, match="classification"):
                served_tasks(config, modules=None, pipeline_tag=tag)
        else:
            assert served_tasks(config, modules=None, pipeline_tag=tag) == want


def test_a_classifier_of_tokens_never_scores() -> None:
    config = {"architectures": ["BertForTokenClassification"], "num_labels": 1}
    with pytest.raises(NotServed):
        served_tasks(config, modules=None, pipeline_tag=None)


@pytest.mark.parametrize(
    ("architecture", "tag", "want"),
    [
        pytest.param(
            "WhisperForConditionalGeneration",
            "automatic-speech-recognition",
            "automatic-speech-recognition (WhisperForConditionalGeneration)",
            id="speech",
        ),
        pytest.param(
            "LlamaForCausalLM", "text-to-speech", "text-to-speech (LlamaForCausalLM)", id="speech by a language model"
        ),
        pytest.param(
            "BertForSequenceClassification",
            "text-classification",
            "classification (BertForSequenceClassification)",
            id="a classifier",
        ),
        pytest.param(
            "InternLM2ForRewardModel", None, "reward modelling (InternLM2ForRewardModel)", id="a reward model"
        ),
        pytest.param("BertForMaskedLM", "fill-mask", "fill-mask (BertForMaskedLM)", id="a masked model"),
        pytest.param("Florence2Something", None, "Florence2Something", id="an unknown suffix"),
    ],
)
def test_what_is_not_served_is_named(architecture: str, tag: str | None, want: str) -> None:
    with pytest.raises(NotServed) as error:
        served_tasks({"architectures": [architecture]}, modules=None, pipeline_tag=tag)
    assert str(error.value) == want


@pytest.mark.parametrize(
    ("modules", "want"),
    [
        pytest.param(SENTENCE_MODULES, True, id="a list with pooling"),
        pytest.param({"modules": SENTENCE_MODULES}, True, id="in an object"),
        pytest.param([{"type": "sentence_transformers.models.Transformer"}], False, id="no pooling"),
        pytest.param([1, None, {"type": 3}], False, id="nonsense"),
        pytest.param(None, False, id="no file"),
    ],
)
def test_pooling_marks_an_embedding_model(modules: object, want: bool) -> None:
    assert has_pooling(modules) is want
