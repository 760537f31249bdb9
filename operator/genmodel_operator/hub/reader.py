"""Blocking requests to one Hub with one token; each is bounded in time and in bytes.

The session, its TLS roots and proxies, headers and addresses are ``huggingface_hub``'s. Its calls
are not used, because each lacks a bound that an operator needs: ``list_repo_tree`` sleeps for as
long as a rate limit says, ``parse_safetensors_file_metadata`` reads a whole shard into memory where
a mirror ignores ranges, ``hf_hub_download`` wants a writable disk, and none ends on a server that
sends a byte now and then.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin

from genmodel_operator import __version__
from genmodel_operator.api.reasons import Reason
from genmodel_operator.hub.exchange import Body, Exchange
from genmodel_operator.hub.facts import Refused, RepoFile
from genmodel_operator.hub.failures import Answer, Fault, FaultError, fault_of_answer, fault_of_exception
from genmodel_operator.hub.library import (
    HFValidationError,
    OfflineModeIsEnabled,
    build_hf_headers,
    fix_hf_endpoint_in_url,
    get_session,
    hf_hub_url,
    httpx2,
    validate_repo_id,
)
from genmodel_operator.hub.parse import INFO_FIELDS, read_document
from genmodel_operator.hub.tensors import LENGTH_BYTES, InvalidHeader, decode_header, header_length

Observe = Callable[[str, int | str, float], None]

INFO_LIMIT_BYTES = 16 << 20
DOCUMENT_LIMIT_BYTES = 64 << 20
"""The largest JSON files that are read are indices of thousands of tensors, some ten MiB."""
TREE_LIMIT_ENTRIES = 100_000
HEADER_GUESS_BYTES = 100_000
"""Asked for first; longer than the header of nearly every weight file."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_TOKEN = re.compile(r"[\x21-\x7e]+")


