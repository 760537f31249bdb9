"""A model's facts for a command: from a file, or from the Hub with the user's own token."""

import json
from collections.abc import Mapping
from pathlib import Path

from genmodel_operator.cli.input import CommandError, read_text
from genmodel_operator.hub.client import HubClient, HubError
from genmodel_operator.hub.document import facts_from_json, facts_to_json
from genmodel_operator.hub.facts import ModelFacts, Refused
from genmodel_operator.settings import Settings

REFUSED = 3
TOKEN_VARIABLE = "HF_TOKEN"
TOKEN_FILE_VARIABLE = "HF_TOKEN_PATH"


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


async def fetch_facts(
    repository: str, revision: str, *, endpoint: str, settings: Settings, environ: Mapping[str, str]
) -> ModelFacts:
    """Return the facts of a repository on the Hub; raise ``CommandError`` with exit code 3 where it refuses."""
    token = user_token(environ)
    hub = HubClient(settings.hub)
    try:
        return await hub.resolve(
            repository,
            revision,
            endpoint=endpoint,
            token=token,
            credential=f"the token of {TOKEN_VARIABLE}" if token else "the anonymous user",
            secret=settings.hub.token_secret_name,
        )
    except (HubError, Refused) as error:
        raise CommandError(f"{error.reason}: {error}", exit_code=REFUSED) from error
    finally:
        await hub.close()


def user_token(environ: Mapping[str, str]) -> str | None:
    """Return the user's Hub token as the Hub's own tools find it in the environment, or None."""
    token = environ.get(TOKEN_VARIABLE, "").strip()
    named = environ.get(TOKEN_FILE_VARIABLE)
    if not token and named:
        token = read_text(named).strip()
    return token or None


def facts_text(facts: ModelFacts) -> str:
    """Return the facts as the text of a facts file."""
    return json.dumps(facts_to_json(facts), indent=1) + "\n"


def write_text(filename: str, text: str) -> None:
    """Write a file; raise ``CommandError``."""
    try:
        Path(filename).write_text(text)
    except OSError as error:
        raise CommandError(f"{filename}: cannot be written: {error}") from error
