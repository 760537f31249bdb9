"""What the Hub said, remembered: facts by commit for ever, the commit of a branch for a while."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from genmodel_operator.hub.facts import ModelFacts, Refused, RepoFile

LARGEST_TENSORS = 200_000
"""Tensors of all remembered facts together, about 60 MiB."""
LARGEST_ENTRIES = 1_000
LARGEST_BRANCHES = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """A repository on a Hub."""

    endpoint: str
    repository: str


@dataclass(slots=True)
class Known:
    """What a commit came to, and who was seen to have access to it.

    ``restricted``: gated or private, so that everybody's access is checked, once, by reading the
    file ``sample``. ``identities`` are hashes of tokens.
    """

    outcome: ModelFacts | Refused
    restricted: bool
    sample: RepoFile | None = None
    identities: set[str] = field(default_factory=set)

    @property
    def tensors(self) -> int:
        """How much it holds."""
        return len(self.outcome.tensors) if isinstance(self.outcome, ModelFacts) else 0


class FactsCache:
    """Facts by place and commit; the least recently used go first."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Place, str], Known] = OrderedDict()
        self._tensors = 0

    def get(self, place: Place, commit: str) -> Known | None:
        """Return what is known of a commit."""
        known = self._known.get((place, commit))
        if known is not None:
            self._known.move_to_end((place, commit))
        return known

    def put(self, place: Place, commit: str, known: Known) -> None:
        """Remember a commit; the newest is always kept."""
        former = self._known.pop((place, commit), None)
        self._tensors += known.tensors - (former.tensors if former else 0)
        self._known[(place, commit)] = known
        while len(self._known) > 1 and (len(self._known) > LARGEST_ENTRIES or self._tensors > LARGEST_TENSORS):
            _, oldest = self._known.popitem(last=False)
            self._tensors -= oldest.tensors


class BranchCache:
    """Commits by place, revision and identity, each for ``seconds``."""

    def __init__(self, *, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._commits: OrderedDict[tuple[Place, str, str], tuple[str, float]] = OrderedDict()

    def get(self, place: Place, revision: str, identity: str) -> str | None:
        """Return the commit, or None where it is unknown or too old."""
        commit, expires = self._commits.get((place, revision, identity), (None, 0.0))
        return commit if self._clock() < expires else None

    def put(self, place: Place, revision: str, identity: str, commit: str) -> None:
        """Remember the commit from now on."""
        key = (place, revision, identity)
        self._commits[key] = (commit, self._clock() + self._seconds)
        self._commits.move_to_end(key)
        if len(self._commits) > LARGEST_BRANCHES:
            self._commits.popitem(last=False)
