"""What the engine's parsers read from what models write; runs in the Python that holds vLLM.

``python tool_calls.py TOKENIZER`` reads a JSON list of ``[parser, tokens, text]`` from standard input and writes a
JSON list: the text of an answer without a call, as it comes back, and the calls that are read from the text.
"""

import json
import sys
from typing import Any

from transformers import AutoTokenizer
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.parser_manager import ParserManager

PLAIN = "The fox is here. It eats grapes."
PROPERTIES = {"word": {"type": "string"}}
TOOL = {"name": "look_up", "parameters": {"type": "object", "properties": PROPERTIES, "required": ["word"]}}


def request(**more: object) -> ChatCompletionRequest:
    asked: dict[str, object] = {"model": "tiny", "messages": [{"role": "user", "content": "?"}], **more}
    return ChatCompletionRequest.model_validate(asked)


def parsed(parser: str, tokens: list[str], text: str) -> tuple[str, list[tuple[str, object]]]:
    # A tokenizer of its own: the tokens of one format are words to the others.
    tokenizer: Any = AutoTokenizer.from_pretrained(sys.argv[1])
    tokenizer.add_special_tokens({"additional_special_tokens": tokens})
    kind: Any = ParserManager.get_parser(
        tool_parser_name=parser, reasoning_parser_name=None, enable_auto_tools=True, tokenizer=tokenizer
    )

    def answer(text: str, asked: ChatCompletionRequest) -> tuple[str, list[Any]]:
        ids = tokenizer.encode(text, add_special_tokens=False)
        made = kind(tokenizer, asked.tools)
        _, content, calls = made.parse(text, asked, enable_auto_tools=True, model_output_token_ids=ids)
        return content or "", calls or []

    plain, _ = answer(PLAIN, request())
    _, calls = answer(text, request(tools=[{"type": "function", "function": TOOL}]))
    return plain, [(call.name, json.loads(call.arguments)) for call in calls]


print(json.dumps([parsed(*one) for one in json.load(sys.stdin)]))
