"""Python code that a repository brings with it: ``auto_map`` names classes, the engine imports and runs their files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from genmodel_operator.api.reasons import Reason
from genmodel_operator.hub.facts import Refused

NAMING_FILES = ("config.json", "tokenizer_config.json")
"""Files in which ``auto_map`` is looked for."""


def naming_file(documents: Mapping[str, Any]) -> str:
    """Return the file that names code of the repository, which the engine has to run; empty where none does."""
    return next((file for file in NAMING_FILES if documents.get(file, {}).get("auto_map")), "")


def check_code(repository: str, paths: Sequence[str], documents: Mapping[str, Any]) -> None:
    """Raise ``Refused`` where code is named that is not one of the commit's files, ``paths``.

    What lies elsewhere is not pinned by the commit, and pods reach no Hub.
    """
    for file in NAMING_FILES:
        for reference in _references(documents.get(file, {}).get("auto_map") or None):
            _check(repository, file, reference, paths)


def refuse_unpinned(repository: str, documents: Mapping[str, Any], *, place: str) -> None:
    """Raise ``Refused`` where code is named, and lies at a place whose commit says nothing of what is in files."""
    for file in NAMING_FILES:
        document = documents.get(file)
        if isinstance(document, Mapping) and document.get("auto_map"):
            raise Refused(Reason.REMOTE_CODE_ELSEWHERE, repository=repository, file=file, place=place)


def _references(auto_map: object) -> Iterator[object]:
    """Yield what is named as classes; for a tokenizer that can be a list, with null for a variant that is not there."""
    if isinstance(auto_map, Mapping):
        auto_map = list(auto_map.values())
    if isinstance(auto_map, list):
        for part in auto_map:
            yield from _references(part)
    elif auto_map is not None:
        yield auto_map


def _check(repository: str, file: str, reference: object, paths: Sequence[str]) -> None:
    place, elsewhere, _ = str(reference).rpartition("--")
    if elsewhere:
        raise Refused(Reason.REMOTE_CODE_ELSEWHERE, repository=repository, file=file, place=place)
    module, dot, name = str(reference).partition(".")
    if not isinstance(reference, str) or not (module and dot and name) or "." in name:
        raise _invalid(repository, file, f"auto_map: {str(reference)[:100]!r} is no class of a file")
    if f"{module}.py" not in paths:
        raise _invalid(repository, file, f"auto_map: it names {module}.py, which is not in the repository")


def _invalid(repository: str, file: str, detail: str) -> Refused:
    return Refused(Reason.METADATA_INVALID, repository=repository, file=file, detail=detail)
