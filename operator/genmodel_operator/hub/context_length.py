"""The longest context of a model, derived as vLLM 0.32 derives it, never longer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

LENGTH_FIELDS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
"""Where configurations state it; vLLM takes the smallest, but ``model_max_length`` goes before all."""

# With these the stated length already includes the factor.
_SCALED_ROPE = frozenset({"default", "su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling"})
_TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config")
_UNLIMITED = 10**12
"""Tokenizers without a limit of their own write a number beyond this."""


class NoLength(Exception):
    """The configuration does not state the length; the text says which field is missing or wrong."""


@dataclass(frozen=True, slots=True)
class ContextLength:
    """Tokens, and the field that set them."""

    tokens: int
    source: str


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the language model's part of a configuration: itself where it has no parts."""
    for name in _TEXT_PARTS:
        part = config.get(name)
        if isinstance(part, Mapping):
            return text_config(part)
    return config


def context_length(
    config: Mapping[str, Any], *, tokenizer: Mapping[str, Any], sentence: Mapping[str, Any]
) -> ContextLength:
    """Return the model's own limit: the smallest of what its files state.

    ``tokenizer`` is ``tokenizer_config.json``, ``sentence`` the ``sentence_*_config.json`` of
    sentence-transformers; both empty where absent. Raises ``NoLength``.
    """
    limits = [_of_config(config)]
    if _is_positive(length := tokenizer.get("model_max_length")) and length < _UNLIMITED:
        limits.append(ContextLength(int(length), "tokenizer_config.json: model_max_length"))
    if _is_positive(length := sentence.get("max_seq_length")):
        limits.append(ContextLength(int(length), "sentence-transformers: max_seq_length"))
    return min(limits, key=lambda limit: limit.tokens)


def _of_config(config: Mapping[str, Any]) -> ContextLength:
    text = text_config(config)
    stated = {name: text[name] for name in LENGTH_FIELDS if text.get(name) is not None}
    for name, value in stated.items():
        if not _is_positive(value):
            raise NoLength(f"{name} is {value!r:.40}, not a number of tokens")
    if not stated:
        raise NoLength("max_position_embeddings is missing")
    name = "model_max_length" if "model_max_length" in stated else min(stated, key=lambda field: stated[field])
    factor = _rope_factor(text)
    source = f"config.json: {name}" if factor == 1 else f"config.json: {name} x rope factor {factor:g}"
    return ContextLength(int(stated[name] * factor), source)


def _rope_factor(text: Mapping[str, Any]) -> float:
    if "gemma3" in str(text.get("model_type", "")):
        return 1.0  # its stated length is scaled already
    factor = 1.0
    for rope in _ropes(text):
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind not in _SCALED_ROPE and _is_positive(rope.get("factor")):
            factor = float(rope["factor"])
    return factor


def _ropes(text: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    rope = text.get("rope_parameters") or text.get("rope_scaling")
    if not isinstance(rope, Mapping):
        return
    nested = [part for part in rope.values() if isinstance(part, Mapping)]
    yield from nested or [rope]


def _is_positive(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
