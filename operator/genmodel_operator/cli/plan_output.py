"""The answer of ``genmodel plan`` in the form that was asked for."""

import json
from collections.abc import Mapping
from typing import TextIO

import yaml

from genmodel_operator.cli.plan import PlanReport
from genmodel_operator.cli.plan_document import plan_document
from genmodel_operator.cli.plan_text import plan_text
from genmodel_operator.cli.terminal import detect_style


def write_plan(report: PlanReport, output: str, stream: TextIO, environ: Mapping[str, str]) -> str:
    """Return the answer as ``text``, ``json`` or ``yaml``; ``stream`` is where it will be written."""
    if output == "json":
        return json.dumps(plan_document(report), indent=2) + "\n"
    if output == "yaml":
        return yaml.safe_dump(plan_document(report), sort_keys=False, allow_unicode=True, width=120)
    return plan_text(report, detect_style(stream, environ))
