import json
from typing import Any

import pytest

from genmodel_operator.kube.errors import (
    AlreadyExists,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    Throttled,
    Unauthorized,
    Unreachable,
    error_from,
)


def status(code: int, reason: str = "", message: str = "said so", **details: Any) -> bytes:
    said = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return json.dumps(said | ({"details": details} if details else {})).encode()


def error(code: int, body: bytes, headers: dict[str, str] | None = None) -> KubeError:
    return error_from(code, body, headers or {}, verb="apply", kind="Service", name="mistral")


@pytest.mark.parametrize(
    ("code", "reason", "want"),
    [
        pytest.param(400, "BadRequest", Invalid, id="bad request"),
        pytest.param(401, "Unauthorized", Unauthorized, id="credentials refused"),
        pytest.param(403, "Forbidden", Forbidden, id="forbidden"),
        pytest.param(404, "NotFound", NotFound, id="not found"),
        pytest.param(409, "Conflict", Conflict, id="conflict"),
        pytest.param(409, "AlreadyExists", AlreadyExists, id="name taken"),
        pytest.param(410, "Expired", Expired, id="token too old"),
        pytest.param(422, "Invalid", Invalid, id="refused by the schema"),
        pytest.param(429, "TooManyRequests", Throttled, id="too many requests"),
        pytest.param(500, "InternalError", Unreachable, id="server error"),
        pytest.param(503, "ServiceUnavailable", Unreachable, id="unavailable"),
        pytest.param(504, "Timeout", Unreachable, id="gateway time-out"),
        pytest.param(418, "Teapot", KubeError, id="anything else"),
    ],
)
def test_each_answer_has_its_error(code: int, reason: str, want: type[KubeError]) -> None:
    found = error(code, status(code, reason))
    assert type(found) is want
    assert (found.status, found.reason, found.message) == (code, reason, "said so")
    assert (found.verb, found.kind, found.name) == ("apply", "Service", "mistral")
    assert str(found) == f"apply Service mistral: {code} {reason}: said so"


def test_a_field_of_the_wrong_type_is_invalid_though_the_server_says_500() -> None:
    message = "failed to create typed patch object (team-a/mistral; /v1, Kind=Service): .spec.ports: expected list"
    assert type(error(500, status(500, message=message))) is Invalid


@pytest.mark.parametrize(
    ("headers", "body", "want_seconds"),
    [
        pytest.param({"Retry-After": "7"}, status(429), 7, id="from the header"),
        pytest.param({}, status(429, retryAfterSeconds=3), 3, id="from the body"),
        pytest.param({"Retry-After": "7"}, status(429, retryAfterSeconds=3), 7, id="the header goes first"),
        pytest.param({}, status(429), 1, id="not said"),
        pytest.param({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, status(429), 1, id="a date"),
        pytest.param({"Retry-After": "-5"}, status(429), 0, id="nonsense"),
    ],
)
def test_throttled_says_when_to_come_back(headers: dict[str, str], body: bytes, want_seconds: float) -> None:
    found = error(429, body, headers)
    assert isinstance(found, Throttled)
    assert found.retry_after_seconds == want_seconds


@pytest.mark.parametrize(
    ("body", "want_message"),
    [
        pytest.param(b"<html>Bad Gateway</html>", "<html>Bad Gateway</html>", id="a proxy's own words"),
        pytest.param(b"", "HTTP 502", id="nothing"),
        pytest.param(b"[1]", "[1]", id="JSON that is no object"),
        pytest.param(b"\xff\xfe", "��", id="no text"),
        pytest.param(b"x" * 2000, "x" * 500, id="very much"),
    ],
)
def test_an_answer_that_is_no_status_object_is_quoted(body: bytes, want_message: str) -> None:
    assert error(502, body).message == want_message


def test_an_error_without_an_answer_says_what_was_asked() -> None:
    assert str(Unreachable("timed out", verb="get", kind="Pod", name="p")) == "get Pod p: timed out"
