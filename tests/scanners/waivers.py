"""Findings that are meant, each with its reason; the only place where one is let pass."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from tests.scanners.findings import Finding

FILE = Path(__file__).with_name("waivers.yaml")


@dataclass(frozen=True, slots=True)
class Waiver:
    """Lets one check of one tool pass for objects whose place (namespace/Kind/name) fits ``where``."""

    tool: str
    check: str
    where: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Return whether it is about this finding."""
        is_same = (self.tool, self.check) == (finding.tool, finding.check)
        return is_same and fnmatchcase(finding.where, self.where)


def read_waivers(path: Path = FILE) -> list[Waiver]:
    """Return the waivers of a file."""
    return [Waiver(**entry) for entry in yaml.safe_load(path.read_text())]


def judge(findings: Iterable[Finding], waivers: Iterable[Waiver]) -> tuple[list[Finding], list[Waiver]]:
    """Return the findings that no waiver covers, and the waivers that cover nothing."""
    found, given = list(findings), list(waivers)
    open_findings = [finding for finding in found if not any(waiver.covers(finding) for waiver in given)]
    return open_findings, [waiver for waiver in given if not any(map(waiver.covers, found))]
