"""What vLLM finds out about the code of a model, brought along instead of found out at each start.

To know what a model's class can do, vLLM imports itself once more in a process of its own, which takes about as
long as the whole import of its server, and keeps the answer by the hash of the code in its cache folder. The
folder of a new pod is empty. ``known_models.json`` has the answers for one release
(``scripts/known_models.py`` writes it); any other release finds them out itself, as do models that are not in it.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from genmodel_runtime.console import say

KNOWN = Path(__file__).with_name("known_models.json")
CACHE_ROOT = "VLLM_CACHE_ROOT"
_VERSION = re.compile(r"""^__version__ *= *(?:version *= *)?["'](?P<release>[^"']+)["']""", re.MULTILINE)
FOLDER = "modelinfos"
"""Where vLLM looks below its cache folder, and the form that it writes: ``_LazyRegisteredModel`` in its registry."""


def bring_known_models(engine_args: Sequence[str], environ: Mapping[str, str]) -> None:
    """Write what is known of the model's classes to where the engine looks for it; without it, it only starts later."""
    root, model = environ.get(CACHE_ROOT), model_folder(engine_args)
    if root is None or model is None:
        return
    try:
        for name, document in known_of(architectures(model), engine_version()).items():
            _write(Path(root) / FOLDER, name, document)
    except (OSError, ValueError, RecursionError) as error:
        # RecursionError: the configuration is whatever somebody put into a repository.
        say(f"what is known of the model's code cannot be brought along, so the engine finds it out: {error}")


def model_folder(engine_args: Sequence[str]) -> Path | None:
    """Return the folder that ``--model`` names, None without it."""
    names = [value for flag, value in pairwise(engine_args) if flag == "--model"]
    return Path(names[-1]) if names else None


def architectures(model: Path) -> list[str]:
    """Return what the model's configuration calls its classes; raises ``OSError`` and ``ValueError``."""
    found = json.loads((model / "config.json").read_bytes())
    named = found.get("architectures") if isinstance(found, dict) else None
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []


def engine_version() -> str:
    """Return the installed engine's release without the name of its build, empty where there is none.

    Told by a file of its package: distributions are named by device, and importing it takes seconds.
    """
    found = find_spec("vllm")
    if found is None or found.origin is None:
        return ""
    told = _VERSION.search(Path(found.origin).with_name("_version.py").read_text())
    return told["release"].partition("+")[0] if told else ""


def known_of(names: Sequence[str], release: str, known: Path = KNOWN) -> dict[str, dict[str, Any]]:
    """Return the engine's files about the classes that some architectures lead to, by name, for one release."""
    table = json.loads(known.read_bytes())
    if table["vllm"] != release:
        return {}
    files = [table["architectures"][name] for name in names if name in table["architectures"]]
    return {f"{file}.json": _document(table, file) for file in files}


def _document(table: Mapping[str, Any], file: str) -> dict[str, Any]:
    entry = table["models"][file]
    return {"hash": entry["hash"], "modelinfo": {**table["usual"], **entry["modelinfo"]}}


def _write(folder: Path, name: str, document: Mapping[str, Any]) -> None:
    """Write a file as a whole; one that the engine wrote itself stays."""
    if (folder / name).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{name}.{os.getpid()}"
    new.write_text(json.dumps(document))
    new.replace(folder / name)
