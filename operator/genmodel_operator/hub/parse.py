"""From what the Hub answered to ``ModelFacts``, or to the reason why the model is not served."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from genmodel_operator.api.reasons import Reason
from genmodel_operator.hub.chat_template import CHAT_TEMPLATE, TOKENIZER_CONFIG, added_tokens, tool_template
from genmodel_operator.hub.context_length import ContextLength, NoLength, context_length, text_config
from genmodel_operator.hub.facts import ModelFacts, Refused, RepoFile, ServedTask, Tensor, served_as_nothing
from genmodel_operator.hub.remote_code import check_code, naming_file, refuse_unpinned
from genmodel_operator.hub.tasks import NotServed, served_tasks
from genmodel_operator.hub.tensors import InvalidHeader, read_header, stored_precision
from genmodel_runtime.selection import WEIGHT_INDEX, indexed_shards, wanted_paths, weight_paths

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
MODULES = "modules.json"
QUANTIZATION_CONFIG = "hf_quant_config.json"
SENTENCE_CONFIGS = tuple(
    f"sentence_{kind}_config.json" for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta")
)
DOCUMENTS = (
    CONFIG, TOKENIZER_CONFIG, ADAPTER_CONFIG, MODULES, QUANTIZATION_CONFIG, WEIGHT_INDEX, *SENTENCE_CONFIGS,
    CHAT_TEMPLATE,
)  # fmt: skip
"""The files that facts are read from, where the repository has them; all are JSON but the template."""

INFO_FIELDS = ("sha", "private", "gated", "disabled", "pipeline_tag", "cardData", "tags")
"""The fields of the model's info that facts are read from."""

