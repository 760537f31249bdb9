"""What the engine is for, by the real vLLM and the official client: scores, embeddings and text."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.chat import ChatCompletionMessageFunctionToolCall

from examples.demo.models import chat_model, minilm_model, reference_embeddings
from genmodel_operator.cli.local import local_facts
from genmodel_operator.engines.tool_calls import tool_args
from genmodel_operator.hub.facts import ServedTask
from tests.fakes.hub_reranker import reranker_files
from tests.real_engine import Server, serving
from tests.reference_scores import reference_scores

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

POOLING = ("--enforce-eager", "--runner", "pooling", "--dtype", "float32")
QUERY = "a b c"
DOCUMENTS = ["a b c d", "x y z", "q", "m n o p a b", "c b a"]
WORDS = ["fox", "grapes", "bank", "interest", "snow", "river", "lamp", "music"]
CLIENTS, TEXTS_EACH = 16, 8
TEMPLATE = (
    "{{ '<|begin|>' }}{% if tools %}{{ '<|system|>You may call these: ' }}{% for tool in tools %}"
    "{{ tool['function']['name'] }}{% endfor %}"
    '{{ ", by <tool_call>{name, arguments}</tool_call><|end|>" }}{% endif %}'
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""That of the demo's model, with tools in the form that most models are taught."""


def client(server: Server) -> OpenAI:
    return OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="unused", timeout=180, max_retries=0)


def answered(server: Server, path: str, **document: Any) -> Any:
    with server.asked(path, {"model": "tiny", **document}) as response:
        body = json.loads(response.read())
    assert response.status == 200, body
    return body


def test_a_reranker_scores_as_its_reference_does(tmp_path: Path, site_packages: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name, content in reranker_files().items():
        (model / name).write_bytes(content)
    want = reference_scores(model, [(QUERY, document) for document in DOCUMENTS], tmp_path)
    assert len({round(score, 4) for score in want}) == len(DOCUMENTS), "the test can tell the documents apart"
    environ = {"GENMODEL_TASK": "Score"}
    with serving(tmp_path / "pod", site_packages, *POOLING, model=model, environ=environ) as server:
        server.wait_until_ready()
        for path in ("/score", "/v1/score"):
            found = answered(server, path, queries=QUERY, documents=DOCUMENTS)["data"]
            assert [item["score"] for item in found] == pytest.approx(want, abs=1e-4)
        for path in ("/rerank", "/v1/rerank", "/v2/rerank"):
            ranked = answered(server, path, query=QUERY, documents=DOCUMENTS, top_n=3)["results"]
            order = sorted(range(len(DOCUMENTS)), key=lambda index: -want[index])
            assert [item["index"] for item in ranked] == order[:3]
        with pytest.raises(NotFoundError, match="served for scores"), client(server) as api:
            api.embeddings.create(model="tiny", input="a")


def test_embeddings_under_concurrent_load_equal_the_reference(tmp_path: Path, site_packages: Path) -> None:
    texts = [f"{WORDS[n % 8]} {WORDS[n // 8 % 8]} " * (1 + n % 13) for n in range(CLIENTS * TEXTS_EACH)]
    want = reference_embeddings(texts)
    arguments = (*POOLING, "--convert", "embed", "--max-model-len", "256")
    environ = {"GENMODEL_TASK": "Embed"}
    with serving(tmp_path, site_packages, *arguments, model=minilm_model(), environ=environ) as server:
        server.wait_until_ready()

        def ask(first: int) -> list[list[float]]:
            with client(server) as api:
                answer = api.embeddings.create(model="tiny", input=texts[first : first + TEXTS_EACH])
            assert answer.usage.prompt_tokens > 0
            return [item.embedding for item in answer.data]

        with ThreadPoolExecutor(CLIENTS) as pool:
            parts = list(pool.map(ask, range(0, len(texts), TEXTS_EACH)))
        with pytest.raises(BadRequestError, match="above the limit of 2048"), client(server) as api:
            api.embeddings.create(model="tiny", input=["a"] * 2049)
    found = [vector for part in parts for vector in part]
    assert min(cosine(*pair) for pair in zip(found, want, strict=True)) > 0.9999


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True)) / (math.hypot(*left) * math.hypot(*right))


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory, site_packages: Path) -> Iterator[Server]:
    """A server with the demo's chat model and a template with tools, with the flags that follow from its facts."""
    root = tmp_path_factory.mktemp("chat")
    model = root / "model"
    shutil.copytree(chat_model(), model, copy_function=shutil.copyfile)
    (model / "chat_template.jinja").write_text(TEMPLATE)
    facts, _ = local_facts(str(model))
    flags = tool_args(facts, ServedTask.GENERATE)
    assert flags == ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
    # So small a model would write white space for ever where the schema lets it.
    arguments = (
        *flags,
        "--enforce-eager",
        "--structured-outputs-config",
        '{"backend": "xgrammar", "disable_any_whitespace": true}',
    )
    with serving(root, site_packages, *arguments, model=model) as found:
        found.wait_until_ready()
        yield found


