"""What the API server answers when it does not do what was asked."""

import json
from collections.abc import Mapping
from typing import Any


class KubeError(Exception):
    """A request to the API server failed.

    Attributes:
        status: HTTP status, 0 where there was no answer.
        reason: the server's own reason, for example ``AlreadyExists``.
        message: the server's own words.
        verb, kind, name: what was asked for; ``name`` may be empty.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        verb: str = "",
        kind: str = "",
        name: str = "",
    ) -> None:
        self.message = message
        self.status = status
        self.reason = reason
        self.verb = verb
        self.kind = kind
        self.name = name
        what = " ".join(part for part in (verb, kind, name) if part)
        code = " ".join(part for part in (str(status) if status else "", reason) if part)
        super().__init__(": ".join(part for part in (what, code, message) if part))


class NotFound(KubeError):
    """There is no such object, namespace or kind."""


class Conflict(KubeError):
    """The object changed meanwhile, or a precondition does not hold."""


class AlreadyExists(KubeError):
    """An object of this name exists."""


class Unauthorized(KubeError):
    """The server does not accept our credentials."""


class Forbidden(KubeError):
    """RBAC, a quota or an admission policy refuses the request."""


class Invalid(KubeError):
    """The object or the request is not valid (422 and 400)."""


class NotLeading(KubeError):
    """Nothing was sent: another operator may lead now, and only the leader writes."""


class Expired(KubeError):
    """A list's continue token is too old (410)."""


class Throttled(KubeError):
    """The server asks to come back later (429)."""

    def __init__(self, message: str, *, retry_after_seconds: float, **values: Any) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message, **values)


class Unreachable(KubeError):
    """No usable answer: network, time-out, or an error of the server (5xx)."""


_BY_STATUS: dict[int, type[KubeError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
}
_RETRY_AFTER_SECONDS = 1.0
_WRONG_TYPE = "failed to create typed patch object"
"""How a server-side apply answers, with status 500, to a field of the wrong type."""


def error_from(
    status: int, body: bytes, headers: Mapping[str, str], *, verb: str, kind: str, name: str = ""
) -> KubeError:
    """Return the error for an HTTP answer that is not a success."""
    said = _status_object(body)
    reason = str(said.get("reason") or "")
    message = str(said.get("message") or body[:500].decode(errors="replace") or f"HTTP {status}")
    values: dict[str, Any] = {"status": status, "reason": reason, "verb": verb, "kind": kind, "name": name}
    if status == 429:
        return Throttled(message, retry_after_seconds=_retry_after(headers, said), **values)
    if message.startswith(_WRONG_TYPE):
        return Invalid(message, **values)
    if status >= 500:
        return Unreachable(message, **values)
    if reason == "AlreadyExists":
        return AlreadyExists(message, **values)
    return _BY_STATUS.get(status, KubeError)(message, **values)


def _status_object(body: bytes) -> Mapping[str, Any]:
    """Return the ``Status`` object in a body, or nothing where a proxy answered in its own words."""
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _retry_after(headers: Mapping[str, str], said: Mapping[str, Any]) -> float:
    wanted = headers.get("Retry-After") or (said.get("details") or {}).get("retryAfterSeconds")
    try:
        return max(0.0, float(wanted)) if wanted is not None else _RETRY_AFTER_SECONDS
    except ValueError:
        return _RETRY_AFTER_SECONDS
