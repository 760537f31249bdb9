"""How the engine tells a model's thoughts from its answer: by how its chat template begins an answer.

Most parsers take everything for thoughts until the mark of their end, so that the answers of a model that does not
think would be empty: a parser is named only where the template shows that the model thinks unless told otherwise.
"""

from genmodel_operator.engines.formats import WrittenFormat, parser_of
from genmodel_operator.hub.facts import ModelFacts, ServedTask

BEGUN = r"""add_generation_prompt[^%]*%\}\s*\{\{-?\s*(['"])[^'"]*<think>(?:\\n|\n)*\1\s*-?\}\}"""
"""The template itself begins the thoughts of every answer."""
UNLESS_TOLD = r"enable_thinking is defined and (?:enable_thinking is false|not enable_thinking)"
"""A request may turn thoughts off. Templates where it may only turn them on are not meant."""
BY_DEFAULT = r"enable_thinking if enable_thinking is defined else [Tt]rue"
ON_REQUEST = r"add_generation_prompt(?s:.*)if not thinking(?s:.*)<think>"
"""Thoughts come only where a request asks for them, which the parser sees, too."""

REASONING_FORMATS = (
    WrittenFormat("deepseek_v3", (), ("DeepseekV3",), "", ON_REQUEST),
    WrittenFormat("seed_oss", ("<seed:think>",), ("SeedOss",)),
    WrittenFormat("minimax_m2", ("<think>",), ("MiniMaxM2",)),
    WrittenFormat("granite", ("Here is my thought process",), ("Granite",)),
    WrittenFormat("glm45", ("<think>",), ("Glm4Moe",), "", UNLESS_TOLD),
    WrittenFormat("nemotron_v3", ("<think>",), ("NemotronH",), "", BY_DEFAULT),
    WrittenFormat("olmo3", (), ("Olmo3",), "", BEGUN),
    WrittenFormat("ernie45", (), ("Ernie4_5",), "</think>", BEGUN),
    WrittenFormat("qwen3", ("<think>",), ("Qwen3",), "</think>", f"{BEGUN}|{UNLESS_TOLD}"),
    # DeepSeek R1 and the models that were trained from its answers: their settings list no tokens, all have these.
    WrittenFormat("deepseek_r1", ("<\uff5cAssistant\uff5c>",), (), "", BEGUN),
    # QwQ and all others that always think.
    WrittenFormat("deepseek_r1", (), (), "</think>", BEGUN),
)
"""The first that fits is taken. gpt-oss is not here: the engine reads it without being told."""


def thinks(facts: ModelFacts) -> bool:
    """Return whether the template has to do with thoughts where it begins an answer."""
    begin = facts.chat_template.rpartition("add_generation_prompt")
    return bool(begin[1]) and "think>" in begin[2]


def reasoning_parser(facts: ModelFacts) -> str | None:
    """Return the parser of the model's thoughts; None where it has none for certain or none is known."""
    return parser_of(REASONING_FORMATS, facts)


def reasoning_args(facts: ModelFacts, task: ServedTask) -> tuple[str, ...]:
    """Return the flags with which thoughts come apart from the answer; none where that cannot be."""
    parser = reasoning_parser(facts) if task is ServedTask.GENERATE else None
    return ("--reasoning-parser", parser) if parser else ()


def reasoning_said(facts: ModelFacts, task: ServedTask) -> str:
    """Return in a few words how thoughts are read, empty for a model of which nothing says that it thinks."""
    if task is not ServedTask.GENERATE:
        return ""
    if parser := reasoning_parser(facts):
        return f"read by vLLM's parser {parser}, apart from the answer"
    named = "--reasoning-parser NAME in spec.engine.args"
    return f"thoughts stay in the answer; if you know their parser: {named}" if thinks(facts) else ""
