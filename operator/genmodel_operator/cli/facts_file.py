"""Files of a model's facts, which ``genmodel facts`` writes and other commands read offline."""

import json
from pathlib import Path

from genmodel_operator.cli.input import CommandError, read_text
from genmodel_operator.hub.document import facts_from_json, facts_to_json
from genmodel_operator.hub.facts import ModelFacts


def read_facts(filename: str) -> ModelFacts:
    """Return the facts in a file that ``genmodel facts`` wrote; raise ``CommandError``."""
    try:
        document = json.loads(read_text(filename))
    except ValueError as error:
        raise CommandError(f"{filename}: no JSON: {error}; genmodel facts REPO writes such files") from error
    if not isinstance(document, dict):
        raise CommandError(f"{filename}: no facts document; genmodel facts REPO writes such files")
    try:
        return facts_from_json(document)
    except ValueError as error:
        raise CommandError(f"{filename}: {error}; genmodel facts REPO writes such files") from error


def facts_text(facts: ModelFacts) -> str:
    """Return the facts as the text of a facts file."""
    return json.dumps(facts_to_json(facts), indent=1) + "\n"


def write_text(filename: str, text: str) -> None:
    """Write a file; raise ``CommandError``."""
    try:
        Path(filename).write_text(text)
    except OSError as error:
        raise CommandError(f"{filename}: cannot be written: {error}") from error
