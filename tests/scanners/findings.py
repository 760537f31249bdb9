"""What the scanners find in a folder of manifests, one process each over all files."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.scanners.programs import Programs

FINE = 10
"""kube-score's grade of a check without a finding."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One check that an object did not pass; ``where`` is namespace/Kind/name."""

    tool: str
    check: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.tool} {self.check} {self.where}: {self.text}"


def checkov(programs: Programs, folder: Path) -> list[Finding]:
    """Return checkov's findings, from its own checks alone: nothing is asked for on the network."""
    options = ["--framework", "kubernetes", "--quiet", "--compact", "--skip-download", "--output", "json"]
    argv = [sys.executable, "-m", "checkov.main", "--directory", str(folder), *options]
    answer = _run(argv, codes=(0, 1), env={"PYTHONPATH": str(programs.checkov), "LOG_LEVEL": "ERROR"})
    report = json.loads(answer)
    assert report["summary"]["parsing_errors"] == 0, report
    assert report["summary"]["passed"] > 0, report
    return [
        Finding("checkov", found["check_id"], _where_of(found["resource"]), found["check_name"])
        for found in report["results"]["failed_checks"]
    ]


def _where_of(resource: str) -> str:
    """Return the place of a resource called Kind.namespace.name; a name can have dots itself."""
    kind, namespace, name = resource.split(".", 2)
    return f"{namespace}/{kind}/{name}"


def kube_score(programs: Programs, folder: Path, *, kubernetes: str) -> list[Finding]:
    """Return kube-score's findings, warnings too."""
    options = ["--output-format", "json", "--kubernetes-version", kubernetes]
    files = sorted(map(str, folder.glob("*.yaml")))
    report = json.loads(_run([str(programs.kube_score), "score", *options, *files], codes=(0, 1)))
    return [finding for scored in report for finding in _scored(scored)]


def _scored(scored: Mapping[str, Any]) -> Iterator[Finding]:
    metadata = scored["object_meta"]
    where = f"{metadata.get('namespace', '')}/{scored['type_meta']['kind']}/{metadata['name']}"
    for found in scored["checks"]:
        if not found["skipped"] and found["grade"] < FINE:
            comments = found["comments"] or [{"summary": found["check"]["comment"], "path": ""}]
            text = "; ".join(f"{comment['path']} {comment['summary']}".strip() for comment in comments)
            yield Finding("kube-score", found["check"]["id"], where, text)


def kubeconform(programs: Programs, folder: Path, *, schemas: Path) -> list[Finding]:
    """Return the objects that a strict schema of the API server refuses, or that it has no schema for."""
    location = f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    options = ["-output", "json", "-summary", "-schema-location", location]
    report = json.loads(_run([str(programs.kubeconform), *options, str(folder)], codes=(0, 1)))
    assert report["summary"]["valid"] > 0, report["summary"]
    return [
        Finding("kubeconform", found["status"], _where_in(Path(found["filename"]), found), found["msg"])
        for found in report["resources"]
    ]


def _where_in(file: Path, found: Mapping[str, Any]) -> str:
    """Return the place of an object; files are named after the namespace of what is in them."""
    return f"{file.stem}/{found['kind']}/{found['name']}"


def _run(argv: Sequence[str], *, codes: tuple[int, ...], env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(argv, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False)
    assert done.returncode in codes, f"{argv[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}"
    return done.stdout
