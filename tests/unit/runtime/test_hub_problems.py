"""What an answer of the Hub, or of its storage, means."""

from email.utils import formatdate
from pathlib import Path

import pytest

from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.credentials import read_token
from genmodel_runtime.refusals import FetchFailed, OtherContent, TryAgain, problem

ENDPOINT = "https://hub.example"
NOW = 1_700_000_000.0
R = RuntimeReason


def answer(status: int, *, host: str = "hub.example", **headers: str) -> Exception:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return problem(status, named, what="model.safetensors", endpoint=ENDPOINT, host=host, now=NOW)


@pytest.mark.parametrize(
    ("status", "want_reason"),
    [
        pytest.param(401, R.ACCESS_DENIED, id="unauthorised"),
        pytest.param(403, R.ACCESS_DENIED, id="forbidden"),
        pytest.param(451, R.ACCESS_DENIED, id="for legal reasons"),
        pytest.param(404, R.FILE_NOT_FOUND, id="missing"),
        pytest.param(410, R.FILE_NOT_FOUND, id="gone"),
    ],
)
def test_the_hubs_refusals_are_final(status: int, want_reason: RuntimeReason) -> None:
    error = answer(status, x_error_message="Visit the page\nto ask for access.")

    assert isinstance(error, FetchFailed)
    assert (error.failure.reason, error.failure.exit_code) == (want_reason, ExitCode.NEEDS_A_PERSON)
    assert "model.safetensors" in error.failure.message
    assert ENDPOINT in error.failure.message
    assert error.failure.message.endswith(": Visit the page to ask for access.")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 500, 502, 503, 504])
def test_the_storages_refusals_pass(status: int) -> None:
    error = answer(status, host="cdn.example")

    assert isinstance(error, TryAgain)
    assert error.reason is R.HUB_UNREACHABLE
    assert "cdn.example" in error.message
    assert str(status) in error.message


@pytest.mark.parametrize("status", [400, 408, 418, 500, 503])
def test_the_hubs_troubles_pass(status: int) -> None:
    error = answer(status)

    assert isinstance(error, TryAgain)
    assert error.reason is R.HUB_UNREACHABLE


def test_a_range_beyond_the_end_is_another_file() -> None:
    assert isinstance(answer(416), OtherContent)


@pytest.mark.parametrize(
    ("headers", "want_seconds"),
    [
        pytest.param({}, None, id="it does not say"),
        pytest.param({"retry_after": "30"}, 30, id="seconds"),
        pytest.param({"retry_after": formatdate(NOW + 90, usegmt=True)}, 90, id="a date"),
        pytest.param({"retry_after": formatdate(NOW - 90, usegmt=True)}, 0, id="a date in the past"),
        pytest.param({"retry_after": "soon"}, None, id="no date"),
        pytest.param({"retry_after": "999999"}, 900, id="too long to be meant"),
        pytest.param({"ratelimit": '"resolve";r=0;t=55'}, 55, id="rate limit used up"),
        pytest.param({"ratelimit": '"resolve";r=7;t=55'}, None, id="rate limit with room"),
        pytest.param({"ratelimit": "nonsense"}, None, id="unknown form"),
        pytest.param({"retry_after": "3", "ratelimit": '"api";r=0;t=55'}, 3, id="both"),
    ],
)
@pytest.mark.parametrize(
    ("status", "want_reason"),
    [pytest.param(429, R.HUB_RATE_LIMITED, id="429"), pytest.param(503, R.HUB_UNREACHABLE, id="503")],
)
def test_the_hub_may_ask_for_a_pause(
    status: int, want_reason: RuntimeReason, headers: dict[str, str], want_seconds: float | None
) -> None:
    error = answer(status, **headers)

    assert isinstance(error, TryAgain)
    assert (error.reason, error.after_seconds) == (want_reason, want_seconds)


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param("hf_abc\n", "hf_abc", id="with a newline"),
        pytest.param("", None, id="empty"),
        pytest.param("  \n", None, id="blank"),
    ],
)
def test_the_token(tmp_path: Path, content: str, want: str | None) -> None:
    (tmp_path / "token").write_text(content)

    assert read_token(tmp_path / "token") == want


def test_no_token(tmp_path: Path) -> None:
    assert read_token(None) is None
    assert read_token(tmp_path / "missing") is None
    (tmp_path / "file").touch()
    assert read_token(tmp_path / "file" / "token") is None


@pytest.mark.parametrize("content", [pytest.param("hf_a hf_b", id="two words"), pytest.param("hf_é", id="not ASCII")])
def test_a_token_file_with_other_content_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)

    with pytest.raises(FetchFailed) as caught:
        read_token(tmp_path / "token")
    assert "hf_" not in caught.value.failure.message
