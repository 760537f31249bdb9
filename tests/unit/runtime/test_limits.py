import pytest

from genmodel_runtime.limits import Limits, OverLimit, check_request, read_limits

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
LIMITS = Limits(body_bytes=1000, choices=4, inputs=3, media_hosts=("images.example",))


def test_what_is_absent_has_its_default() -> None:
    assert read_limits("") == read_limits("{}") == Limits()
    assert (Limits().body_bytes, Limits().choices, Limits().inputs, Limits().media_hosts) == (33554432, 16, 2048, ())


def test_every_limit_is_read() -> None:
    text = '{"bodyBytes": 1000, "choices": 4, "inputs": 3, "mediaHosts": ["Images.Example"]}'
    assert read_limits(text) == LIMITS


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("[]", "not a JSON object"),
        ("{", "Expecting"),
        ('{"bodybytes": 1}', "'bodybytes' is no limit"),
        ('{"choices": 0}', "choices is not a whole number of at least 1"),
        ('{"choices": true}', "choices is not a whole number"),
        ('{"inputs": "3"}', "inputs is not a whole number"),
        ('{"mediaHosts": "a"}', "mediaHosts is not a list"),
        ('{"mediaHosts": [""]}', "mediaHosts is not a list"),
    ],
)
def test_limits_that_are_none(text: str, want: str) -> None:
    with pytest.raises(ValueError, match=want):
        read_limits(text)


def refused(document: object, path: str = CHAT) -> tuple[str, str] | None:
    try:
        check_request(document, path=path, limits=LIMITS)
    except OverLimit as error:
        return error.field, str(error)
    return None


@pytest.mark.parametrize("field", ["n", "best_of"])
@pytest.mark.parametrize("value", [5, "5", "5.0", 5.0, 10**400, "1e9", " 5 ", "0_5"])
def test_too_many_answers_however_they_are_written(field: str, value: object) -> None:
    assert refused({field: value}) == (field, f"{field} is above the limit of 4 answers to one prompt")


@pytest.mark.parametrize("value", [4, 1, 0, -1, None, "four", [], {}, True])
def test_few_answers_and_what_is_no_number_pass(value: object) -> None:
    assert refused({"n": value}) is None


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (COMPLETIONS, "prompt"),
        ("/v1/embeddings", "input"),
        ("/v2/embed", "texts"),
        ("/rerank", "documents"),
        ("/v1/rerank", "documents"),
        ("/v2/rerank", "documents"),
        ("/score", "text_1"),
        ("/v1/score", "documents"),
    ],
)
def test_too_many_inputs(path: str, field: str) -> None:
    assert refused({field: ["a"] * 4}, path) == (field, f"{field} has 4 entries, above the limit of 3")
    assert refused({field: [[1], [2], [3], [4]]}, path) is not None
    assert refused({field: ["a"] * 3}, path) is None
    assert refused({field: "aaaa"}, path) is None
    assert refused({field: [1, 2, 3, 4]}, path) is None


def test_a_conversation_may_be_longer_than_the_inputs() -> None:
    messages = [{"role": "user", "content": "a"}] * 5
    assert refused({"messages": messages}) is None
    assert refused({"input": messages}, "/v1/responses") is None


def chat(part: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "what is this?"}, part]}]}


MEDIA = [
    pytest.param(lambda url: chat({"type": "image_url", "image_url": {"url": url}}), "image_url", id="image"),
    pytest.param(lambda url: chat({"image_url": url}), "image_url", id="image without a type"),
    pytest.param(lambda url: chat({"type": "audio_url", "audio_url": {"url": url}}), "audio_url", id="audio"),
    pytest.param(lambda url: chat({"type": "video_url", "video_url": {"url": url}}), "video_url", id="video"),
    pytest.param(
        lambda url: {"input": [{"content": [{"type": "input_image", "image_url": url}]}]}, "image_url", id="responses"
    ),
    pytest.param(
        lambda url: chat({"type": "image", "source": {"type": "url", "url": url}}), "source.url", id="messages"
    ),
    pytest.param(
        lambda url: chat({"type": "tool_result", "content": [{"type": "image", "source": {"url": url}}]}),
        "source.url",
        id="a tool's result",
    ),
    pytest.param(lambda url: {"text_1": {"content": [{"image_url": {"url": url}}]}}, "image_url", id="score"),
    pytest.param(lambda url: {"tools": [{"type": "mcp", "server_url": url}]}, "server_url", id="a tool's server"),
]


@pytest.mark.parametrize(("request_with", "want_field"), MEDIA)
@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("http://10.0.0.1/latest/meta-data", "nothing is fetched from 10.0.0.1"),
        ("https://example.com/a.png", "nothing is fetched from example.com"),
        ("HTTPS://Example.com/a.png", "nothing is fetched from example.com"),
        (" http://example.com/a.png", "nothing is fetched from example.com"),
        ("http://images.example@evil.example/", "nothing is fetched from evil.example"),
        ("http://evil.example\\@images.example/", "nothing is fetched from"),
        ("http://images.example.evil/", "nothing is fetched from images.example.evil"),
        ("file:///etc/passwd", "addresses that begin with file: are not read"),
        ("FILE:///etc/passwd", "addresses that begin with file: are not read"),
        ("ftp://images.example/a", "addresses that begin with ftp: are not read"),
        ("/etc/passwd", "addresses that begin with no scheme: are not read"),
        ("http://[", "this address cannot be read"),
    ],
)
def test_media_that_would_be_fetched(request_with: object, want_field: str, url: str, want: str) -> None:
    assert callable(request_with)
    found = refused(request_with(url))
    assert found is not None
    assert found[0] == want_field
    assert want in found[1]


@pytest.mark.parametrize(("request_with", "want_field"), MEDIA)
@pytest.mark.parametrize(
    "url", ["data:image/png;base64,AAAA", "https://images.example/a.png", "http://IMAGES.example:80/"]
)
def test_media_that_may_be_used(request_with: object, want_field: str, url: str) -> None:
    assert callable(request_with)
    assert want_field
    assert refused(request_with(url)) is None


@pytest.mark.parametrize(
    "document",
    [
        {"messages": [{"role": "user", "content": "see http://example.com and file:///etc/passwd"}]},
        {"tools": [{"function": {"parameters": {"properties": {"image_url": {"url": "http://example.com"}}}}}]},
        {"metadata": {"image_url": "http://example.com"}},
        {"messages": [{"content": [{"type": "output_text", "annotations": [{"url": "https://example.com"}]}]}]},
        {"messages": [{"content": [{"type": "image_url", "image_url": 5}]}], "tools": 3},
        {"messages": None, "tools": [None, {"server_url": None}]},
    ],
)
def test_addresses_that_nobody_fetches(document: object) -> None:
    assert refused(document) is None


@pytest.mark.parametrize("document", [[], "n", 5, None, [{"n": 1000}]])
def test_what_is_no_object_is_for_the_engine_to_refuse(document: object) -> None:
    assert refused(document) is None
