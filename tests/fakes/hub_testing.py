"""What tests of the operator's Hub client share."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from genmodel_operator.hub.client import HubClient
from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.settings import HubSettings
from tests.fakes.hub import Access, HubServer
from tests.fakes.hub_faults import Entry

TINY, SHARDED = "acme/tiny-llama", "acme/sharded-llama"
GOOD, POOR, UNKNOWN = "hf_goodSecret", "hf_poorSecret", "hf_unknownSecret"
TOKENS = {GOOD: Access(gated=True, private=True), POOR: Access()}
SECRET = "team-token"
ANONYMOUS, WITH_TOKEN = "the anonymous user", f"the token in the Secret {SECRET}"


@dataclass
class Clock:
    """Monotonic seconds that only a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Asking:
    """A client and the server that it asks."""

    client: HubClient
    url: str
    observed: list[tuple[str, int | str]] = field(default_factory=list)

    def words(self, token: str | None) -> str:
        return ANONYMOUS if token is None else WITH_TOKEN

    async def resolve(self, repository: str = TINY, revision: str = "main", token: str | None = None) -> ModelFacts:
        return await self.client.resolve(
            repository, revision, endpoint=self.url, token=token, credential=self.words(token), secret=SECRET
        )

    async def commit_of(self, repository: str = TINY, revision: str = "main", token: str | None = None) -> str:
        return await self.client.commit_of(
            repository, revision, endpoint=self.url, token=token, credential=self.words(token), secret=SECRET
        )


def ask(hub: HubServer | str, *, clock: Clock | None = None, **settings: float) -> Asking:
    """A new client; close it with ``await asking.client.close()``."""
    chosen = HubSettings.model_validate({"timeout_seconds": 5, "resolve_timeout_seconds": 10, **settings})
    observed: list[tuple[str, int | str]] = []
    client = HubClient(chosen, observe=lambda kind, status, _: observed.append((kind, status)), clock=clock or Clock())
    return Asking(client, hub if isinstance(hub, str) else hub.url, observed)


def kinds(entries: Sequence[Entry]) -> list[str]:
    """What the requests of a log were for, in order: info, tree, or the file's name."""
    named = []
    for entry in entries:
        parts = entry.path.split("/")
        if entry.port == "cdn":
            named.append(f"cdn {parts[-1]}")
        elif parts[1] == "api":
            named.append("tree" if "tree" in parts else "info")
        else:
            named.append(parts[-1])
    return named
