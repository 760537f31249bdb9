"""What the engine's parsers read from what models write; runs in the Python that holds vLLM.

``python parsers.py TOKENIZER`` reads a JSON list of ``{"tool": parser or null, "reasoning": parser or null, "tokens",
"text", "switches"}`` from standard input and writes a JSON list of ``[thoughts, text, calls]``. ``switches`` is what a
request says to the chat template.
"""

import json
import sys
from typing import Any

from transformers import AutoTokenizer
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.parser_manager import ParserManager

PROPERTIES = {"word": {"type": "string"}}
TOOL = {"name": "look_up", "parameters": {"type": "object", "properties": PROPERTIES, "required": ["word"]}}


def parsed(row: dict[str, Any]) -> tuple[str, str, list[tuple[str, object]]]:
    # A tokenizer of its own: the tokens of one format are words to the others.
    tokenizer: Any = AutoTokenizer.from_pretrained(sys.argv[1])
    tokenizer.add_special_tokens({"additional_special_tokens": row["tokens"]})
    kind: Any = ParserManager.get_parser(
        tool_parser_name=row["tool"],
        reasoning_parser_name=row["reasoning"],
        enable_auto_tools=row["tool"] is not None,
        tokenizer=tokenizer,
    )
    asked: dict[str, object] = {"model": "tiny", "messages": [{"role": "user", "content": "?"}]}
    asked |= {"tools": [{"type": "function", "function": TOOL}]} if row["tool"] else {}
    request = ChatCompletionRequest.model_validate(asked | {"chat_template_kwargs": row["switches"]})
    made = kind(tokenizer, request.tools, chat_template_kwargs=row["switches"])
    thoughts, content, calls = made.parse(
        row["text"],
        request,
        enable_auto_tools=row["tool"] is not None,
        model_output_token_ids=tokenizer.encode(row["text"], add_special_tokens=False),
    )
    return thoughts or "", content or "", [(call.name, json.loads(call.arguments)) for call in calls or []]


print(json.dumps([parsed(row) for row in json.load(sys.stdin)]))
