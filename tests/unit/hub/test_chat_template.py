"""Which chat template requests with tools are written by."""

from typing import Any

import pytest

from genmodel_operator.hub.chat_template import LIMIT_CHARACTERS, LIMIT_TOKENS, added_tokens, tool_template
from genmodel_operator.hub.parse import read_document

FILE, SETTINGS = "chat_template.jinja", "tokenizer_config.json"
NAMED = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "with tools"}]


@pytest.mark.parametrize(
    ("documents", "want"),
    [
        pytest.param({}, "", id="no files"),
        pytest.param({SETTINGS: {}}, "", id="none in the settings"),
        pytest.param({SETTINGS: {"chat_template": "a"}}, "a", id="in the settings"),
        pytest.param({FILE: "b", SETTINGS: {"chat_template": "a"}}, "b", id="a file before the settings"),
        pytest.param({SETTINGS: {"chat_template": NAMED}}, "with tools", id="that for tools of several"),
        pytest.param({SETTINGS: {"chat_template": NAMED[:1]}}, "plain", id="the default of several"),
        pytest.param({SETTINGS: {"chat_template": [3, {"name": "rag", "template": "r"}]}}, "", id="neither of several"),
        pytest.param({SETTINGS: {"chat_template": 3}}, "", id="nonsense"),
        pytest.param({FILE: "c" * LIMIT_CHARACTERS}, "c" * LIMIT_CHARACTERS, id="as long as may be"),
        pytest.param({FILE: "c" * (LIMIT_CHARACTERS + 1)}, "", id="too long"),
    ],
)
def test_the_template_for_tools(documents: dict[str, Any], want: str) -> None:
    assert tool_template(documents) == want


@pytest.mark.parametrize(
    ("listed", "want"),
    [
        pytest.param({"1": {"content": "<s>"}, "2": {"content": "[TOOL_CALLS]"}}, ("<s>", "[TOOL_CALLS]"), id="two"),
        pytest.param({"1": {"content": 3}, "2": "x", "3": {}}, (), id="nonsense in it"),
        pytest.param(["<s>"], (), id="nonsense"),
        pytest.param(None, (), id="none"),
    ],
)
def test_the_tokens_of_the_settings(listed: object, want: tuple[str, ...]) -> None:
    assert added_tokens({SETTINGS: {"added_tokens_decoder": listed}}) == want


def test_tokens_are_bounded() -> None:
    many = {str(index): {"content": f"<{index}>"} for index in range(LIMIT_TOKENS + 9)}
    assert len(added_tokens({SETTINGS: {"added_tokens_decoder": many}})) == LIMIT_TOKENS
    assert added_tokens({}) == ()


def test_a_template_is_text_and_all_else_json() -> None:
    assert read_document(FILE, b'"caf\xc3\xa9"') == '"café"'
    assert read_document(SETTINGS, b'{"a": 1}') == {"a": 1}
    with pytest.raises(UnicodeDecodeError):
        read_document(FILE, b"\xff")
