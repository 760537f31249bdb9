"""How the engine reads tool calls out of what a model writes: by the format that its chat template teaches.

A template without tools never shows them to the model, and a format that is not in the table is not guessed:
the engine then refuses requests with tools in words that name its flags, which ``spec.engine.args`` may set.
"""

import re

from genmodel_operator.engines.formats import WrittenFormat, parser_of
from genmodel_operator.hub.facts import ModelFacts, ServedTask

TOOL_FORMATS = (
    WrittenFormat("openai", (), ("GptOss",)),
    WrittenFormat("qwen3_coder", ("<tool_call>", "<function=", "<parameter=")),
    WrittenFormat("glm47", ("<tool_call>", "<arg_key>"), ("Glm4",)),
    WrittenFormat("minimax_m2", ("<minimax:tool_call>",)),
    WrittenFormat("seed_oss", ("<seed:tool_call>",)),
    WrittenFormat("kimi_k2", ("<|tool_calls_section_begin|>",)),
    WrittenFormat("functiongemma", ("<start_function_call>",)),
    WrittenFormat("lfm2", ("<|tool_list_start|>",), ("Lfm2",), "<|tool_call_start|>"),
    WrittenFormat("olmo3", ("<function_calls>",), ("Olmo3",)),
    WrittenFormat("hunyuan_a13b", ("<tool_calls>",), ("HunYuan",)),
    WrittenFormat("jamba", ("<tool_calls>",), ("Jamba",), "<tool_calls>"),
    WrittenFormat("granite4", ("<tool_call>", "arguments"), ("GraniteMoeHybrid",)),
    WrittenFormat("granite", ("tool_call",), ("Granite",)),
    WrittenFormat("mistral", ("[TOOL_CALLS]",), ("Mistral", "Mixtral", "Ministral"), "[TOOL_CALLS]"),
    WrittenFormat("llama3_json", ('{"name": function name, "parameters": dictionary',), ("Llama",), "<|python_tag|>"),
    # Qwen2.5, Qwen3, Hermes and what is trained from them; after all that have more marks.
    WrittenFormat("hermes", ("<tool_call>", "arguments")),
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
    return parser_of(TOOL_FORMATS, facts)


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
