"""A program for the real engine's Python: what it finds out about the classes of its models.

Reads a list of architectures from standard input. Answers with ``models``, what each class says that can be imported
here, by the name of the file in which the engine keeps it; ``architectures``, which lead to them; and ``inspected``,
what the engine itself takes the listed ones for, from the files that are in its cache folder and from nothing else.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import vllm
from vllm.model_executor.models import registry
from vllm.model_executor.models.registry import ModelRegistry

COMMON = "vllm.model_executor.models."
"""Modules elsewhere are one device's own."""


def refuse(_: Callable[[], Any]) -> Any:
    raise AssertionError("the engine asks a process of its own")


def main() -> None:
    asked = json.load(sys.stdin)
    registry._run_in_subprocess = refuse
    inspected = {name: asdict(ModelRegistry.models[name].inspect_model_cls()) for name in asked}
    lazy = {name: model for name, model in ModelRegistry.models.items() if model.module_name.startswith(COMMON)}
    files = {name: model._get_cache_filename().removesuffix(".json") for name, model in lazy.items()}
    models: dict[str, Any] = {}
    for name, model in lazy.items():
        if files[name] not in models and (told := tell(model)) is not None:
            models[files[name]] = told
    release = vllm.__version__.partition("+")[0]
    print(json.dumps({"vllm": release, "architectures": files, "models": models, "inspected": inspected}))


def tell(model: Any) -> dict[str, Any] | None:
    """Return what the engine would keep of a class, None where it cannot be imported here."""
    try:
        info = registry._ModelInfo.from_model_cls(model.load_model_cls())
    except ImportError:
        return None
    spec = find_spec(model.module_name)
    assert spec is not None
    assert spec.origin is not None
    return {"hash": model._get_modelinfo_module_hash(Path(spec.origin)), "modelinfo": asdict(info)}


main()
