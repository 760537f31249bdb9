"""What an answer of the Hub means that is not the content asked for: try again, other content, or a person's turn."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.termination import Failure

_LONGEST_WAIT_SECONDS = 900
_USED_UP = re.compile(r'"\w+"\s*;\s*r\s*=\s*0+\s*;\s*t\s*=\s*(?P<seconds>\d+)', re.ASCII)
"""The header ``ratelimit`` of an IETF draft, as the Hub writes it: ``"resolve";r=0;t=55`` has nothing left for 55 s."""


class FetchFailed(Exception):
    """The weights cannot be fetched; ``failure`` says why and with which exit code."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class TryAgain(Exception):
    """A temporary error of the Hub or of the way to it.

    ``after_seconds`` is how long the Hub asked to be left alone, None where it did not say.
    """

    def __init__(self, reason: RuntimeReason, message: str, *, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.after_seconds = after_seconds


class OtherContent(Exception):
    """The server's file is not the one that the commit lists; the message says how it differs."""


def problem(
    status: int, headers: Mapping[str, str], *, what: str, endpoint: str, host: str, now: float
) -> FetchFailed | TryAgain | OtherContent:
    """Return the error that an answer means.

    Only the Hub itself can say that a file is missing or forbidden. The same from the storage that
    it redirects to comes from an expired link or from a proxy on the way, and passes.
    """
    after_seconds = _asked_to_wait(headers, now)
    if status == 429:
        message = f"the Hub at {endpoint} limits the rate of requests"
        return TryAgain(RuntimeReason.HUB_RATE_LIMITED, message, after_seconds=after_seconds)
    said = printable(headers.get("x-error-message", ""))
    said = f": {said}" if said else ""
    if status == 416:
        return OtherContent(f"{what} is shorter on the server than the commit lists")
    if host == urlsplit(endpoint).netloc and status in (401, 403, 451):
        message = f"the Hub at {endpoint} refuses {what} with status {status}{said}"
        return FetchFailed(Failure(RuntimeReason.ACCESS_DENIED, message, ExitCode.NEEDS_A_PERSON))
    if host == urlsplit(endpoint).netloc and status in (404, 410):
        message = f"the Hub at {endpoint} has no {what}{said}"
        return FetchFailed(Failure(RuntimeReason.FILE_NOT_FOUND, message, ExitCode.NEEDS_A_PERSON))
    message = f"{host} answered {what} with status {status}{said}"
    return TryAgain(RuntimeReason.HUB_UNREACHABLE, message, after_seconds=after_seconds)


def printable(text: str) -> str:
    """Return a server's words on one line and not too long."""
    return "".join(c if c.isprintable() else " " for c in text)[:300]


def _asked_to_wait(headers: Mapping[str, str], now: float) -> float | None:
    limit = _USED_UP.search(headers.get("ratelimit", ""))
    retry_after = headers.get("retry-after", "").strip()
    seconds: float | None = None
    if retry_after.isdigit():
        seconds = float(retry_after)
    elif retry_after:
        seconds = _seconds_until(retry_after, now)
    elif limit is not None:
        seconds = float(limit["seconds"])
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)


def _seconds_until(date: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return None
