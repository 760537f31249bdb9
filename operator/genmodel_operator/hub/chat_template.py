"""Which chat template of a repository a request with tools is written by, and the tokens that it may stand on."""

from collections.abc import Mapping
from typing import Any

TOKENIZER_CONFIG = "tokenizer_config.json"
CHAT_TEMPLATE = "chat_template.jinja"
"""Where it is there, the engine reads it and not the tokenizer's settings."""

LIMIT_CHARACTERS = 1 << 18
"""The longest templates that are published have some twenty thousand; facts are kept in memory."""
LIMIT_TOKENS = 4096


def tool_template(documents: Mapping[str, Any]) -> str:
    """Return the template of requests with tools, empty where there is none or it is beyond all measure.

    ``documents`` are the repository's parsed files by path. Of several named templates it is ``tool_use``, else
    ``default``, as the engine chooses.
    """
    found = documents.get(CHAT_TEMPLATE) or documents.get(TOKENIZER_CONFIG, {}).get("chat_template")
    if isinstance(found, list):
        named = {one.get("name"): one.get("template") for one in found if isinstance(one, Mapping)}
        found = named.get("tool_use") or named.get("default")
    return found if isinstance(found, str) and len(found) <= LIMIT_CHARACTERS else ""


def added_tokens(documents: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tokens that the tokenizer's settings add to its vocabulary, in their order."""
    listed = documents.get(TOKENIZER_CONFIG, {}).get("added_tokens_decoder")
    entries = list(listed.values())[:LIMIT_TOKENS] if isinstance(listed, Mapping) else []
    contents = [entry.get("content") for entry in entries if isinstance(entry, Mapping)]
    return tuple(content for content in contents if isinstance(content, str))
