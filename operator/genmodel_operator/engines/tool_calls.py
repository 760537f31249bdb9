"""How the engine reads tool calls out of what a model writes: by the format that its chat template teaches.

A template without tools never shows them to the model, and a format that is not in the table is not guessed:
the engine then refuses requests with tools in words that name its flags, which ``spec.engine.args`` may set.
Names of parsers are those of vLLM 0.32.0.
"""

import re
from dataclasses import dataclass

from genmodel_operator.hub.facts import ModelFacts, ServedTask


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """One way of writing tool calls.

    Attributes:
        parser: the engine's parser that reads it.
        marks: what every template of this format holds.
        architectures: beginnings of the architectures that write it; any where empty.
        token: what the tokenizer must know as one token; without it the parser breaks every chat, with tools or not.

    """

    parser: str
    marks: tuple[str, ...]
    architectures: tuple[str, ...] = ()
    token: str = ""

    def is_of(self, facts: ModelFacts) -> bool:
        """Return whether the model's template teaches this format."""
        of_architecture = not self.architectures or facts.architecture.startswith(self.architectures)
        knows_token = not self.token or self.token in facts.added_tokens
        return of_architecture and knows_token and all(mark in facts.chat_template for mark in self.marks)


TOOL_FORMATS = (
    ToolFormat("openai", (), ("GptOss",)),
    ToolFormat("qwen3_coder", ("<tool_call>", "<function=", "<parameter=")),
    ToolFormat("glm47", ("<tool_call>", "<arg_key>"), ("Glm4",)),
    ToolFormat("minimax_m2", ("<minimax:tool_call>",)),
    ToolFormat("seed_oss", ("<seed:tool_call>",)),
    ToolFormat("kimi_k2", ("<|tool_calls_section_begin|>",)),
    ToolFormat("functiongemma", ("<start_function_call>",)),
    ToolFormat("lfm2", ("<|tool_list_start|>",), ("Lfm2",), "<|tool_call_start|>"),
    ToolFormat("olmo3", ("<function_calls>",), ("Olmo3",)),
    ToolFormat("hunyuan_a13b", ("<tool_calls>",), ("HunYuan",)),
    ToolFormat("jamba", ("<tool_calls>",), ("Jamba",), "<tool_calls>"),
    ToolFormat("granite4", ("<tool_call>", "arguments"), ("GraniteMoeHybrid",)),
    ToolFormat("granite", ("tool_call",), ("Granite",)),
    ToolFormat("mistral", ("[TOOL_CALLS]",), ("Mistral", "Mixtral", "Ministral"), "[TOOL_CALLS]"),
    ToolFormat("llama3_json", ('{"name": function name, "parameters": dictionary',), ("Llama",), "<|python_tag|>"),
    # Qwen2.5, Qwen3, Hermes and what is trained from them; after all that have more marks.
    ToolFormat("hermes", ("<tool_call>", "arguments")),
)
"""The first that fits is taken: a format with more marks comes before one that has some of them."""

_READS_TOOLS = re.compile(r"\{[{%][^{}%]*\btools\b")


def has_tools(facts: ModelFacts) -> bool:
    """Return whether the model's template shows it the tools of a request."""
    return _READS_TOOLS.search(facts.chat_template) is not None


def tool_parser(facts: ModelFacts) -> str | None:
    """Return the parser of the model's tool calls; None where its template has no tools or none is known."""
    if not has_tools(facts):
        return None
    return next((one.parser for one in TOOL_FORMATS if one.is_of(facts)), None)


def tool_args(facts: ModelFacts, task: ServedTask) -> tuple[str, ...]:
    """Return the flags with which requests with tools are answered; none where that cannot be."""
    parser = tool_parser(facts) if task is ServedTask.GENERATE else None
    return ("--enable-auto-tool-choice", "--tool-call-parser", parser) if parser else ()


def tools_said(facts: ModelFacts, task: ServedTask) -> str:
    """Return in a few words how tool calls are read, empty for a model that is not shown any tools."""
    if task is not ServedTask.GENERATE or not has_tools(facts):
        return ""
    parser = tool_parser(facts)
    named = "--enable-auto-tool-choice --tool-call-parser NAME in spec.engine.args"
    return (
        f"read by vLLM's parser {parser}"
        if parser
        else f"no parser is known for this chat template; if yours is: {named}"
    )
