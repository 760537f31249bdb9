"""Every YAML document that the docs and examples show, and what it is meant for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from genmodel_operator.api.v1alpha1 import GenerativeModelSpec
from tests.crd_samples import manifest

ROOT = Path(__file__).parents[1]
PAGES = (*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md", *sorted(ROOT.glob("charts/*/*.md")))
EXAMPLES = sorted(ROOT.glob("examples/**/*.yaml"))
FENCE = re.compile(r"^```ya?ml\n(.*?)^```", re.MULTILINE | re.DOTALL)
OF_OTHERS = frozenset({"healthCheckExprs"})
"""Keys of a spec that is another program's: its kinds are not served here."""
_SPEC_KEYS = frozenset(field.alias for field in GenerativeModelSpec.model_fields.values())


@dataclass(frozen=True, slots=True)
class Document:
    """One document and where it is shown."""

    where: str
    content: dict[str, Any]

    @property
    def is_values(self) -> bool:
        """Whether these are values of the chart."""
        return not self.content.keys() & {"apiVersion", "kind", "spec", "data"}

    @property
    def is_of_others(self) -> bool:
        """Whether it is a part of an object of another program."""
        return "kind" not in self.content and bool(OF_OTHERS & (self.content.get("spec") or {}).keys())

    def as_object(self) -> dict[str, Any]:
        """Return the whole object, in no namespace; a part of a model or ConfigMap is made whole."""
        found = self.content
        if "kind" not in found and "data" in found:
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shown"}, **found}
        if "kind" not in found:
            unknown = found["spec"].keys() - _SPEC_KEYS
            assert found.keys() == {"spec"}, f"{self.where}: neither an object nor a part of a model"
            assert not unknown, f"{self.where}: no fields of a model: {unknown}"
            return manifest(**found["spec"])
        metadata = {key: value for key, value in found["metadata"].items() if key != "namespace"}
        return {**found, "metadata": metadata}


def documents() -> Iterator[Document]:
    """Yield all documents of pages and examples."""
    for page in PAGES:
        for number, match in enumerate(FENCE.finditer(page.read_text()), start=1):
            yield from _documents(f"{page.relative_to(ROOT)} block {number}", match[1])
    for example in EXAMPLES:
        yield from _documents(str(example.relative_to(ROOT)), example.read_text())


def _documents(where: str, text: str) -> Iterator[Document]:
    for content in yaml.safe_load_all(text):
        if content is not None:
            assert isinstance(content, dict), f"{where}: not an object"
            yield Document(where, content)