QUESTION: Any = [{"role": "user", "content": "Tell me about the fox and the grapes."}]


def test_a_chat_is_streamed_with_its_usage(chat: Server) -> None:
    with client(chat) as api:
        asked: dict[str, Any] = {"model": "tiny", "messages": QUESTION, "max_tokens": 60, "temperature": 0}
        whole = api.chat.completions.create(**asked)
        chunks = list(api.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "grapes" in said
    assert said == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 60


def test_an_answer_follows_a_json_schema(chat: Server) -> None:
    schema = {
        "type": "object",
        "properties": {"animal": {"enum": ["fox", "hare"]}, "count": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["animal", "count"],
        "additionalProperties": False,
    }
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "fable", "schema": schema, "strict": True}}
    with client(chat) as api:
        answer = api.chat.completions.create(
            model="tiny", messages=QUESTION, response_format=wanted, max_tokens=200, temperature=0
        )
    found = json.loads(answer.choices[0].message.content or "")
    assert found["animal"] in ("fox", "hare")
    assert 0 <= found["count"] <= 9


def test_the_other_apis_of_text(chat: Server) -> None:
    with client(chat) as api:
        answer = api.responses.create(model="tiny", input="Tell me about the fox and the grapes.", max_output_tokens=40)
        assert "rapes" in answer.output_text
    said = answered(chat, "/v1/messages", messages=QUESTION, max_tokens=40)
    assert (said["type"], said["role"]) == ("message", "assistant")
    assert answered(chat, "/v1/messages/count_tokens", messages=QUESTION)["input_tokens"] > 5


PROPERTIES = {"animal": {"enum": ["fox", "hare"]}, "count": {"type": "integer", "minimum": 0, "maximum": 9}}
PARAMETERS = {
    "type": "object",
    "properties": PROPERTIES,
    "required": ["animal", "count"],
    "additionalProperties": False,
}
TOOL: Any = {"type": "function", "function": {"name": "look_up", "parameters": PARAMETERS, "strict": True}}
NAMED: Any = {"type": "function", "function": {"name": "look_up"}}


@pytest.mark.parametrize("choice", [pytest.param("required", id="required"), pytest.param(NAMED, id="by name")])
def test_a_tool_is_called(chat: Server, choice: Any) -> None:
    asked: dict[str, Any] = {"model": "tiny", "messages": QUESTION, "max_tokens": 400, "temperature": 0}
    # The penalty keeps so small a model from white space for ever, where the schema lets it.
    asked |= {"tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": False, "frequency_penalty": 2.0}
    with client(chat) as api:
        answered_with = api.chat.completions.create(**asked).choices[0].message.tool_calls
        deltas = [chunk.choices[0].delta for chunk in api.chat.completions.create(**asked, stream=True)]
    parts = [call.function for delta in deltas for call in delta.tool_calls or () if call.function]
    assert answered_with is not None
    (whole,) = answered_with
    assert isinstance(whole, ChatCompletionMessageFunctionToolCall)
    assert whole.function.name == "look_up" == "".join(part.name or "" for part in parts)
    streamed = json.loads("".join(part.arguments or "" for part in parts))
    for found in (json.loads(whole.function.arguments), streamed):
        assert set(found) == set(PROPERTIES)
        assert found["animal"] in ("fox", "hare")


def test_the_model_may_choose_to_call_no_tool(chat: Server) -> None:
    with client(chat) as api:
        asked: dict[str, Any] = {"model": "tiny", "messages": QUESTION, "max_tokens": 60, "temperature": 0}
        plain = api.chat.completions.create(**asked).choices[0].message
        left = api.chat.completions.create(**asked, tools=[TOOL], tool_choice="none").choices[0].message
        free = api.chat.completions.create(**asked, tools=[TOOL], tool_choice="auto")
    assert plain.tool_calls is None
    assert not left.tool_calls
    assert free.choices[0].finish_reason in ("length", "stop")
    assert free.choices[0].message.content


def test_the_demo_s_models_look_like_repositories(site_packages: Path) -> None:
    assert site_packages
    for folder in (chat_model(), minilm_model()):
        names = {path.name for path in folder.iterdir()}
        assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= names
        assert "license: apache-2.0" in (folder / "README.md").read_text()
        assert all(path.stat().st_mode & 0o444 == 0o444 for path in folder.rglob("*"))
    assert (minilm_model() / "1_Pooling" / "config.json").exists()
