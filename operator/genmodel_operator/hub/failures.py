"""What went wrong at the Hub, told apart by status and error code, never by a library's exception.

No text made here holds a token or the signed address of a CDN.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.hub.library import OfflineModeIsEnabled, httpx2, parse_ratelimit_headers

INVALID_TOKEN = "Invalid credentials in Authorization header"
DISABLED = "Access to this resource is disabled."
DEFAULT_LIMIT_SECONDS = 60.0
"""How long to leave a Hub alone that limits the rate of requests and does not say until when."""
LONGEST_LIMIT_SECONDS = 3600.0
"""The most that a server's own wish counts."""

_TRANSIENT = frozenset({Reason.HUB_UNREACHABLE, Reason.HUB_RATE_LIMITED})


class HubError(Exception):
    """The Hub did not give what was asked.

    ``values`` are exactly the fields of the reason's message. ``transient``: goes away by itself,
    else a person must act. ``retry_after_seconds``: when to ask again, where the Hub said so.
    """

    def __init__(self, reason: Reason, *, retry_after_seconds: float | None = None, **values: object) -> None:
        """Take the reason, the values of its message pattern and the Hub's own wish for a delay."""
        self.reason = reason
        self.values: dict[str, object] = values
        self.retry_after_seconds = retry_after_seconds
        self.transient = reason in _TRANSIENT
        super().__init__(explain(reason, **values))


@dataclass(frozen=True, slots=True)
class Fault:
    """A failed request, before it is known who asked.

    ``detail`` is for HubUnreachable. ``glitch``: worth another try at once.
    """

    reason: Reason
    detail: str = ""
    retry_after_seconds: float | None = None
    glitch: bool = False


class FaultError(Exception):
    """Carries a ``Fault`` out of a request."""

    def __init__(self, fault: Fault) -> None:
        """Take the fault."""
        self.fault = fault
        super().__init__(fault.reason.value)


@dataclass(frozen=True, slots=True)
class Answer:
    """The failed answer's head: all that is needed to tell what it means.

    ``from_hub``: False where it came from another server that the Hub redirected to.
    """

    status: int
    headers: Mapping[str, str]
    from_hub: bool
    authenticated: bool
    operation: str
    server: str = field(default="")


def fault_of_answer(answer: Answer) -> Fault:
    """Return what an answer of 400 and above means."""
    if answer.status == 429:
        return Fault(Reason.HUB_RATE_LIMITED, retry_after_seconds=_limit_seconds(answer.headers))
    if answer.from_hub and answer.status in (401, 403, 404, 451) and (reason := _access_reason(answer)):
        return Fault(reason)
    return Fault(
        Reason.HUB_UNREACHABLE,
        detail=f"{answer.server} answered the request for {answer.operation} with status {answer.status}",
        retry_after_seconds=_retry_after(answer.headers),
        glitch=answer.status >= 500 and _retry_after(answer.headers) is None,
    )


def _access_reason(answer: Answer) -> Reason | None:
    code, message = answer.headers.get("x-error-code"), answer.headers.get("x-error-message")
    coded = {
        "GatedRepo": Reason.MODEL_GATED,
        "RepoNotFound": Reason.MODEL_NOT_FOUND,
        "RevisionNotFound": Reason.REVISION_NOT_FOUND,
    }
    if code in coded:
        return coded[code]
    if message == DISABLED or answer.status == 451:
        return Reason.MODEL_DISABLED
    if answer.status == 401 and (message == INVALID_TOKEN or answer.authenticated):
        return Reason.TOKEN_REJECTED
    if answer.status == 404 and (code == "EntryNotFound" or answer.operation != "info"):
        return None  # what the Hub itself listed is gone: a mirror that is not whole
    return Reason.MODEL_NOT_FOUND


def _limit_seconds(headers: Mapping[str, str]) -> float:
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return min(float(limit.reset_in_seconds), LONGEST_LIMIT_SECONDS)
    asked = _retry_after(headers)
    return DEFAULT_LIMIT_SECONDS if asked is None else asked


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "").strip()
    return min(float(value), LONGEST_LIMIT_SECONDS) if value.isdecimal() else None


def fault_of_exception(error: Exception, *, server: str, timeout_seconds: float) -> Fault:
    """Return what a request without an answer means. ``server`` is the host that was asked."""
    if isinstance(error, httpx2.TimeoutException):
        detail = f"no answer from {server} within {timeout_seconds:g} s"
    elif isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        # These texts come from the socket, the TLS library or the proxy, never from a request.
        detail = f"{server}: {error}"
    elif isinstance(error, OfflineModeIsEnabled):
        detail = "HF_HUB_OFFLINE is set in the operator's environment"
    elif isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol):
        detail = "not a valid http or https address"
    elif isinstance(error, httpx2.TooManyRedirects):
        detail = f"{server} redirects without end"
    else:
        return Fault(Reason.HUB_UNREACHABLE, detail=f"the connection to {server} broke", glitch=True)
    return Fault(Reason.HUB_UNREACHABLE, detail=detail)
