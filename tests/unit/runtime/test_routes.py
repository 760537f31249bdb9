import pytest

from genmodel_runtime.contract import TASKS
from genmodel_runtime.routes import Audience, audience

PATHS = {
    "Generate": [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/messages/count_tokens",
    ],
    "Embed": ["/v1/embeddings", "/v2/embed"],
    "Score": ["/score", "/v1/score", "/rerank", "/v1/rerank", "/v2/rerank"],
}
METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "post", "POSTT", ""]


@pytest.mark.parametrize(("task", "path"), [(task, path) for task, paths in PATHS.items() for path in paths])
def test_a_route_is_there_for_its_task_and_by_its_method_only(task: str, path: str) -> None:
    for other in TASKS:
        want = Audience.CLIENTS if other == task else Audience.NOBODY
        assert audience(other, "POST", path.encode()) is want
    assert {audience(task, method, path.encode()) for method in METHODS} == {Audience.NOBODY}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("method", "path", "want"),
    [
        ("GET", "/health", Audience.ANYONE),
        ("GET", "/v1/models", Audience.CLIENTS),
        ("GET", "/metrics", Audience.RUNTIME),
        ("GET", "/version", Audience.RUNTIME),
        ("POST", "/health", Audience.NOBODY),
        ("HEAD", "/v1/models", Audience.NOBODY),
        ("POST", "/metrics", Audience.NOBODY),
    ],
)
def test_what_every_task_has(task: str, method: str, path: str, want: Audience) -> None:
    assert audience(task, method, path.encode()) is want


@pytest.mark.parametrize(
    ("method", "path", "want"),
    [
        ("GET", "/v1/responses/resp_0a-Z", Audience.CLIENTS),
        ("POST", "/v1/responses/resp_1/cancel", Audience.CLIENTS),
        ("POST", "/v1/responses/resp_1", Audience.NOBODY),
        ("GET", "/v1/responses/resp_1/cancel", Audience.NOBODY),
        ("DELETE", "/v1/responses/resp_1", Audience.NOBODY),
        ("GET", "/v1/responses/", Audience.NOBODY),
        ("GET", "/v1/responses/../models", Audience.NOBODY),
        ("GET", "/v1/responses/a/b", Audience.NOBODY),
        ("GET", "/v1/responses/" + "a" * 129, Audience.NOBODY),
        ("GET", "/v1/responses/a\n", Audience.NOBODY),
    ],
)
def test_stored_responses(method: str, path: str, want: Audience) -> None:
    assert audience("Generate", method, path.encode()) is want
    assert audience("Embed", method, path.encode()) is Audience.NOBODY


SPELLINGS = [
    "//v1/completions",
    "/v1//completions",
    "/v1/completions/",
    "/v1/completions//",
    "/v1/./completions",
    "/v1/x/../completions",
    "/v1/%63ompletions",
    "/v1%2fcompletions",
    "/v1%2Fcompletions",
    "/v1/completions%00",
    "/v1/completions%20",
    "/v1/completions;x",
    "/v1/completions#x",
    "/v1/completions?x",
    "/V1/completions",
    "/v1/Completions",
    "v1/completions",
    "/v1\\completions",
    "http://h/v1/completions",
    "/v1/completions/render",
    "/v1/chat/completions/batch",
    "*",
    "",
    "/",
]


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("task", TASKS)
def test_no_other_spelling_of_a_route_is_one(task: str, path: str) -> None:
    assert {audience(task, method, path.encode()) for method in ("GET", "POST")} == {Audience.NOBODY}


def test_bytes_that_are_no_text_are_no_route() -> None:
    assert audience("Generate", "POST", b"/v1/completions\xff\xfe") is Audience.NOBODY
