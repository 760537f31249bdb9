import io
import json
import logging
from collections.abc import Iterator

import pytest

from genmodel_operator.observability.logging import REDACTED, configure_logging, redact


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Put logging back as pytest had it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in ("kopf", "aiohttp.access", "asyncio", "huggingface_hub")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


def logged(log_format: str = "json", level: str = "INFO") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level=level, log_format=log_format, stream=stream)
    return stream


def test_a_line_is_one_json_object_with_the_call_s_fields() -> None:
    stream = logged()
    logging.getLogger("genmodel_operator.x").info("condition %s", "changed", extra={"model": "team-a/m", "count": 2})
    said = json.loads(stream.getvalue())
    assert said.pop("ts").endswith("Z")
    assert said == {
        "level": "INFO",
        "logger": "genmodel_operator.x",
        "msg": "condition changed",
        "model": "team-a/m",
        "count": 2,
    }


def test_an_exception_stays_on_its_line() -> None:
    stream = logged()
    logging.getLogger("x").error("failed", exc_info=ValueError("broken\nin two lines"))
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: broken\nin two lines" in json.loads(stream.getvalue())["exception"]


def test_text_is_for_people() -> None:
    stream = logged("text")
    logging.getLogger("x").warning("no node fits", extra={"model": "team-a/m"})
    assert stream.getvalue().endswith("WARNING x: no node fits model=team-a/m\n")


def test_an_exception_in_text_follows_its_line() -> None:
    stream = logged("text")
    logging.getLogger("x").error("failed", exc_info=ValueError("broken"))
    assert stream.getvalue().splitlines()[-1] == "ValueError: broken"


@pytest.mark.parametrize(
    ("level", "name", "method", "want"),
    [
        pytest.param("INFO", "kopf.objects", "info", False, id="kopf's chatter is dropped"),
        pytest.param("DEBUG", "kopf.objects", "info", False, id="even when debugging"),
        pytest.param("INFO", "kopf.objects", "warning", True, id="kopf's warnings stay"),
        pytest.param("ERROR", "kopf.objects", "warning", False, id="unless less is wanted"),
        pytest.param("DEBUG", "genmodel_operator", "debug", True, id="ours as wanted"),
        pytest.param("INFO", "genmodel_operator", "debug", False, id="ours not more than wanted"),
    ],
)
def test_levels(level: str, name: str, method: str, want: bool) -> None:
    stream = logged(level=level)
    getattr(logging.getLogger(name), method)("said")
    assert bool(stream.getvalue()) is want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("token hf_abcdefghijKLMN rejected", f"token {REDACTED} rejected", id="a Hub token"),
        pytest.param("Authorization: Bearer eyJhbGciOi.J9-x_y", f"Authorization: Bearer {REDACTED}", id="a bearer"),
        pytest.param("bearer abcdefghijkl", f"bearer {REDACTED}", id="in lower case"),
        pytest.param("http://user:secret@proxy:80/x", f"http://{REDACTED}@proxy:80/x", id="credentials in a URL"),
        pytest.param("model hf-internal/tiny at https://h:80/x", "model hf-internal/tiny at https://h:80/x", id="none"),
        pytest.param("the bearer of news", "the bearer of news", id="only words"),
    ],
)
def test_secrets_never_reach_a_log(text: str, want: str) -> None:
    assert redact(text) == want
    for log_format in ("json", "text"):
        stream = logged(log_format)
        logging.getLogger("x").error("%s", text, extra={"detail": text})
        assert "secret@" not in stream.getvalue()
        assert "hf_abcdefghijKLMN" not in stream.getvalue()
        assert want in stream.getvalue()


def test_a_secret_in_a_traceback_is_redacted_too() -> None:
    stream = logged()
    logging.getLogger("x").error("failed", exc_info=ValueError("hf_abcdefghijKLMN"))
    assert "hf_abc" not in stream.getvalue()


def test_objects_given_as_extra_are_left_out() -> None:
    stream = logged()
    logging.getLogger("x").warning("said", extra={"settings": object(), "k8s_ref": {"uid": "1"}})
    assert set(json.loads(stream.getvalue())) == {"ts", "level", "logger", "msg"}
