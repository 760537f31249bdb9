"""Which files of a repository are fetched and served.

The operator sizes a model by these files and the runtime fetches them, so both use this module.
It is pure, needs only the standard library and runs on Python 3.10.
"""

import re
from collections.abc import Mapping, Sequence

WEIGHT_INDEX = "model.safetensors.index.json"
"""Names, where it exists, the weight file of every tensor."""
PICKLE_INDEX = "pytorch_model.bin.index.json"

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.+ -]*"
_ROOT_FILE = re.compile(_NAME)
# sentence-transformers keeps its pooling and dense layers in folders such as 1_Pooling.
_MODULE_FILE = re.compile(rf"\d+_\w+/{_NAME}", re.ASCII)
_MODULE_WEIGHTS = re.compile(r"\d+_\w+/model\.safetensors", re.ASCII)
_TEMPLATE_FILE = re.compile(rf"additional_chat_templates/{_NAME}\.jinja")
_SHARD = re.compile(r"(?!consolidated|adapter).+-of-\d+\.safetensors", re.ASCII)
_PICKLE_WEIGHTS = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin", re.ASCII)

_TEXT_SUFFIXES = (".json", ".txt", ".model", ".jinja", ".tiktoken")
# Weights in all formats, and the indices of those that were not chosen.
_OTHER_SUFFIXES = (
    ".index.json",
    ".safetensors",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".gguf",
    ".onnx",
    ".h5",
    ".msgpack",
    ".npz",
)


def wanted_paths(
    paths: Sequence[str],
    *,
    allow_pickle: bool = False,
    allow_remote_code: bool = False,
    index: Mapping[str, object] | None = None,
) -> list[str]:
    """Return the files to fetch, sorted: weights and what the engine reads beside them.

    ``paths`` are all files of the commit. ``index`` is the parsed ``model.safetensors.index.json``
    where there is one: then exactly the shards that it names are taken. Without it the shards are
    told by their names, which gives the same in all but odd repositories. Names that could leave
    the target folder are never returned.
    """
    weights = set(weight_paths(paths, allow_pickle=allow_pickle, index=index))
    chosen = set(weights)
    if any(_PICKLE_WEIGHTS.fullmatch(path) for path in weights):
        chosen.update(path for path in paths if path == PICKLE_INDEX)
    for path in paths:
        if path == WEIGHT_INDEX or _is_text(path) or (allow_remote_code and _is_code(path)):
            chosen.add(path)
    return sorted(chosen)


def weight_paths(
    paths: Sequence[str], *, allow_pickle: bool = False, index: Mapping[str, object] | None = None
) -> list[str]:
    """Return the weight files among the wanted ones, sorted; empty where there are none to serve."""
    root = [path for path in paths if _ROOT_FILE.fullmatch(path) and path.endswith(".safetensors")]
    weights = _indexed(root, index) if WEIGHT_INDEX in paths else _unindexed(root)
    if not weights and allow_pickle:
        return sorted(path for path in paths if _PICKLE_WEIGHTS.fullmatch(path))
    if not weights:
        return []
    return sorted({*weights, *(path for path in paths if _MODULE_WEIGHTS.fullmatch(path))})


def indexed_shards(index: Mapping[str, object] | None) -> set[str]:
    """Return the names of the shards in a parsed index; empty where it has no valid ``weight_map``."""
    weight_map = index.get("weight_map") if isinstance(index, Mapping) else None
    if not isinstance(weight_map, Mapping):
        return set()
    return {shard for shard in weight_map.values() if isinstance(shard, str)}


def _indexed(root: Sequence[str], index: Mapping[str, object] | None) -> list[str]:
    named = indexed_shards(index)
    if named:
        return [path for path in root if path in named]
    shards = [path for path in root if _SHARD.fullmatch(path)]
    return shards or _unindexed(root)


def _unindexed(root: Sequence[str]) -> list[str]:
    if "model.safetensors" in root:
        return ["model.safetensors"]
    return [path for path in root if path.startswith("model")]


def _is_code(path: str) -> bool:
    return bool(_ROOT_FILE.fullmatch(path)) and path.endswith(".py")


def _is_text(path: str) -> bool:
    if _TEMPLATE_FILE.fullmatch(path):
        return True
    if not (_ROOT_FILE.fullmatch(path) or _MODULE_FILE.fullmatch(path)) or path.endswith(_OTHER_SUFFIXES):
        return False
    name = path.rsplit("/", 1)[-1]
    return name.endswith(_TEXT_SUFFIXES) or (name.startswith("tokenizer") and not name.endswith((".md", ".py")))
