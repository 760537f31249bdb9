"""The parsers that are named for tool calls, in the real vLLM: each reads its format and leaves text alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from examples.demo.models import chat_model
from genmodel_operator.engines.tool_calls import TOOL_FORMATS
from tests.cluster.images.site_packages import site_packages_env

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

READER = Path(__file__).parent.parent / "oracles" / "tool_calls.py"
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


def test_every_parser_reads_its_format_and_leaves_text_alone(tmp_path: Path, site_packages: Path) -> None:
    assert site_packages
    asked = [[parser, TOKENS.get(parser, []), text] for parser, text in WRITTEN.items()]
    done = subprocess.run(
        [sys.executable, READER, chat_model()],
        input=json.dumps(asked),
        env=dict(site_packages_env(tmp_path)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = dict(zip(WRITTEN, json.loads(done.stdout.splitlines()[-1]), strict=True))
    want = ["The fox is here. It eats grapes.", [["look_up", {"word": "fox"}]]]
    assert found == dict.fromkeys(WRITTEN, want)


def test_every_format_of_the_table_is_tried() -> None:
    assert {one.parser for one in TOOL_FORMATS} == {*WRITTEN, "openai"}
    for one in TOOL_FORMATS:
        assert not one.token or one.token in TOKENS[one.parser]
