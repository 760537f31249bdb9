"""What the Hub's refusals mean."""

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.hub.failures import (
    DISABLED,
    INVALID_TOKEN,
    Answer,
    HubError,
    fault_of_answer,
    fault_of_exception,
)
from genmodel_operator.hub.library import OfflineModeIsEnabled, httpx2


def answer(
    status: int,
    *,
    code: str | None = None,
    message: str | None = None,
    operation: str = "info",
    from_hub: bool = True,
    authenticated: bool = False,
    headers: dict[str, str] | None = None,
) -> Answer:
    said = {"x-error-code": code, "x-error-message": message, **(headers or {})}
    return Answer(
        status=status,
        headers={name: value for name, value in said.items() if value is not None},
        from_hub=from_hub,
        authenticated=authenticated,
        operation=operation,
        server="hub.example",
    )


@pytest.mark.parametrize(
    ("failed", "want"),
    [
        pytest.param(answer(401, code="GatedRepo"), Reason.MODEL_GATED, id="gated, anonymous"),
        pytest.param(answer(403, code="GatedRepo", authenticated=True), Reason.MODEL_GATED, id="gated, with a token"),
        pytest.param(answer(401, code="RepoNotFound"), Reason.MODEL_NOT_FOUND, id="missing, anonymous"),
        pytest.param(answer(404, code="RepoNotFound", authenticated=True), Reason.MODEL_NOT_FOUND, id="missing, token"),
        pytest.param(answer(404, code="RevisionNotFound"), Reason.REVISION_NOT_FOUND, id="no such revision"),
        pytest.param(answer(403, message=DISABLED), Reason.MODEL_DISABLED, id="disabled"),
        pytest.param(answer(451), Reason.MODEL_DISABLED, id="taken down"),
        pytest.param(answer(401, message=INVALID_TOKEN, authenticated=True), Reason.TOKEN_REJECTED, id="bad token"),
        pytest.param(answer(401), Reason.MODEL_NOT_FOUND, id="a bare 401, anonymous"),
        pytest.param(answer(401, authenticated=True), Reason.TOKEN_REJECTED, id="a bare 401 with a token"),
        pytest.param(answer(403, authenticated=True), Reason.MODEL_NOT_FOUND, id="a bare 403"),
        pytest.param(answer(404), Reason.MODEL_NOT_FOUND, id="a bare 404 of the model"),
        pytest.param(answer(404, operation="config.json"), Reason.HUB_UNREACHABLE, id="a bare 404 of a listed file"),
        pytest.param(
            answer(404, code="EntryNotFound", operation="config.json"),
            Reason.HUB_UNREACHABLE,
            id="a listed file is gone",
        ),
        pytest.param(answer(403, from_hub=False), Reason.HUB_UNREACHABLE, id="the CDN refuses"),
        pytest.param(answer(401, code="GatedRepo", from_hub=False), Reason.HUB_UNREACHABLE, id="the CDN pretends"),
        pytest.param(answer(500), Reason.HUB_UNREACHABLE, id="a server error"),
        pytest.param(answer(302), Reason.HUB_UNREACHABLE, id="a redirect to nowhere"),
        pytest.param(answer(429), Reason.HUB_RATE_LIMITED, id="too many requests"),
    ],
)
def test_each_answer_has_its_reason(failed: Answer, want: Reason) -> None:
    assert fault_of_answer(failed).reason is want


@pytest.mark.parametrize(
    ("headers", "want_seconds"),
    [
        pytest.param({"ratelimit": '"api";r=0;t=55'}, 55, id="the Hub's own header"),
        pytest.param({"ratelimit": '"api";r=3;t=55', "retry-after": "7"}, 7, id="quota left: not the reason"),
        pytest.param({"retry-after": "7"}, 7, id="the standard header"),
        pytest.param({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60, id="a date"),
        pytest.param({"retry-after": "-1"}, 60, id="nonsense"),
        pytest.param({"retry-after": "9999999"}, 3600, id="a week is not believed"),
        pytest.param({"ratelimit": '"api";r=0;t=999999'}, 3600, id="nor in the Hub's own header"),
        pytest.param({}, 60, id="nothing said"),
    ],
)
def test_a_rate_limit_says_when_to_come_again(headers: dict[str, str], want_seconds: float) -> None:
    assert fault_of_answer(answer(429, headers=headers)).retry_after_seconds == want_seconds


def test_a_server_error_is_tried_again_at_once_unless_the_server_names_a_time() -> None:
    assert fault_of_answer(answer(503)).glitch
    named = fault_of_answer(answer(503, headers={"retry-after": "30"}))
    assert (named.glitch, named.retry_after_seconds) == (False, 30)
    assert named.detail == "hub.example answered the request for info with status 503"


@pytest.mark.parametrize(
    ("error", "want_detail", "want_glitch"),
    [
        pytest.param(
            httpx2.ConnectError("[Errno 111] Connection refused"),
            "hub: [Errno 111] Connection refused",
            False,
            id="refused",
        ),
        pytest.param(httpx2.ReadTimeout("x"), "no answer from hub within 20 s", False, id="silence"),
        pytest.param(
            httpx2.ProxyError("407 Proxy Authentication Required"),
            "hub: 407 Proxy Authentication Required",
            False,
            id="proxy",
        ),
        pytest.param(httpx2.RemoteProtocolError("peer closed"), "the connection to hub broke", True, id="cut off"),
        pytest.param(httpx2.ReadError("reset"), "the connection to hub broke", True, id="reset"),
        pytest.param(
            httpx2.LocalProtocolError("Illegal header value b'Bearer hf_secret'"),
            "the connection to hub broke",
            True,
            id="no text that may hold a token",
        ),
        pytest.param(httpx2.TooManyRedirects("x"), "hub redirects without end", False, id="a loop"),
        pytest.param(httpx2.InvalidURL("x"), "not a valid http or https address", False, id="no address"),
        pytest.param(
            httpx2.UnsupportedProtocol("ftp"), "not a valid http or https address", False, id="another protocol"
        ),
        pytest.param(
            OfflineModeIsEnabled("x"), "HF_HUB_OFFLINE is set in the operator's environment", False, id="offline"
        ),
    ],
)
def test_no_answer_is_described(error: Exception, want_detail: str, want_glitch: bool) -> None:
    fault = fault_of_exception(error, server="hub", timeout_seconds=20)
    assert (fault.reason, fault.detail, fault.glitch) == (Reason.HUB_UNREACHABLE, want_detail, want_glitch)


def test_an_error_of_the_hub_says_whether_it_goes_away() -> None:
    away = HubError(Reason.HUB_RATE_LIMITED, retry_after_seconds=5, endpoint="http://hub", seconds=5)
    assert (away.transient, away.retry_after_seconds) == (True, 5)
    assert str(away).startswith("the Hub at http://hub limits the rate of requests for another 5 s")
    stays = HubError(Reason.MODEL_DISABLED, repository="a/b", endpoint="http://hub")
    assert (stays.transient, stays.retry_after_seconds) == (False, None)
