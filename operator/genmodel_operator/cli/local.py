"""A model's facts from files of the user's own: a folder as downloaded, or ``config.json`` alone."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from genmodel_operator.api.reasons import Reason
from genmodel_operator.cli.assumed import assumed_tensors
from genmodel_operator.cli.input import REFUSED, CommandError
from genmodel_operator.hub.context_length import NoLength, context_length
from genmodel_operator.hub.facts import ModelFacts, Refused, RepoFile, served_as_nothing
from genmodel_operator.hub.parse import CONFIG, DOCUMENTS, check_servable, header_paths, parse_facts, read_document
from genmodel_operator.hub.tasks import NotServed, served_tasks
from genmodel_operator.hub.tensors import LENGTH_BYTES, InvalidHeader, decode_header, header_length, stored_precision
from genmodel_operator.sizing.shape.model import Unsizable

NO_COMMIT = "0" * 40
"""Stands for the commit of files that came from nowhere in particular."""
MOST_FILES = 100_000
NOT_SEEN = "the files were not seen: sizes of tensors are those that {name} describes, and may differ"

_SNAPSHOT = re.compile(r"models--(?P<org>[^/]+)--(?P<name>[^/]+)/snapshots/(?P<commit>[0-9a-f]{40})$")
"""A folder of the Hub's own cache."""


def is_path(text: str) -> bool:
    """Whether the user means a file or folder: it starts like a path, or exists and cannot be ``org/name``."""
    if text.startswith(("./", "../", "/", "~")) or text in {".", ".."}:
        return True
    return text.count("/") != 1 and os.path.exists(text)  # noqa: PTH110 - Path raises for names too long for a file


def local_facts(path: str, *, repository: str | None = None) -> tuple[ModelFacts, tuple[str, ...]]:
    """Return the facts of a folder or of a ``config.json``, and what was assumed.

    ``repository``: what the model is called, else that follows from the path. Of weight files only
    the headers are read. Raises ``CommandError``.
    """
    found = Path(path).expanduser()
    try:
        if found.is_dir():
            return _of_folder(found, path, repository), ()
        if not found.exists():
            raise CommandError(f"{path}: there is no such file or folder")
        return _of_config(found, path, repository), (NOT_SEEN.format(name=path),)
    except Refused as refused:
        raise CommandError(
            f"{path}: {refused.reason}: {refused}", *_way_out(found, refused), exit_code=REFUSED
        ) from refused
    except OSError as error:
        raise CommandError(f"{path}: cannot be read: {error}") from error


def _way_out(folder: Path, refused: Refused) -> Iterator[str]:
    """Yield what works where a folder has no weights."""
    if refused.reason is Reason.NO_WEIGHTS and (folder / CONFIG).is_file():
        yield f"{folder}: without weights the sizes of {CONFIG} can be used: genmodel plan {folder / CONFIG}"


def _of_folder(folder: Path, path: str, repository: str | None) -> ModelFacts:
    snapshot = _SNAPSHOT.search(folder.resolve().as_posix())
    named = repository or (f"{snapshot['org']}/{snapshot['name']}" if snapshot else _named_after(folder))
    info = {"id": named, "sha": snapshot["commit"] if snapshot else NO_COMMIT}
    tree = list(_tree(folder, path))
    present = {file.path for file in tree}
    if CONFIG not in present:
        raise CommandError(f"{path}: there is no {CONFIG} in this folder")
    documents = {name: _document(folder / name) for name in DOCUMENTS if name in present}
    check_servable(info=info, tree=tree, documents=documents)
    sizes = {file.path: file.size_bytes for file in tree}
    headers = {name: _header(folder / name, sizes[name]) for name in header_paths(tree, documents)}
    return parse_facts(info=info, tree=tree, documents=documents, headers=headers)


def _tree(folder: Path, path: str) -> Iterator[RepoFile]:
    """Yield the folder's files; hidden folders hold nothing of the model."""
    count = 0
    for current, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(current) / name
            count += 1
            if count > MOST_FILES:
                raise CommandError(f"{path}: more than {MOST_FILES} files: name the model's own folder")
            if file.is_file():
                yield RepoFile(file.relative_to(folder).as_posix(), file.stat().st_size, blob_id="")


def _document(file: Path) -> Any:
    try:
        return read_document(file.name, file.read_bytes())
    except UnicodeDecodeError as error:
        raise CommandError(f"{file}: not UTF-8: {error}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{file}: no JSON: {' '.join(str(error).split())}") from error


def _header(file: Path, size_bytes: int) -> Mapping[str, Any]:
    try:
        with file.open("rb") as stream:
            length = header_length(stream.read(LENGTH_BYTES), size_bytes)
            return decode_header(stream.read(length), size_bytes)
    except InvalidHeader as error:
        raise CommandError(f"{file}: {error}; fetch the file again") from error


def _of_config(file: Path, path: str, repository: str | None) -> ModelFacts:
    config = _document(file)
    if not isinstance(config, Mapping):
        raise CommandError(f"{path}: must be a model's config.json, a JSON object")
    if not isinstance(config.get("architectures"), list) or not config["architectures"]:
        raise CommandError(f"{path}: architectures: is missing; it names the class that the engine runs")
    named = repository or _named_after(file.resolve().parent if file.name == CONFIG else file.with_suffix(""))
    try:
        tensors = assumed_tensors(config)
        tasks = served_tasks(config, modules=None, pipeline_tag=None)
        length = context_length(config, tokenizer={}, sentence={})
    except (Unsizable, NoLength) as error:
        raise CommandError(f"{path}: {error}") from error
    except NotServed as error:
        raise served_as_nothing(named, str(error)) from error
    quantization = config.get("quantization_config")
    declared = quantization if isinstance(quantization, Mapping) else {}
    weights_bytes = sum(tensor.size_bytes for tensor in tensors)
    return ModelFacts(
        repository=named,
        commit=NO_COMMIT,
        architecture=str(config["architectures"][0]),
        model_type=str(config.get("model_type", "")),
        task=tasks[0],
        tasks=tasks,
        config=config,
        files=(RepoFile(CONFIG, file.stat().st_size, ""), RepoFile("model.safetensors", weights_bytes, "")),
        tensors=tensors,
        parameters=_parameters(tensors),
        weights_bytes=weights_bytes,
        stored_precision=stored_precision(tensors, declared),
        quantization=str(declared["quant_method"]) if declared.get("quant_method") else None,
        max_context=length.tokens,
        provenance={"tensors": "assumed from config.json"},
    )


def _parameters(tensors: Sequence[Any]) -> int:
    return sum(prod(tensor.shape) for tensor in tensors)


def _named_after(path: Path) -> str:
    """Return a repository's name for files that have none."""
    words = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.name)
    cleaned = re.sub(r"\.{2,}|-{2,}", "-", words).strip("-.").removesuffix(".git")
    return f"local/{cleaned[:90] or 'model'}"
