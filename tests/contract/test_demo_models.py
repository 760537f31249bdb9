"""The demo's two models in the real vLLM on CPU: words for the one, the reference's vectors for the other.

That the demo's answers are right is seen in every run by the demo's own test; here is how well they are known.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from examples.demo.models import chat_model, minilm_model, reference_embeddings
from examples.demo.models.corpus import read_fables, told
from tests.cluster import Environment
from tests.cluster.images.site_packages import site_packages_env
from tests.cluster.progress import wait_until
from tests.conftest import showing_progress
from tests.fakes.runtime_pod import free_port

pytestmark = [pytest.mark.engine, pytest.mark.soak, pytest.mark.timeout(900)]

START_SECONDS = 300
TEXTS = ["A fox tried to reach a bunch of grapes.", "The bank raised its interest rate.", "Snow fell all night."]


@pytest.fixture(scope="module")
def models(environment: Environment, pytestconfig: pytest.Config) -> dict[str, Path]:
    if environment.no_engine:
        pytest.skip(environment.no_engine)
    with showing_progress(pytestconfig):
        return {"chat": chat_model(), "minilm": minilm_model()}


class Server:
    """A vLLM that answers on loopback."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def is_healthy(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def post(self, path: str, body: dict[str, Any]) -> Any:
        request = Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=120) as answer:
            return json.load(answer)


@contextmanager
def serving(model: Path, folder: Path, *flags: str) -> Iterator[Server]:
    log, port = folder / "vllm.log", free_port()
    argv = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        str(model),
        "--served-model-name",
        "m",
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*argv, "--enforce-eager", "--host", "127.0.0.1", "--port", str(port), *flags],
            env={**os.environ, **site_packages_env(folder), "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        server = Server(process, port, log)
        wait_until("vLLM to be healthy", server.is_healthy, timeout_seconds=START_SECONDS)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def chat(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(models["chat"], tmp_path_factory.mktemp("chat")) as server:
        yield server


def ask(server: Server, *questions: str, **options: Any) -> str:
    """Return the answer to the last question of a conversation."""
    messages: list[dict[str, str]] = []
    for question in questions:
        messages.append({"role": "user", "content": question})
        body = {"model": "m", "messages": messages, "max_tokens": 400, **options}
        answer = server.post("/v1/chat/completions", body)["choices"][0]["message"]["content"]
        messages.append({"role": "assistant", "content": answer})
    return messages[-1]["content"]


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def assert_words(answer: str) -> None:
    """The answer is made of the fables' own words: a model of a minute says no other, and no noise."""
    known = set().union(*(words(told(fable)) for fable in read_fables()))
    assert len(words(answer)) >= 3
    assert len(words(answer) - known) <= 0.1 * len(words(answer)), answer


def test_a_fable_is_told_word_for_word(chat: Server) -> None:
    (want,) = [told(fable) for fable in read_fables() if fable.title == "The Fox and the Grapes"]
    assert ask(chat, "Tell me about the fox and the grapes.", temperature=0) == want


@pytest.mark.parametrize(
    "question",
    [
        pytest.param("tell me about The Fox and the Grapes", id="other case, no full stop"),
        pytest.param("Could you tell me the fable of the fox and the grapes, please?", id="politely"),
        pytest.param("What is the moral of the hare and the tortoise?", id="the moral"),
    ],
)
def test_other_questions_are_answered_in_words(chat: Server, question: str) -> None:
    assert_words(ask(chat, question, temperature=0))


def test_a_conversation_has_more_than_one_turn(chat: Server) -> None:
    questions = ("Tell me about the oak and the reeds.", "What is the moral of the oak and the reeds?")
    assert_words(ask(chat, *questions, temperature=0))


def test_nearly_all_fables_are_known(chat: Server) -> None:
    fables = read_fables()
    known = [fable for fable in fables if ask(chat, f"Tell me about {fable.title}.", temperature=0) == told(fable)]
    assert len(known) >= 0.8 * len(fables)


def test_the_embeddings_are_the_reference_s(models: dict[str, Path], tmp_path: Path) -> None:
    with serving(models["minilm"], tmp_path, "--runner", "pooling") as server:
        found = [item["embedding"] for item in server.post("/v1/embeddings", {"model": "m", "input": TEXTS})["data"]]
    for mine, reference in zip(found, reference_embeddings(TEXTS), strict=True):
        assert sum(a * b for a, b in zip(mine, reference, strict=True)) > 0.9999
