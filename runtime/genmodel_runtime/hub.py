"""The Hub as the fetch step uses it: the list of a commit's files, and their bytes from an offset.

Imported only where something must be fetched: it brings huggingface_hub, whose session knows
proxies and certificate authorities and drops the token when a redirect leaves the Hub's origin.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
from huggingface_hub.utils import build_hf_headers, get_session, parse_ratelimit_headers

from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.manifest import RemoteFile
from genmodel_runtime.termination import Failure

_LONGEST_WAIT_SECONDS = 900
_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+)")


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


@dataclass(frozen=True)
class Body:
    """A file's bytes from ``start`` on; ``start`` is 0 where the server ignored the offset."""

    start: int
    chunks: Iterator[bytes]


class HubConnection:
    """One repository at one commit; safe from any thread.

    ``on_answer`` is called whenever the Hub answered with what was asked for.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        repository: str,
        commit: str,
        token_path: Path | None,
        connect_seconds: float,
        read_seconds: float,
        on_answer: Callable[[], None],
    ) -> None:
        self.endpoint = endpoint
        self._repository, self._commit = repository, commit
        self._token_path = token_path
        self._on_answer = on_answer
        self._timeout = httpx2.Timeout(read_seconds, connect=connect_seconds)

    def list_files(self) -> list[RemoteFile]:
        """Return all files of the commit; raises ``TryAgain`` and ``FetchFailed``."""
        url: str | None = (
            f"{self.endpoint}/api/models/{quote(self._repository)}/tree/{self._commit}?recursive=true&expand=false"
        )
        files: list[RemoteFile] = []
        while url is not None:
            with self._get(url, {}, what=f"{self._repository} at {self._commit}") as response:
                files += _read_entries(response, url)
                url = _next_page(response)
        return files

    @contextmanager
    def open(self, file: RemoteFile, *, offset: int) -> Iterator[Body]:
        """Yield the file's bytes from ``offset`` on.

        Raises ``TryAgain``, ``FetchFailed``, and ``OtherContent`` where the length differs.
        """
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        url = f"{self.endpoint}/{quote(self._repository)}/resolve/{self._commit}/{quote(file.path)}"
        with self._get(url, headers, what=file.path) as response:
            yield Body(_start_of(response, file, offset), self._chunks(response))

    def _chunks(self, response: httpx2.Response) -> Iterator[bytes]:
        # As they come: chunks collected to a size would be lost when the connection breaks.
        with _network_errors(str(response.url)):
            yield from response.iter_raw()

    @contextmanager
    def _get(self, url: str, headers: Mapping[str, str], *, what: str) -> Iterator[httpx2.Response]:
        sent = {**self._headers(url), **headers}
        with _network_errors(url):
            request = get_session().stream("GET", url, headers=sent, timeout=self._timeout, follow_redirects=True)
            with request as response:
                if response.status_code not in (200, 206):
                    raise self._problem(response, what)
                self._on_answer()
                yield response

    def _headers(self, url: str) -> dict[str, str]:
        token = read_token(self._token_path) if _origin(url) == _origin(self.endpoint) else None
        return build_hf_headers(token=token or False, library_name="genmodel")

    def _problem(self, response: httpx2.Response, what: str) -> Exception:
        return problem(
            response.status_code,
            response.headers,
            what=what,
            endpoint=self.endpoint,
            host=urlsplit(str(response.url)).netloc,
            now=time.time(),
        )


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
    said = _printable(headers.get("x-error-message", ""))
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


def read_token(path: Path | None) -> str | None:
    """Return the token in the file, None where there is no file or it is empty.

    Read for every request, so that a mended Secret is noticed. Raises ``FetchFailed``.
    """
    if path is None:
        return None
    try:
        token = path.read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        message = f"the token file {path} cannot be read: {error.strerror}"
        raise FetchFailed(Failure(RuntimeReason.ACCESS_DENIED, message, ExitCode.NEEDS_A_PERSON)) from error
    if not re.fullmatch(r"[\x21-\x7e]*", token):
        message = f"the token file {path} holds more than one word"
        raise FetchFailed(Failure(RuntimeReason.ACCESS_DENIED, message, ExitCode.NEEDS_A_PERSON))
    return token or None


@contextmanager
def _network_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
        # OSError only from the network: writing happens outside; offline mode is one as well.
        detail = _printable(str(error)) or type(error).__name__
        raise TryAgain(RuntimeReason.HUB_UNREACHABLE, f"{urlsplit(url).netloc}: {detail}") from error


def _read_entries(response: httpx2.Response, url: str) -> list[RemoteFile]:
    response.read()
    try:
        return [RemoteFile.from_tree(entry) for entry in response.json() if entry["type"] == "file"]
    except (ValueError, KeyError, TypeError) as error:
        message = f"{urlsplit(url).netloc} does not answer as a Hub: {type(error).__name__}: {error}"
        raise TryAgain(RuntimeReason.HUB_UNREACHABLE, _printable(message)) from error


def _next_page(response: httpx2.Response) -> str | None:
    link = response.links.get("next", {}).get("url")
    return None if link is None else str(response.url.join(link))


def _start_of(response: httpx2.Response, file: RemoteFile, offset: int) -> int:
    """Return where the body starts; raises ``OtherContent`` where the whole has another length."""
    start, total = 0, response.headers.get("content-length")
    if response.status_code == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or int(match["start"]) != offset:
            raise TryAgain(RuntimeReason.HUB_UNREACHABLE, f"{response.url.host} sent another range than asked for")
        start, total = offset, match["total"]
    if total is not None and int(total) != file.size_bytes:
        raise OtherContent(f"{file.path} has {total} bytes on the server, the commit lists {file.size_bytes}")
    return start


def _asked_to_wait(headers: Mapping[str, str], now: float) -> float | None:
    limit = parse_ratelimit_headers(headers)
    retry_after = headers.get("retry-after", "").strip()
    seconds: float | None = None
    if retry_after.isdigit():
        seconds = float(retry_after)
    elif retry_after:
        seconds = _seconds_until(retry_after, now)
    elif limit is not None and limit.remaining == 0:
        seconds = float(limit.reset_in_seconds)
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)


def _seconds_until(date: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:300]
