"""What the Hub answers to a request: routes, access rules, ranges. No sockets here."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

from tests.fakes import hub_answers as answers
from tests.fakes.hub_store import Access, Blob, Commit, HubStore, Repository, is_lfs

INVALID_TOKEN = "Invalid credentials in Authorization header"
DISABLED = "Access to this resource is disabled."
_RANGE = re.compile(r"bytes=(\d+)-(\d*)$")


@dataclass(frozen=True)
class Options:
    """``gate_listings``: whether tree, paths-info and auth-check need the same access as files."""

    tree_page: int = 4
    list_page: int = 2
    gate_listings: bool = True


@dataclass(frozen=True)
class Request:
    """A request; ``segments`` of the path are percent-encoded still, ``host`` is the Host header's name."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    form: Mapping[str, list[str]]
    base_url: str
    cdn_url: str

    @property
    def path(self) -> str:
        return "/" + "/".join(self.segments)

    def flag(self, name: str) -> bool:
        return self.query.get(name, ["false"])[0].lower() in ("true", "1")


@dataclass(frozen=True)
class Answer:
    """An answer; the body is ``content``, or the bytes from ``begin`` to ``end`` of ``blob``."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    blob: Blob | None = None
    begin: int = 0
    end: int = 0

    @property
    def length(self) -> int:
        return len(self.content) if self.blob is None else self.end - self.begin


class Denied(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.answer = error(status, message, code, headers={n.replace("_", "-"): v for n, v in headers.items()})


def error(status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    said = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {}) | dict(headers or {})
    return document({"error": message}, status=status, headers=said)


def document(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    content_type = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(status, content_type | dict(headers or {}), json.dumps(value).encode())


class Hub:
    """Answers requests of the hub's port (``answer``) and of the CDN's (``answer_cdn``)."""

    def __init__(self, store: HubStore, options: Options) -> None:
        self._store = store
        self._options = options

    def answer(self, request: Request) -> Answer:
        try:
            if request.segments == ("api", "agent-harnesses"):
                return document({"standardEnvVars": [], "harnesses": {}})
            access = self._access(request)
            return self._route(request, access)
        except Denied as denied:
            return denied.answer

    def answer_cdn(self, request: Request) -> Answer:
        blob = None
        if len(request.segments) >= 4 and request.segments[0] == "blob":
            repository = "/".join(request.segments[1:3])
            blob = self._store.blob_by_sha256(repository, request.query.get("sig", [""])[0])
        if blob is None:
            return error(403, "Signature not valid")
        return _body(request, blob, {"ETag": f'"{blob.sha256}"'})

    def _access(self, request: Request) -> Access | None:
        """What the token may see; None without a token."""
        header = request.headers.get("authorization", "")
        if not header:
            return None
        access = self._store.access_of(header.removeprefix("Bearer ").strip())
        if access is None:
            raise Denied(401, INVALID_TOKEN)
        return access

    def _route(self, request: Request, access: Access | None) -> Answer:
        match request.segments:
            case ("api", "models"):
                return self._list(request, access)
            case ("api", "whoami-v2"):
                return _whoami(access)
            case ("api", "models", org, name, *rest):
                repository = self._visible(f"{org}/{name}", access)
                return self._api(request, repository, access, [unquote(part) for part in rest])
            case (org, name, "resolve", revision, *path) if path:
                repository = self._visible(f"{org}/{name}", access)
                _check_files(repository, access)
                return _resolve(request, repository, unquote(revision), unquote("/".join(path)))
        raise Denied(404, "Not found")

    def _visible(self, name: str, access: Access | None) -> Repository:
        repository = self._store.get(name)
        if repository is None or (repository.private and not (access and access.private)):
            raise Denied(401 if access is None else 404, "Repository not found", "RepoNotFound")
        return repository

    def _api(self, request: Request, repository: Repository, access: Access | None, rest: list[str]) -> Answer:
        match rest:
            case [] | ["revision", _]:
                commit = _commit(repository, rest[1] if rest else "main")
                expand, blobs = list(request.query.get("expand", [])), request.flag("blobs")
                return document(answers.model_info(repository, commit, expand=expand, blobs=blobs))
            case ["refs"]:
                return document(answers.refs(repository))
        if rest[0] == "safetensors-metadata" or self._options.gate_listings:
            _check_files(repository, access)
        match rest:
            case ["auth-check"]:
                return Answer()
            case ["tree", revision, *folder]:
                return self._tree(request, _commit(repository, revision), "/".join(folder))
            case ["paths-info", revision]:
                return _paths_info(request, _commit(repository, revision))
            case ["safetensors-metadata", index]:
                return _all_headers(repository, index)
        raise Denied(404, "Not found")

    def _tree(self, request: Request, commit: Commit, folder: str) -> Answer:
        recursive, expand = request.flag("recursive"), request.flag("expand")
        entries = answers.tree(commit, folder, recursive=recursive, expand=expand)
        if entries is None:
            raise Denied(404, "Entry not found", "EntryNotFound", X_Repo_Commit=commit.sha)
        return _page(request, entries, self._options.tree_page)

    def _list(self, request: Request, access: Access | None) -> Answer:
        seen = [one for one in self._store.all() if not one.private or (access and access.private)]
        chosen = answers.filter_models(seen, request.query)
        expand = list(request.query.get("expand", []))
        entries = [answers.list_entry(one, expand=expand) for one in chosen]
        limit = int(request.query.get("limit", [str(len(entries))])[0])
        return _page(request, entries[:limit], self._options.list_page)


def _check_files(repository: Repository, access: Access | None) -> None:
    if repository.disabled:
        raise Denied(403, DISABLED)
    if repository.gated and not (access and access.gated):
        message = (
            f"Access to model {repository.id} is restricted and you are not in the authorized list. "
            f"Visit https://huggingface.co/{repository.id} to ask for access."
        )
        raise Denied(401 if access is None else 403, message, "GatedRepo")


def _commit(repository: Repository, revision: str) -> Commit:
    commit = repository.commit_at(revision)
    if commit is None:
        raise Denied(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit


def _whoami(access: Access | None) -> Answer:
    if access is None:
        raise Denied(401, INVALID_TOKEN)
    token = {"type": "access_token", "accessToken": {"role": "read", "displayName": "test"}}
    return document({"type": "user", "name": "tester", "auth": token})


def _page(request: Request, entries: list[dict[str, Any]], size: int) -> Answer:
    begin = int(request.query.get("cursor", ["0"])[0])
    headers = {}
    if begin + size < len(entries):
        query = {name: values for name, values in request.query.items() if name != "cursor"}
        following = urlencode(query | {"cursor": [str(begin + size)]}, doseq=True)
        headers["Link"] = f'<{request.base_url}{request.path}?{following}>; rel="next"'
    return document(entries[begin : begin + size], headers=headers)


def _paths_info(request: Request, commit: Commit) -> Answer:
    expand = request.form.get("expand", ["false"])[0].lower() == "true"
    known = [path for path in request.form.get("paths", []) if path in commit.files]
    return document([answers.tree_entry(path, commit.files[path], commit, expand=expand) for path in known])


def _all_headers(repository: Repository, index: str) -> Answer:
    commit = answers.main_commit(repository)
    if index not in commit.files:
        raise Denied(404, "Entry not found", "EntryNotFound", X_Repo_Commit=commit.sha)
    shards = sorted(set(commit.json(index).get("weight_map", {}).values()))
    headers = {shard: answers.safetensors_header(commit.files[shard]) for shard in shards}
    return document({"index": {"metadata": commit.json(index).get("metadata", {})}, "headers": headers})


def _resolve(request: Request, repository: Repository, revision: str, path: str) -> Answer:
    commit = _commit(repository, revision)
    common = {"X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes"}
    blob = commit.files.get(path)
    if blob is None:
        raise Denied(404, "Entry not found", "EntryNotFound", **common)
    if is_lfs(path, blob):
        location = f"{request.cdn_url}/blob/{repository.id}/{quote(path)}?sig={blob.sha256}"
        linked = {"X-Linked-ETag": f'"{blob.sha256}"', "X-Linked-Size": str(blob.size), "Location": location}
        return Answer(302, common | linked | {"Content-Type": "text/plain"})
    name = path.rsplit("/", 1)[-1]
    own = {"ETag": f'"{blob.git_id}"', "Content-Disposition": f'inline; filename="{name}"'}
    return _body(request, blob, common | own)


def _body(request: Request, blob: Blob, headers: Mapping[str, str]) -> Answer:
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"} | dict(headers)
    asked = _RANGE.match(request.headers.get("range", ""))
    if asked is None:
        return Answer(200, headers, blob=blob, begin=0, end=blob.size)
    begin = int(asked[1])
    end = min(int(asked[2]) + 1 if asked[2] else blob.size, blob.size)
    if begin >= blob.size or end <= begin:
        return Answer(416, headers | {"Content-Range": f"bytes */{blob.size}"})
    return Answer(
        206, headers | {"Content-Range": f"bytes {begin}-{end - 1}/{blob.size}"}, blob=blob, begin=begin, end=end
    )
