"""``inspect``: what the operator has to know of a model on a user's volume, told in the few bytes that a pod can leave.

The operator cannot read the volume. A pod's termination message can be 4096 bytes long: enough, since tensors are
told by patterns and documents without what nobody reads.
"""

import json
from collections.abc import Mapping
from typing import Any

from genmodel_runtime.console import say
from genmodel_runtime.contract import CONTRACT, TERMINATION_LOG_MAX_BYTES, ExitCode, RuntimeReason
from genmodel_runtime.folding import MOST_TENSORS, Entry, fold, pack
from genmodel_runtime.headers import read_tensors
from genmodel_runtime.selection import WEIGHT_INDEX, indexed_shards
from genmodel_runtime.settings import InspectSettings
from genmodel_runtime.source import SourceBroken, SourceFolder, open_source
from genmodel_runtime.termination import report_failure

INDEXED = "indexed"
MOST_OTHERS = 20
"""Files told beside those that are served: the operator names one of them where no weights are there."""

_WHOLE = ("config.json", "modules.json", "hf_quant_config.json")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "tokenizer_config.json": ("auto_map", "model_max_length"),
    "adapter_config.json": ("base_model_name_or_path",),
}
"""The JSON files of which only some fields are read."""
_SENTENCE = ("sentence_", "_config.json")
_TELLING = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".gguf")


def inspect_source(settings: InspectSettings) -> int:
    """Run the step; return the exit code of the container."""
    name = f"the folder {settings.path} of the claim" if settings.path else "the claim"
    try:
        source = open_source(settings.paths.models_dir / settings.path, name=name)
        document = describe(source)
        message = encode(document)
    except SourceBroken as error:
        report_failure(settings.paths.termination_log, error.failure)
        return int(error.failure.exit_code)
    settings.paths.termination_log.write_bytes(message)
    say(f"{name} was read: {len(source.wanted)} files, digest {document['digest']}")
    return int(ExitCode.DONE)


def describe(source: SourceFolder) -> dict[str, Any]:
    """Return everything that the operator reads of a repository, and the digest; raises ``SourceBroken``."""
    wanted = set(source.wanted)
    others = [path for path in sorted(source.sizes) if path not in wanted and path.endswith(_TELLING)]
    return {
        "digest": source.digest(),
        "files": [[path, source.sizes[path]] for path in source.wanted],
        "others": [[path, source.sizes[path]] for path in others[:MOST_OTHERS]],
        "documents": {path: _document(source, path) for path in source.wanted if _is_told(path)},
        INDEXED: bool(indexed_shards(source.index)),
        "tensors": fold(_tensors(source)),
    }


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the termination message that tells a document; raises ``SourceBroken`` where it is too long."""
    text = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    message = json.dumps({"contract": CONTRACT, "inspection": pack(text)}).encode()
    if len(message) > TERMINATION_LOG_MAX_BYTES:
        raise SourceBroken(
            RuntimeReason.SOURCE_INVALID,
            f"what has to be told of the model takes {len(message)} bytes, and a pod can leave "
            f"{TERMINATION_LOG_MAX_BYTES}: it has very many files, a very long config.json, or very irregular tensors",
            "keep only what is served in its folder; a model that is too irregular can be served from a Hub",
        )
    return message


def _is_told(path: str) -> bool:
    return path in _WHOLE or path in _FIELDS or path == WEIGHT_INDEX or _is_sentence(path)


def _is_sentence(path: str) -> bool:
    start, end = _SENTENCE
    return "/" not in path and path.startswith(start) and path.endswith(end)


def _document(source: SourceFolder, path: str) -> Any:
    """Return a document without what facts are not made of."""
    if path == WEIGHT_INDEX:
        # Its shards are among the files, and its tensors were compared with the headers.
        return {}
    found = source.document(path)
    if path not in _FIELDS or not isinstance(found, Mapping):
        return found
    told = {field: found[field] for field in _FIELDS[path] if found.get(field)}
    return told | ({"chat_template": True} if found.get("chat_template") else {})


def _tensors(source: SourceFolder) -> list[Entry]:
    """Return all tensors of the weights, those of a module with its folder's name; raises ``SourceBroken``."""
    files: dict[str, str] = {}
    entries: list[Entry] = []
    indexed = _indexed(source.index)
    for path in source.weights:
        folder = path.rpartition("/")[0]
        found = read_tensors(source.header(path), source.sizes[path])
        if missing := sorted(indexed.get(path, set()) - {tensor.name for tensor in found}):
            raise _broken(path, f"tensor {missing[0]}: the index names it, but it is not in the file")
        for tensor in found:
            name = f"{folder}/{tensor.name}" if folder else tensor.name
            if name in files:
                raise _broken(path, f"tensor {name}: it is in {files[name]}, too")
            files[name] = path
            entries.append((name, tensor.dtype, tensor.shape))
        if len(entries) > MOST_TENSORS:
            raise _broken(path, f"more than {MOST_TENSORS} tensors")
    return entries


def _indexed(index: Any) -> dict[str, set[str]]:
    """Return the names of the tensors that the index places in each shard."""
    names: dict[str, set[str]] = {}
    if indexed_shards(index):
        for name, shard in index["weight_map"].items():
            names.setdefault(str(shard), set()).add(name)
    return names


def _broken(path: str, detail: str) -> SourceBroken:
    return SourceBroken(RuntimeReason.SOURCE_INVALID, f"{path}: {detail}")