class HubReader:
    """Reads one repository. ``observe`` is called once per request, in the calling thread.

    All methods raise ``FaultError``; those that read files also ``Refused``.
    """

    def __init__(
        self, *, endpoint: str, repository: str, token: str | None, timeout_seconds: float, observe: Observe
    ) -> None:
        """Check what would make every request fail."""
        try:
            validate_repo_id(repository)
        except HFValidationError:
            raise FaultError(Fault(Reason.MODEL_NOT_FOUND)) from None
        # The HTTP library would quote the token in its error.
        if token is not None and not _TOKEN.fullmatch(token):
            raise FaultError(Fault(Reason.TOKEN_REJECTED))
        self._endpoint = endpoint.rstrip("/")
        self._repository = repository
        self._authenticated = token is not None
        self._headers = build_hf_headers(token=token or False, library_name="genmodel", library_version=__version__) | {
            "accept-encoding": "identity"
        }
        self._timeout_seconds = timeout_seconds
        self._observe = observe

    def info(self, revision: str) -> dict[str, Any]:
        """Return the model's info at a branch, tag or commit, with ``id`` and ``sha`` set."""
        url = f"{self._endpoint}/api/models/{self._repository}/revision/{quote(revision, safe='')}"
        body = self._get("info", url, INFO_LIMIT_BYTES, params={"expand": list(INFO_FIELDS)})
        info = self._json("info", body.content)
        commit = self._sha(info)
        if _COMMIT.fullmatch(revision) and commit != revision:
            raise self._odd("info", f"it is of the commit {commit}, not of {revision}")
        return {**info, "id": self._repository}

    def commit(self, revision: str) -> str:
        """Return the commit of a branch, tag or commit, and ask for nothing else."""
        url = f"{self._endpoint}/api/models/{self._repository}/revision/{quote(revision, safe='')}"
        found = self._json("info", self._get("info", url, INFO_LIMIT_BYTES, params={"expand": ["sha"]}).content)
        return self._sha(found)

    def tree(self, commit: str) -> list[RepoFile]:
        """Return all files of a commit."""
        url: str | None = f"{self._endpoint}/api/models/{self._repository}/tree/{commit}?recursive=true"
        files: list[RepoFile] = []
        while url is not None:
            body = self._get("tree", url, INFO_LIMIT_BYTES)
            files += self._tree_files(self._json("tree", body.content))
            if len(files) > TREE_LIMIT_ENTRIES:
                raise self._odd("tree", f"more than {TREE_LIMIT_ENTRIES} files")
            url = self._next_page(url, body.next_url)
        return files

    def document(self, commit: str, file: RepoFile) -> Any:
        """Return a file of ``parse.DOCUMENTS``, parsed, checked against its hash."""
        body = self._get(file.path, self._file_url(commit, file.path), DOCUMENT_LIMIT_BYTES, commit=commit)
        if not _matches(file, body.content):
            raise self._odd(file.path, "its content does not match its hash")
        try:
            return read_document(file.path, body.content)
        except UnicodeDecodeError:
            raise self._invalid(file, "not UTF-8") from None
        except (ValueError, RecursionError):
            raise self._invalid(file, "not JSON") from None

    def header(self, commit: str, file: RepoFile) -> dict[str, Any]:
        """Return the safetensors header of a weight file, checked against the file's size."""
        start = self._range(commit, file, 0, HEADER_GUESS_BYTES)
        try:
            length = header_length(start, file.size_bytes)
            end = LENGTH_BYTES + length
            if len(start) < end:
                start += self._range(commit, file, len(start), end)
            if len(start) < end:
                raise self._odd(file.path, "the answer ends too early")
            return decode_header(start[LENGTH_BYTES:end], file.size_bytes)
        except InvalidHeader as error:
            raise self._invalid(file, str(error)) from None

    def probe(self, commit: str, file: RepoFile) -> None:
        """Read one byte of a file: raises where this token may not read files."""
        self._range(commit, file, 0, 1)

    def _range(self, commit: str, file: RepoFile, begin: int, end: int) -> bytes:
        end = min(end, file.size_bytes)
        if begin >= end:
            return b""
        span = (begin, end)
        return self._get(file.path, self._file_url(commit, file.path), end - begin, commit=commit, span=span).content

    def _file_url(self, commit: str, path: str) -> str:
        return hf_hub_url(self._repository, path, revision=commit, endpoint=self._endpoint)

    def _next_page(self, url: str, link: str | None) -> str | None:
        if link is None:
            return None
        try:
            page = urljoin(url, fix_hf_endpoint_in_url(link, self._endpoint))
            server = httpx2.URL(page)
        except (ValueError, httpx2.InvalidURL):
            raise self._odd("tree", "its next page has no valid address") from None
        # The token must not follow a link to another server.
        if server.origin != httpx2.URL(self._endpoint).origin:
            raise self._odd("tree", f"its next page is on another server, {server.host}")
        return page

    def _tree_files(self, page: object) -> Iterator[RepoFile]:
        if not isinstance(page, list):
            raise self._odd("tree", "not a list")
        for entry in page:
            if isinstance(entry, dict) and entry.get("type") == "file":
                yield self._tree_file(entry)

    def _tree_file(self, entry: Mapping[str, Any]) -> RepoFile:
        lfs = entry.get("lfs") or {}
        try:
            oid = str(lfs["oid"]).removeprefix("sha256:") if lfs else None
            return RepoFile(
                path=str(entry["path"]), size_bytes=int(entry["size"]), blob_id=str(entry["oid"]), sha256=oid
            )
        except (KeyError, TypeError, ValueError):
            raise self._odd("tree", "an entry without path, size or oid") from None

    def _sha(self, info: Any) -> str:
        commit = info.get("sha") if isinstance(info, dict) else None
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise self._odd("info", "no commit in it")
        return commit

    def _json(self, operation: str, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._odd(operation, "it is not JSON, so this is not a Hub") from None

    def _odd(self, operation: str, problem: str) -> FaultError:
        return FaultError(Fault(Reason.HUB_UNREACHABLE, detail=f"the answer to {operation} cannot be used: {problem}"))

    def _invalid(self, file: RepoFile, detail: str) -> Refused:
        return Refused(Reason.METADATA_INVALID, repository=self._repository, file=file.path, detail=detail)

    def _get(
        self,
        operation: str,
        url: str,
        limit_bytes: int,
        *,
        params: Mapping[str, list[str]] | None = None,
        commit: str | None = None,
        span: tuple[int, int] | None = None,
    ) -> Body:
        started = time.monotonic()
        kind = operation if operation in ("info", "tree") else "header" if span else "document"
        outcome: int | str = "error"
        try:
            headers = self._headers | ({"range": f"bytes={span[0]}-{span[1] - 1}"} if span else {})
            request = get_session().build_request(
                "GET", url, params=params, headers=headers, timeout=self._timeout_seconds
            )
            with Exchange(request, deadline=started + self._timeout_seconds) as exchange:
                outcome = exchange.response.status_code
                self._check(operation, exchange, commit)
                return exchange.read(span, limit_bytes, self._odd(operation, f"longer than {limit_bytes} bytes"))
        except (httpx2.HTTPError, httpx2.InvalidURL, OfflineModeIsEnabled) as error:
            outcome = type(error).__name__
            fault = fault_of_exception(error, server=_host(url), timeout_seconds=self._timeout_seconds)
            raise FaultError(fault) from None
        finally:
            self._observe(kind, outcome, time.monotonic() - started)

    def _check(self, operation: str, exchange: "Exchange", commit: str | None) -> None:
        response = exchange.response
        if not 200 <= response.status_code < 300:
            answer = Answer(
                status=response.status_code,
                headers=response.headers,
                from_hub=response.request.url.origin == httpx2.URL(self._endpoint).origin,
                authenticated=self._authenticated,
                operation=operation,
                server=response.request.url.host,
            )
            raise FaultError(fault_of_answer(answer))
        if commit and exchange.commit and exchange.commit != commit:
            raise self._odd(operation, f"it is of the commit {exchange.commit}, not of {commit}")


def _matches(file: RepoFile, content: bytes) -> bool:
    if file.sha256 is not None:
        return hashlib.sha256(content).hexdigest() == file.sha256
    framed = b"blob %d\0" % len(content) + content
    return hashlib.sha1(framed, usedforsecurity=False).hexdigest() == file.blob_id


def _host(url: str) -> str:
    try:
        return httpx2.URL(url).host or url
    except httpx2.InvalidURL:
        return url
