"""The Hub as the fetch step uses it: the list of a commit's files, and any part of their bytes.

Imported only where something must be fetched: it brings an HTTP client, which knows proxies and
certificate authorities and drops the token when a redirect leaves the Hub's origin. The Hub's own
library would make every start a twentieth of a second longer, for the same client and a header.
"""

import atexit
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpcore2
import httpx2

from genmodel_runtime.contract import RuntimeReason
from genmodel_runtime.credentials import Credentials
from genmodel_runtime.manifest import RemoteFile
from genmodel_runtime.refusals import FetchFailed, OtherContent, TryAgain, printable, problem

READ_BYTES = 256 * 1024
"""Four times what the client reads at once by itself: what it does for each read costs more than the bytes."""
httpcore2.HTTP11Connection.READ_NUM_BYTES = READ_BYTES

_USER_AGENT = {"User-Agent": "genmodel"}
_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+|\*)")


@dataclass(frozen=True)
class Body:
    """A file's bytes from ``start`` on; without ``is_range`` all of them, whatever was asked for."""

    start: int
    is_range: bool
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
        self._credentials = Credentials(token_path)
        self._on_answer = on_answer
        self._timeout = httpx2.Timeout(read_seconds, connect=connect_seconds, pool=None)
        self._links: dict[str, str] = {}
        """Where the Hub sent us for a file: its pieces come from there without asking again."""

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
    def open(self, file: RemoteFile, *, start: int, stop: int) -> Iterator[Body]:
        """Yield the file's bytes from ``start`` to ``stop``.

        Raises ``TryAgain``, ``FetchFailed``, and ``OtherContent`` where length or commit differ.
        """
        headers = {"Accept-Encoding": "identity"}
        if start or stop < file.size_bytes:
            headers["Range"] = f"bytes={start}-{stop - 1}"
        own = f"{self.endpoint}/{quote(self._repository)}/resolve/{self._commit}/{quote(file.path)}"
        try:
            with self._get(self._links.get(file.path, own), headers, what=file.path) as response:
                self._check_commit(response, file)
                body = _body(response, file, start, self._chunks(response))
                if _origin(str(response.url)) != _origin(self.endpoint):
                    self._links[file.path] = str(response.url)
                yield body
        except (TryAgain, OtherContent):
            # The link may be what is wrong: they are signed, and expire.
            self._links.pop(file.path, None)
            raise

    def _check_commit(self, response: httpx2.Response, file: RemoteFile) -> None:
        for answer in (*response.history, response):
            found = answer.headers.get("x-repo-commit", self._commit)
            if found != self._commit:
                raise OtherContent(f"{file.path} came from commit {printable(found)} instead of {self._commit}")

    def _chunks(self, response: httpx2.Response) -> Iterator[bytes]:
        # As they come: chunks collected to a size would be lost when the connection breaks.
        with _network_errors(str(response.url)):
            yield from response.iter_raw()

    @contextmanager
    def _get(self, url: str, headers: Mapping[str, str], *, what: str) -> Iterator[httpx2.Response]:
        token = self._credentials.token() if _origin(url) == _origin(self.endpoint) else None
        sent = {**_USER_AGENT, **({"Authorization": f"Bearer {token}"} if token else {}), **headers}
        with _network_errors(url):
            request = _session().stream("GET", url, headers=sent, timeout=self._timeout)
            with request as response:
                if response.status_code not in (200, 206):
                    raise self._problem(response, what, token)
                if token is not None:
                    self._credentials.accepted()
                self._on_answer()
                yield response

    def _problem(self, response: httpx2.Response, what: str, token: str | None) -> Exception:
        found = problem(
            response.status_code,
            response.headers,
            what=what,
            endpoint=self.endpoint,
            host=urlsplit(str(response.url)).netloc,
            now=time.time(),
        )
        if isinstance(found, FetchFailed) and response.status_code == 401 and token is not None:
            return self._credentials.refused(token, found)
        return found


@cache
def _session() -> httpx2.Client:
    """Return the process's client: what is wrong with proxies or authorities is said as the first request's failure."""
    client = httpx2.Client(follow_redirects=True)
    atexit.register(client.close)
    return client


@contextmanager
def _network_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
        # OSError only from the network: writing happens outside.
        detail = printable(str(error)) or type(error).__name__
        raise TryAgain(RuntimeReason.HUB_UNREACHABLE, f"{urlsplit(url).netloc}: {detail}") from error


def _read_entries(response: httpx2.Response, url: str) -> list[RemoteFile]:
    response.read()
    try:
        return [RemoteFile.from_tree(entry) for entry in response.json() if entry["type"] == "file"]
    except (ValueError, KeyError, TypeError) as error:
        message = f"{urlsplit(url).netloc} does not answer as a Hub: {type(error).__name__}: {error}"
        raise TryAgain(RuntimeReason.HUB_UNREACHABLE, printable(message)) from error


def _next_page(response: httpx2.Response) -> str | None:
    link = response.links.get("next", {}).get("url")
    return None if link is None else str(response.url.join(link))


def _body(response: httpx2.Response, file: RemoteFile, start: int, chunks: Iterator[bytes]) -> Body:
    """Return what came; raises ``OtherContent`` where the whole file has another length."""
    is_range = response.status_code == 206
    total = response.headers.get("content-length")
    if is_range:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or int(match["start"]) != start:
            raise TryAgain(RuntimeReason.HUB_UNREACHABLE, f"{response.url.host} sent another range than asked for")
        total = None if match["total"] == "*" else match["total"]
    if total is not None and int(total) != file.size_bytes:
        raise OtherContent(f"{file.path} has {total} bytes on the server, the commit lists {file.size_bytes}")
    return Body(start if is_range else 0, is_range, chunks)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
