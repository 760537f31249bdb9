"""Write what vLLM finds out about the classes of its models: ``python -m scripts.known_models``, after a new release.

Needs the engine's packages for CPU, which it installs where they are missing, and takes about a minute. Classes whose
own packages are not among those (such as torchvision, for images) are left out: vLLM finds them out itself.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from genmodel_runtime.known_models import KNOWN
from tests.oracle import told_by

ORACLE = "vllm_known_models.py"


def main() -> None:
    """Ask vLLM and write."""
    with TemporaryDirectory() as home:
        found = told_by(ORACLE, asked=[], home=Path(home))
    KNOWN.write_text(as_text(table_of(found)))


def table_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what vLLM told, with what most classes have in common said once."""
    infos = {name: entry["modelinfo"] for name, entry in found["models"].items()}
    usual = _usual(list(infos.values()))
    models = {
        name: {"hash": entry["hash"], "modelinfo": {k: v for k, v in infos[name].items() if usual.get(k, ...) != v}}
        for name, entry in found["models"].items()
    }
    architectures = {name: file for name, file in found["architectures"].items() if file in models}
    return {"vllm": found["vllm"], "usual": usual, "architectures": architectures, "models": models}


def _usual(infos: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the most frequent value of each field that has one."""
    counted: dict[str, Counter[str]] = {}
    for info in infos:
        for field, value in info.items():
            counted.setdefault(field, Counter())[json.dumps(value)] += 1
    first = {field: values.most_common(1)[0] for field, values in counted.items()}
    return {field: json.loads(value) for field, (value, count) in sorted(first.items()) if count > len(infos) / 2}


def as_text(table: Mapping[str, Any]) -> str:
    """Return the table as JSON with a class in each line, so that a change of one is seen as one."""

    def lines(entries: Mapping[str, Any]) -> str:
        return ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(entries.items()))

    parts = [f'"vllm": {json.dumps(table["vllm"])}']
    parts += [f'"{name}": {{\n{lines(table[name])}\n }}' for name in ("usual", "architectures", "models")]
    return "{\n " + ",\n ".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