_CHAT_TEMPLATES = frozenset({CHAT_TEMPLATE, "chat_template.json"})
_PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_NOT_WEIGHTS = frozenset({"training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "optimizer.bin"})
_NUMBERED = re.compile(r"(?P<stem>.+)-(?P<number>\d+)-of-(?P<count>\d+)\.safetensors", re.ASCII)
_DRAFT_TYPES = frozenset({"eagle", "medusa", "mlp_speculator"})


def read_document(path: str, content: bytes) -> Any:
    """Return one of ``DOCUMENTS`` as its content says: text of a template, else JSON; raises ``ValueError``."""
    return content.decode() if path == CHAT_TEMPLATE else json.loads(content)


def parse_facts(
    *,
    info: Mapping[str, Any],
    tree: Sequence[RepoFile],
    documents: Mapping[str, Any],
    headers: Mapping[str, Mapping[str, Any]],
) -> ModelFacts:
    """Return the facts of a repository at one commit.

    ``info`` is the Hub's model info with ``id`` and ``sha``; ``tree`` all files of the commit;
    ``documents`` what ``read_document`` returned by path; ``headers`` the safetensors header
    of each file of ``header_paths``. Raises ``Refused``.
    """
    repository = str(info["id"])
    check_servable(info=info, tree=tree, documents=documents)
    remote_code = naming_file(documents)
    files = select_files(tree, documents, has_code=bool(remote_code))
    tensors = _tensors(repository, files, documents, headers)
    return replace(_facts(info, files, tree, documents, tensors, origin="Hub"), remote_code=remote_code)


def facts_of_tensors(
    *,
    info: Mapping[str, Any],
    tree: Sequence[RepoFile],
    documents: Mapping[str, Any],
    tensors: Sequence[Tensor],
    origin: str,
) -> ModelFacts:
    """Return the facts of files whose headers were checked where they are, at ``origin``; raises ``Refused``."""
    refuse_unpinned(str(info["id"]), documents, place=origin)
    check_servable(info=info, tree=tree, documents=documents)
    _check_unique(str(info["id"]), tensors)
    return _facts(info, select_files(tree, documents), tree, documents, tensors, origin=origin)


def _facts(
    info: Mapping[str, Any],
    files: Sequence[RepoFile],
    tree: Sequence[RepoFile],
    documents: Mapping[str, Any],
    tensors: Sequence[Tensor],
    *,
    origin: str,
) -> ModelFacts:
    repository = str(info["id"])
    config: Mapping[str, Any] = documents[CONFIG]
    tasks = _tasks(info, documents)
    length = _context(repository, documents)
    quantization = _quantization(documents)
    license_name, license_source = _license(info)
    return ModelFacts(
        repository=repository,
        commit=str(info["sha"]),
        architecture=config["architectures"][0],
        model_type=config["model_type"],
        task=tasks[0],
        tasks=tasks,
        config=config,
        files=tuple(files),
        tensors=tuple(tensors),
        parameters=sum(prod(tensor.shape) for tensor in tensors),
        weights_bytes=sum(tensor.size_bytes for tensor in tensors),
        stored_precision=stored_precision(tensors, quantization),
        quantization=_text(quantization.get("quant_method")),
        max_context=length.tokens,
        license=license_name,
        gated=bool(info.get("gated")),
        has_chat_template=_has_chat_template(tree, documents),
        chat_template=tool_template(documents),
        added_tokens=added_tokens(documents),
        provenance=_provenance(length, license_source, quantization=quantization, origin=origin),
    )


def check_servable(*, info: Mapping[str, Any], tree: Sequence[RepoFile], documents: Mapping[str, Any]) -> None:
    """Raise ``Refused`` for all that shows without a look at the weights."""
    repository = str(info["id"])
    paths = [file.path for file in tree]
    _check_weights(repository, str(info["sha"]), paths, documents)
    for path, document in documents.items():
        if path not in (MODULES, CHAT_TEMPLATE) and not isinstance(document, Mapping):
            raise _invalid(repository, path, "not a JSON object")
    _check_config(repository, documents.get(CONFIG))
    check_code(repository, paths, documents)
    config: Mapping[str, Any] = documents[CONFIG]
    if config.get("speculators_config") or config["model_type"] in _DRAFT_TYPES:
        raise Refused(Reason.DRAFT_MODEL, repository=repository, architecture=config["architectures"][0])
    _tasks(info, documents)
    _check_index(repository, paths, documents)
    _check_shards(repository, paths)


def select_files(tree: Sequence[RepoFile], documents: Mapping[str, Any], *, has_code: bool = False) -> list[RepoFile]:
    """Return the files that a pod fetches, sorted by path; Python files only where the engine has to run them."""
    by_path = {file.path: file for file in tree}
    wanted = wanted_paths(list(by_path), allow_remote_code=has_code, index=documents.get(WEIGHT_INDEX))
    return [by_path[path] for path in wanted]


def header_paths(tree: Sequence[RepoFile], documents: Mapping[str, Any]) -> list[str]:
    """Return the weight files whose headers ``parse_facts`` needs."""
    return weight_paths([file.path for file in tree], index=documents.get(WEIGHT_INDEX))


def _invalid(repository: str, file: str, detail: str) -> Refused:
    return Refused(Reason.METADATA_INVALID, repository=repository, file=file, detail=detail)


def _check_weights(repository: str, commit: str, paths: Sequence[str], documents: Mapping[str, Any]) -> None:
    if weight_paths(paths, index=documents.get(WEIGHT_INDEX)):
        _check_modules(repository, paths)
        return
    if ADAPTER_CONFIG in paths:
        adapter = documents.get(ADAPTER_CONFIG)
        base = _text(adapter.get("base_model_name_or_path")) if isinstance(adapter, Mapping) else None
        raise Refused(Reason.ADAPTER_REPOSITORY, repository=repository, base=base or "another model")
    if "model_index.json" in paths:
        raise served_as_nothing(repository, "image or video generation (a diffusers pipeline)")
    if WEIGHT_INDEX in paths:
        raise _invalid(repository, WEIGHT_INDEX, "none of the files that it names is in the repository")
    for suffixes, reason in (((".gguf",), Reason.GGUF_ONLY), (_PICKLE_SUFFIXES, Reason.PICKLE_ONLY)):
        if example := _first(paths, suffixes):
            raise Refused(reason, repository=repository, example=example)
    raise Refused(Reason.NO_WEIGHTS, repository=repository, commit=commit)


def _check_modules(repository: str, paths: Sequence[str]) -> None:
    # The engine would leave such a layer out without a word, and every vector would be wrong.
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder[:1].isdigit() and name == "pytorch_model.bin" and f"{folder}/model.safetensors" not in paths:
            raise Refused(Reason.PICKLE_ONLY, repository=repository, example=path)


def _first(paths: Sequence[str], suffixes: tuple[str, ...]) -> str | None:
    names = (path for path in sorted(paths) if path.rsplit("/", 1)[-1] not in _NOT_WEIGHTS)
    return next((path for path in names if path.endswith(suffixes)), None)


def _check_config(repository: str, config: object) -> None:
    if not isinstance(config, Mapping):
        raise _invalid(repository, CONFIG, "the file is missing")
    architectures = config.get("architectures")
    if not isinstance(architectures, list) or not architectures or not isinstance(architectures[0], str):
        raise _invalid(repository, CONFIG, "architectures is missing")
    if not isinstance(config.get("model_type"), str) or not config["model_type"]:
        raise _invalid(repository, CONFIG, "model_type is missing")


def _check_index(repository: str, paths: Sequence[str], documents: Mapping[str, Any]) -> None:
    if WEIGHT_INDEX not in paths:
        return
    shards = indexed_shards(documents.get(WEIGHT_INDEX))
    if not shards:
        raise _invalid(repository, WEIGHT_INDEX, "weight_map is missing or empty")
    missing = sorted(shards - set(weight_paths(paths, index=documents[WEIGHT_INDEX])))
    if missing:
        raise _invalid(repository, WEIGHT_INDEX, f"it names {missing[0]}, which is not in the repository")


def _check_shards(repository: str, paths: Sequence[str]) -> None:
    """Refuse numbered shards of which one is not there; an index names the files itself."""
    weights = set() if WEIGHT_INDEX in paths else set(weight_paths(paths))
    for match in filter(None, map(_NUMBERED.fullmatch, sorted(weights))):
        stem, digits, count = match["stem"], len(match["number"]), match["count"]
        for number in range(1, int(count) + 1):
            name = f"{stem}-{number:0{digits}}-of-{count}.safetensors"
            if name not in weights:
                raise _invalid(repository, name, f"it is one of {int(count)} shards, and not in the repository")


def _tensors(
    repository: str,
    files: Sequence[RepoFile],
    documents: Mapping[str, Any],
    headers: Mapping[str, Mapping[str, Any]],
) -> list[Tensor]:
    tensors: list[Tensor] = []
    indexed = _indexed_names(documents)
    for file in files:
        if not file.path.endswith(".safetensors"):
            continue
        if file.path not in headers:
            raise _invalid(repository, file.path, "its header is missing")
        try:
            found = read_header(headers[file.path], file.size_bytes)
        except InvalidHeader as error:
            raise _invalid(repository, file.path, str(error)) from error
        if missing := sorted(indexed.get(file.path, set()) - {tensor.name for tensor in found}):
            detail = f"tensor {missing[0]}: the index names it, but it is not in the file"
            raise _invalid(repository, file.path, detail)
        tensors += _in_folder(file.path, found)
    _check_unique(repository, tensors)
    return tensors


def _indexed_names(documents: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return the names of the tensors that the index places in each shard."""
    names: dict[str, set[str]] = {}
    for name, shard in documents[WEIGHT_INDEX]["weight_map"].items() if WEIGHT_INDEX in documents else ():
        names.setdefault(str(shard), set()).add(name)
    return names


def _in_folder(path: str, tensors: Sequence[Tensor]) -> list[Tensor]:
    folder, _, _ = path.rpartition("/")
    if not folder:
        return list(tensors)
    return [Tensor(f"{folder}/{tensor.name}", tensor.dtype, tensor.shape, tensor.size_bytes) for tensor in tensors]


def _check_unique(repository: str, tensors: Sequence[Tensor]) -> None:
    name, count = next(iter(Counter(tensor.name for tensor in tensors).most_common(1)), ("", 0))
    if count > 1:
        raise _invalid(repository, "model*.safetensors", f"tensor {name}: it is in {count} files")
    if not tensors:
        raise _invalid(repository, "model*.safetensors", "no tensor in any file")


def _tasks(info: Mapping[str, Any], documents: Mapping[str, Any]) -> tuple[ServedTask, ...]:
    try:
        return served_tasks(
            documents[CONFIG],
            modules=documents.get(MODULES),
            pipeline_tag=_text(info.get("pipeline_tag")),
        )
    except NotServed as error:
        raise served_as_nothing(str(info["id"]), str(error)) from error


def _context(repository: str, documents: Mapping[str, Any]) -> ContextLength:
    sentence: Mapping[str, Any] = next((documents[path] for path in SENTENCE_CONFIGS if path in documents), {})
    try:
        return context_length(documents[CONFIG], tokenizer=documents.get(TOKENIZER_CONFIG, {}), sentence=sentence)
    except NoLength as error:
        raise _invalid(repository, CONFIG, str(error)) from error


def _quantization(documents: Mapping[str, Any]) -> Mapping[str, Any]:
    config = documents[CONFIG]
    for part in (config, text_config(config)):
        for name in ("quantization_config", "compression_config"):
            if isinstance(found := part.get(name), Mapping):
                return found
    # ModelOpt's own file, of checkpoints that were exported before it wrote into config.json.
    found = documents.get(QUANTIZATION_CONFIG, {}).get("quantization")
    return {"quant_method": "modelopt", **found} if isinstance(found, Mapping) else {}


def _license(info: Mapping[str, Any]) -> tuple[str | None, str]:
    card, tags = info.get("cardData"), info.get("tags")
    if isinstance(card, Mapping):
        named = card.get("license")
        if named == "other":
            named = card.get("license_name") or named
        said = ", ".join(str(one) for one in named) if isinstance(named, list) else _text(named)
        if said:
            return said, "model card"
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, str) and tag.startswith("license:"):
            return tag.removeprefix("license:"), "Hub tags"
    return None, ""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _has_chat_template(tree: Sequence[RepoFile], documents: Mapping[str, Any]) -> bool:
    if documents.get(TOKENIZER_CONFIG, {}).get("chat_template"):
        return True
    return any(file.path in _CHAT_TEMPLATES for file in tree)


def _provenance(
    length: ContextLength, license_source: str, *, quantization: Mapping[str, Any], origin: str
) -> dict[str, str]:
    headers = "safetensors headers"
    sources = {
        "commit": origin,
        "architecture": CONFIG,
        "model_type": CONFIG,
        "tasks": f"{CONFIG}, {MODULES}, pipeline tag",
        "files": "file list of the commit",
        "tensors": headers,
        "parameters": headers,
        "weights_bytes": headers,
        "stored_precision": "quantisation settings" if quantization else headers,
        "max_context": length.source,
        "gated": origin,
        "has_chat_template": f"{TOKENIZER_CONFIG}, file list",
        "remote_code": f"auto_map of {CONFIG} and {TOKENIZER_CONFIG}",
        "chat_template": f"{CHAT_TEMPLATE}, {TOKENIZER_CONFIG}",
        "added_tokens": TOKENIZER_CONFIG,
    }
    return sources | ({"license": license_source} if license_source else {})
