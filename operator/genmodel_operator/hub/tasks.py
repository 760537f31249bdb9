"""What a repository is made for, by the rules that vLLM itself applies.

vLLM decides by the architecture's suffix, and by the files of sentence-transformers before that.
A causal language model can also be served as an embedding model (``--runner pooling --convert
embed``: vLLM pools the last hidden state), so such a model has both tasks; an encoder and a
sentence-transformers repository have only ``Embed``. A sequence classifier with one label scores pairs
of texts (``Score``): a reranker, a cross-encoder.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from genmodel_operator.hub.facts import ServedTask

_CAUSAL_SUFFIXES = ("ForCausalLM", "ChatModel", "LMHeadModel")
_GENERATE_SUFFIXES = (*_CAUSAL_SUFFIXES, "ForConditionalGeneration")
_SCORE_SUFFIX = "ForSequenceClassification"
"""With one label its number is a score; with more it names classes."""
_CLASSIFY_SUFFIXES = (
    "ForTokenClassification",
    "ForAudioClassification",
    "ForImageClassification",
    "ForVideoClassification",
    "ClassificationModel",
)
_REWARD_SUFFIXES = ("ForRewardModeling", "RewardModel")
_EMBED_SUFFIXES = ("ForTextEncoding", "EmbeddingModel", "Model")

_EMBED_TAGS = frozenset({"feature-extraction", "sentence-similarity"})
# Whatever the architecture's name says, the engine does not do these.
_FOREIGN_TAGS = frozenset(
    {
        "automatic-speech-recognition",
        "audio-to-audio",
        "depth-estimation",
        "image-segmentation",
        "image-to-3d",
        "image-to-image",
        "image-to-video",
        "mask-generation",
        "object-detection",
        "text-to-3d",
        "text-to-audio",
        "text-to-image",
        "text-to-speech",
        "text-to-video",
        "time-series-forecasting",
        "unconditional-image-generation",
        "video-to-video",
    }
)


class NotServed(Exception):
    """The model is made for something that is not served; the text says for what."""


def served_tasks(config: Mapping[str, Any], *, modules: object, pipeline_tag: str | None) -> tuple[ServedTask, ...]:
    """Return the tasks that the model can be served as, the default first.

    ``config`` is the parsed ``config.json``, ``modules`` that of sentence-transformers' ``modules.json``, None
    without one. Raises ``NotServed``.
    """
    architecture: str = config["architectures"][0]
    if has_pooling(modules):
        return (ServedTask.EMBED,)
    if pipeline_tag in _FOREIGN_TAGS:
        raise NotServed(f"{pipeline_tag} ({architecture})")
    if architecture.endswith(_GENERATE_SUFFIXES):
        return _generative(architecture, pipeline_tag)
    if architecture.endswith(_SCORE_SUFFIX) and label_count(config) == 1:
        return (ServedTask.SCORE,)
    for suffixes, work in (
        ((*_CLASSIFY_SUFFIXES, _SCORE_SUFFIX), "classification"),
        (_REWARD_SUFFIXES, "reward modelling"),
    ):
        if architecture.endswith(suffixes):
            raise NotServed(f"{work} ({architecture})")
    if architecture.endswith(_EMBED_SUFFIXES) or pipeline_tag in _EMBED_TAGS:
        return (ServedTask.EMBED,)
    raise NotServed(f"{pipeline_tag} ({architecture})" if pipeline_tag else architecture)


def label_count(config: Mapping[str, Any]) -> int:
    """Return how many labels a classifier tells apart; where ``config.json`` does not say, Transformers takes two."""
    names, number = config.get("id2label"), config.get("num_labels")
    if isinstance(names, Mapping):
        return len(names)
    return number if isinstance(number, int) else 2


def has_pooling(modules: object) -> bool:
    """Whether a parsed ``modules.json`` describes an embedding model: one of its modules pools."""
    return any(kind.endswith(".Pooling") for kind in _module_types(modules))


def _module_types(modules: object) -> Sequence[str]:
    listed: Any = modules.get("modules") if isinstance(modules, Mapping) else modules
    if not isinstance(listed, list):
        return ()
    return [str(module.get("type", "")) for module in listed if isinstance(module, Mapping)]


def _generative(architecture: str, pipeline_tag: str | None) -> tuple[ServedTask, ...]:
    if not architecture.endswith(_CAUSAL_SUFFIXES):
        return (ServedTask.GENERATE,)
    if pipeline_tag in _EMBED_TAGS:
        return (ServedTask.EMBED, ServedTask.GENERATE)
    return (ServedTask.GENERATE, ServedTask.EMBED)
