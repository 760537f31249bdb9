"""What the engine's release knows: the names of its architectures and of its quantisation methods.

The table is the one of ``genmodel_operator.engines``. It is read here as data, because engines stand
on sizing and not the other way round.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from genmodel_operator.settings import ENGINE_VERSION


@dataclass(frozen=True, slots=True)
class EngineNames:
    """The names.

    Attributes:
        version: release of vLLM.
        categories: category of every architecture that the release knows.
        removed: last release that served an architecture that was dropped.
        quantization: methods that it reads.

    """

    version: str
    categories: Mapping[str, str]
    removed: Mapping[str, str]
    quantization: tuple[str, ...]


@cache
def engine_names() -> EngineNames:
    """Return the names; read once."""
    file = files("genmodel_operator").joinpath("engines", f"vllm-{ENGINE_VERSION}.json")
    table = json.loads(file.read_text(encoding="utf-8"))
    return EngineNames(
        table["vllm"], table["architectures"], table["previously_supported_until"], tuple(table["quantization"])
    )
