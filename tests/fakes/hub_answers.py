"""The JSON documents of the Hub's API."""

import json
import re
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from tests.fakes.hub_store import Blob, Commit, Repository, is_lfs

POINTER_BYTES = 135
WHEN = "2026-01-01T00:00:00.000Z"
_LIST_FIELDS = (
    "_id", "id", "likes", "private", "downloads", "tags", "pipeline_tag", "library_name", "createdAt", "modelId",
)  # fmt: skip
_ONLY_EXPANDED = ("downloadsAllTime", "trendingScore")
_SCALES = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}


def model_info(repository: Repository, commit: Commit, *, expand: list[str], blobs: bool) -> dict[str, Any]:
    """A model's info; with ``expand`` only what it names, else all but the costly fields."""
    full = _full_info(repository, commit)
    if expand:
        siblings = {"siblings": [{"rfilename": path} for path in sorted(commit.files)]}
        return {"_id": full["_id"], "id": full["id"]} | {
            name: value for name, value in (full | siblings).items() if name in expand
        }
    siblings_list = [_sibling(path, blob, blobs=blobs) for path, blob in sorted(commit.files.items())]
    return {name: value for name, value in full.items() if name not in _ONLY_EXPANDED} | {"siblings": siblings_list}


def list_entry(repository: Repository, *, expand: list[str]) -> dict[str, Any]:
    """A model in a list."""
    full = _full_info(repository, main_commit(repository))
    names = ("_id", "id", *expand) if expand else _LIST_FIELDS
    return {name: full[name] for name in names if name in full}


def main_commit(repository: Repository) -> Commit:
    commit = repository.commit_at("main")
    assert commit is not None
    return commit


def _full_info(repository: Repository, commit: Commit) -> dict[str, Any]:
    config = commit.json("config.json")
    return {
        "_id": "0" * 24,
        "id": repository.id,
        "modelId": repository.id,
        "author": repository.id.split("/")[0],
        "sha": commit.sha,
        "lastModified": WHEN,
        "createdAt": WHEN,
        "private": repository.private,
        "gated": repository.gated,
        "disabled": repository.disabled,
        "downloads": repository.downloads,
        "downloadsAllTime": repository.downloads * 10,
        "likes": repository.likes,
        "trendingScore": repository.likes,
        "library_name": repository.library_name,
        "pipeline_tag": repository.pipeline_tag,
        "tags": model_tags(repository, commit),
        "cardData": {"license": repository.license, "pipeline_tag": repository.pipeline_tag},
        "config": {name: config[name] for name in _CONFIG_FIELDS if name in config}
        | {"tokenizer_config": _tokenizer_part(commit)},
        "transformersInfo": {"auto_model": "AutoModel", "pipeline_tag": repository.pipeline_tag},
        "safetensors": safetensors_counts(commit),
        "usedStorage": sum(blob.size for one in repository.commits for blob in one.files.values()),
        "spaces": [],
        "widgetData": [],
    }


_CONFIG_FIELDS = ("architectures", "model_type", "auto_map", "quantization_config")


def _tokenizer_part(commit: Commit) -> dict[str, Any]:
    tokenizer = commit.json("tokenizer_config.json")
    return {name: tokenizer[name] for name in ("bos_token", "eos_token", "chat_template") if name in tokenizer}


def model_tags(repository: Repository, commit: Commit) -> list[str]:
    config = commit.json("config.json")
    tags = [repository.library_name, config.get("model_type"), repository.pipeline_tag, "region:us"]
    if any(path.endswith(".safetensors") for path in commit.files):
        tags.append("safetensors")
    if repository.license:
        tags.append(f"license:{repository.license}")
    return [tag for tag in tags if tag]


def safetensors_header(blob: Blob) -> dict[str, Any]:
    length = int.from_bytes(blob.read(0, 8), "little")
    header: dict[str, Any] = json.loads(blob.read(8, 8 + length))
    return header


def safetensors_counts(commit: Commit) -> dict[str, Any]:
    """Numbers of elements by dtype."""
    counts: dict[str, int] = {}
    for path, blob in commit.files.items():
        if path.endswith(".safetensors"):
            try:
                header = safetensors_header(blob)
            except ValueError:
                continue  # a file that a test broke on purpose
            for name, tensor in header.items():
                if name != "__metadata__":
                    counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + prod(tensor["shape"])
    return {"parameters": counts, "total": sum(counts.values())}


def _sibling(path: str, blob: Blob, *, blobs: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"rfilename": path}
    if blobs:
        entry |= {"blobId": blob.git_id, "size": blob.size}
        if is_lfs(path, blob):
            entry["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": POINTER_BYTES}
    return entry


def tree_entry(path: str, blob: Blob, commit: Commit, *, expand: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": blob.git_id, "size": blob.size, "path": path}
    if is_lfs(path, blob):
        entry["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": POINTER_BYTES}
    if expand:
        entry["lastCommit"] = {"id": commit.sha, "title": commit.title, "date": WHEN}
        entry["securityFileStatus"] = {"status": "safe", "avScan": {"status": "safe"}, "pickleImportScan": None}
    return entry


def tree(commit: Commit, folder: str, *, recursive: bool, expand: bool) -> list[dict[str, Any]] | None:
    """The entries below a folder; None where there is no such folder."""
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    inside = {path: blob for path, blob in commit.files.items() if path.startswith(prefix)}
    if prefix and not inside:
        return None
    folders: set[str] = set()
    for path in inside:
        steps = path.removeprefix(prefix).split("/")[:-1]
        folders |= {prefix + "/".join(steps[: depth + 1]) for depth in range(len(steps))}
    entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in sorted(folders)]
    entries += [tree_entry(path, blob, commit, expand=expand) for path, blob in sorted(inside.items())]
    if recursive:
        return entries
    return [entry for entry in entries if "/" not in str(entry["path"]).removeprefix(prefix)]


def refs(repository: Repository) -> dict[str, Any]:
    def entry(name: str, kind: str) -> dict[str, str]:
        return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": repository.refs[name]}

    branches = [entry(name, "heads") for name in repository.refs if name not in repository.tags]
    return {"branches": branches, "tags": [entry(name, "tags") for name in sorted(repository.tags)], "converts": []}


def filter_models(repositories: Iterable[Repository], query: Mapping[str, list[str]]) -> list[Repository]:
    """The models that a list asks for, best first."""
    chosen = [one for one in repositories if all(_passes(one, name, query[name]) for name in query)]
    keys = {"downloads": lambda one: one.downloads, "likes": lambda one: one.likes}
    key = keys.get(query.get("sort", ["likes"])[0], keys["likes"])
    return sorted(chosen, key=key, reverse=True)


def _passes(repository: Repository, name: str, values: list[str]) -> bool:
    value = values[0]
    if name == "author":
        return repository.id.lower().startswith(value.lower())
    if name == "search":
        return value.lower() in repository.id.lower()
    if name == "pipeline_tag":
        return repository.pipeline_tag == value
    if name == "gated":
        return bool(repository.gated) == (value == "true")
    if name == "filter":
        return set(values) <= set(model_tags(repository, main_commit(repository)))
    if name == "num_parameters":
        return _in_range(safetensors_counts(main_commit(repository))["total"], value)
    return True


def _in_range(count: int, wanted: str) -> bool:
    for bound, number, scale in re.findall(r"(min|max):([\d.]+)([KMB]?)", wanted):
        limit = float(number) * _SCALES[scale]
        if (bound == "min" and count < limit) or (bound == "max" and count > limit):
            return False
    return True
