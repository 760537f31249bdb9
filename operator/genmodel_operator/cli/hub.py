"""A model's facts from the Hub, with the user's own token."""

from collections.abc import Mapping

from genmodel_operator.cli.input import REFUSED, CommandError, read_text
from genmodel_operator.hub.client import HubClient, HubError
from genmodel_operator.hub.facts import ModelFacts, Refused
from genmodel_operator.settings import Settings

TOKEN_VARIABLE = "HF_TOKEN"
TOKEN_FILE_VARIABLE = "HF_TOKEN_PATH"
ENDPOINT_VARIABLE = "HF_ENDPOINT"


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


def hub_endpoint(named: str | None, *, settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the Hub to ask: the named one, that of the Hub's own tools in the environment, else the setting's."""
    return named or environ.get(ENDPOINT_VARIABLE) or settings.hub.endpoint
