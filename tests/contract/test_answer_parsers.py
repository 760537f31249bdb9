"""The parsers that are named for a model, in the real vLLM: each reads its format and leaves text alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from examples.demo.models import chat_model
from genmodel_operator.engines.reasoning import REASONING_FORMATS
from genmodel_operator.engines.tool_calls import TOOL_FORMATS
from tests.oracle import told_by

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

CALL = '{"name": "look_up", "arguments": {"word": "fox"}}'
XML = "<tool_call>\n<function=look_up>\n<parameter=word>\nfox\n</parameter>\n</function>\n</tool_call>"
INVOKE = '<invoke name="look_up">\n<parameter name="word">fox</parameter>\n</invoke>'
KIMI = "<|tool_call_begin|>functions.look_up:0<|tool_call_argument_begin|>"
WRITTEN: dict[str, str] = {
    "qwen3_coder": XML,
    "glm47": "<tool_call>look_up\n<arg_key>word</arg_key>\n<arg_value>fox</arg_value>\n</tool_call>",
    "minimax_m2": f"<minimax:tool_call>\n{INVOKE}\n</minimax:tool_call>",
    "seed_oss": XML.replace("tool_call>", "seed:tool_call>"),
    "kimi_k2": f'<|tool_calls_section_begin|>{KIMI}{{"word": "fox"}}<|tool_call_end|><|tool_calls_section_end|>',
    "functiongemma": "<start_function_call>call:look_up{word:<escape>fox<escape>}<end_function_call>",
    "lfm2": '<|tool_call_start|>[look_up(word="fox")]<|tool_call_end|>',
    "olmo3": '<function_calls>look_up(word="fox")</function_calls>',
    "hunyuan_a13b": f"<tool_calls>[{CALL}]</tool_calls>",
    "jamba": f"<tool_calls>[{CALL}]</tool_calls>",
    "granite4": f"<tool_call>\n{CALL}\n</tool_call>",
    "granite": f"<|tool_call|>[{CALL}]",
    "mistral": f"[TOOL_CALLS][{CALL}]",
    "llama3_json": '{"name": "look_up", "parameters": {"word": "fox"}}',
    "hermes": f"<tool_call>\n{CALL}\n</tool_call>",
}
"""What a model writes that calls one tool; that of gpt-oss is read without a parser, by its own format."""
TOKENS = {
    "kimi_k2": [
        "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>",
        "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>",
    ],
    "lfm2": ["<|tool_call_start|>", "<|tool_call_end|>"],
    "jamba": ["<tool_calls>", "</tool_calls>"],
    "mistral": ["[TOOL_CALLS]"],
    "llama3_json": ["<|python_tag|>"],
}  # fmt: skip
"""What such a model's tokenizer has as one token."""


PLAIN = "The fox is here. It eats grapes."
CALLS = [["look_up", {"word": "fox"}]]
TAGS: dict[str, tuple[str, str]] = {
    "seed_oss": ("<seed:think>", "</seed:think>"),
    "granite": ("Here is my thought process:", "Here is my response:"),
}
"""What stands around thoughts where it is not ``<think>``."""
WITHOUT_TOKENS = ("granite",)
THINKERS = sorted({one.parser for one in REASONING_FORMATS})
ASKED_TO_THINK: dict[str, dict[str, bool]] = {"deepseek_v3": {"thinking": True}}
SWITCHES = {"enable_thinking": False}
SWITCHED_OFF = ("deepseek_v3", "glm45", "granite", "nemotron_v3", "qwen3", "seed_oss")
"""Those that hear of it where a request turns thoughts off, or look for their beginning."""
PAIRS = [("hermes", "qwen3"), ("qwen3_coder", "qwen3"), ("glm47", "glm45"), ("minimax_m2", "minimax_m2"),
         ("seed_oss", "seed_oss"), ("hermes", "deepseek_r1")]  # fmt: skip
"""Formats of tool calls and of thoughts that models have both."""


def tags(reasoning: str) -> tuple[str, str]:
    return TAGS.get(reasoning, ("<think>", "</think>"))


def row(tool: str | None, reasoning: str | None, text: str, switches: dict[str, bool] | None = None) -> dict[str, Any]:
    """Return one text and who reads it, with the tokens that such a model's tokenizer has."""
    tokens = TOKENS.get(tool or "", []) + (
        list(tags(reasoning)) if reasoning and reasoning not in WITHOUT_TOKENS else []
    )
    # The text of OLMo 3 has no such tokens; its parser finds these words in every vocabulary of its kind.
    tokens = ["\u0120</", "</", "think", ">"] if reasoning == "olmo3" else tokens
    return {"tool": tool, "reasoning": reasoning, "tokens": tokens, "text": text, "switches": switches or {}}


def thought(reasoning: str, answer: str) -> str:
    begin, end = tags(reasoning)
    return f"{begin}I think of foxes.{end}{answer}"


ROWS = {
    **{f"tool {name}": row(name, None, text) for name, text in WRITTEN.items()},
    **{f"tool {name}, none called": row(name, None, PLAIN) for name in WRITTEN},
    **{f"thoughts {name}": row(None, name, thought(name, PLAIN), ASKED_TO_THINK.get(name)) for name in THINKERS},
    **{f"thoughts {name}, off": row(None, name, PLAIN, SWITCHES) for name in SWITCHED_OFF},
    **{f"{tool} after {name}": row(tool, name, thought(name, WRITTEN[tool])) for tool, name in PAIRS},
}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, site_packages: Path) -> dict[str, Sequence[Any]]:
    """Return what the engine's parsers read from each row: thoughts, text and calls."""
    folder = tmp_path_factory.mktemp("parsers")
    assert site_packages
    told = told_by("parsers.py", chat_model(), asked=list(ROWS.values()), home=folder)
    return dict(zip(ROWS, told, strict=True))


def test_every_parser_reads_its_tool_calls_and_leaves_text_alone(read: dict[str, Sequence[Any]]) -> None:
    assert {name: read[f"tool {name}"][2] for name in WRITTEN} == dict.fromkeys(WRITTEN, CALLS)
    assert {name: read[f"tool {name}, none called"] for name in WRITTEN} == {key: ["", PLAIN, []] for key in WRITTEN}


def test_every_parser_tells_thoughts_from_the_answer(read: dict[str, Sequence[Any]]) -> None:
    want = ["I think of foxes.", PLAIN, []]
    assert {name: read[f"thoughts {name}"] for name in THINKERS} == dict.fromkeys(THINKERS, want)


def test_an_answer_without_thoughts_is_whole_where_a_request_turns_them_off(read: dict[str, Sequence[Any]]) -> None:
    found = {name: read[f"thoughts {name}, off"] for name in SWITCHED_OFF}
    assert found == {key: ["", PLAIN, []] for key in SWITCHED_OFF}


@pytest.mark.parametrize(("tool", "reasoning"), PAIRS)
def test_a_tool_is_called_after_thoughts(read: dict[str, Sequence[Any]], tool: str, reasoning: str) -> None:
    thoughts, text, calls = read[f"{tool} after {reasoning}"]
    assert (thoughts, text.strip(), calls) == ("I think of foxes.", "", CALLS)


def test_every_format_of_the_table_is_tried() -> None:
    assert {one.parser for one in TOOL_FORMATS} == {*WRITTEN, "openai"}
    for one in TOOL_FORMATS:
        assert not one.token or one.token in TOKENS[one.parser]
