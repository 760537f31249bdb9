"""From what an inspection of a user's volume told to ``ModelFacts``, with the same parser as for a Hub. Pure."""

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from genmodel_operator.hub.facts import ModelFacts, RepoFile, Tensor
from genmodel_operator.hub.parse import facts_of_tensors
from genmodel_operator.hub.tensors import DTYPE_BITS
from genmodel_runtime.contract import CONTRACT
from genmodel_runtime.folding import unfold, unpack
from genmodel_runtime.selection import WEIGHT_INDEX

CLAIM_ORIGIN = "files on the claim"


def read_inspection(message: str) -> Mapping[str, Any]:
    """Return what a pod's termination message tells of a model's folder.

    Raises ``ValueError`` where it tells nothing of the kind, is of another release or damaged.
    """
    try:
        document = json.loads(message)
        packed, contract = str(document["inspection"]), document["contract"]
    except (ValueError, KeyError, TypeError):
        raise ValueError("the pod that read it left no result") from None
    if contract != CONTRACT:
        raise ValueError(f"the pod that read it speaks version {contract!r} of the contract, not {CONTRACT}")
    found: Mapping[str, Any] = json.loads(unpack(packed))
    return found


def facts_of_inspection(repository: str, found: Mapping[str, Any]) -> ModelFacts:
    """Return the facts of a folder that is served as ``repository``.

    Raises ``Refused`` where it cannot be served, ``ValueError`` where what was told is damaged.
    """
    try:
        files = [_file(entry) for entry in found["files"]]
        tree = [*files, *map(_file, found["others"])]
        documents = dict(found["documents"])
        if found["indexed"]:
            documents[WEIGHT_INDEX] = _index(files)
        tensors = [_tensor(name, dtype, shape) for name, dtype, shape in unfold(found["tensors"])]
        info = {"id": repository, "sha": str(found["digest"])}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"damaged: {type(error).__name__}: {error}") from error
    return facts_of_tensors(info=info, tree=tree, documents=documents, tensors=tensors, origin=CLAIM_ORIGIN)


def _file(entry: Sequence[Any]) -> RepoFile:
    path, size_bytes = entry
    return RepoFile(str(path), int(size_bytes), blob_id="")


def _index(files: Sequence[RepoFile]) -> dict[str, Any]:
    """Return an index that names the shards; which tensor is in which was compared where the files are."""
    shards = (file.path for file in files if file.path.endswith(".safetensors") and "/" not in file.path)
    return {"weight_map": {shard: shard for shard in shards}}


def _tensor(name: str, dtype: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(name, dtype, shape, prod(shape) * DTYPE_BITS[dtype] // 8)
