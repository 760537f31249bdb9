"""What one reconcile works with: the tools it may use and what it has found out so far."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from genmodel_operator.api.reasons import AnyReason
from genmodel_operator.api.v1alpha1 import GenerativeModel, UpstreamStatus
from genmodel_operator.causes import Evidence
from genmodel_operator.causes.weights import Weights
from genmodel_operator.controller.contest import Contests
from genmodel_operator.controller.evictions import Evictions
from genmodel_operator.hub.client import HubClient
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.policy.document import Policy
from genmodel_operator.resources.revision import Revision
from genmodel_operator.resources.storage import Claim
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import Inventory
from genmodel_operator.sizing.corrections import Corrections
from genmodel_operator.sizing.plan import ServingPlan
from genmodel_operator.status import Notice, StepFailure

if TYPE_CHECKING:
    from genmodel_operator.controller.branches import Branches
    from genmodel_operator.controller.devices import DeviceLedger
    from genmodel_operator.controller.updates import Updates
    from genmodel_operator.controller.vulnerability import Vulnerabilities

Object = dict[str, Any]


class InventorySource(Protocol):
    """Tells what the cluster has."""

    async def read(self) -> Inventory:
        """Return the inventory; may be a few seconds old."""
        ...


class LearningSource(Protocol):
    """Keeps what running servers measured, and finds it again."""

    async def corrections(self, ctx: "Context", commit: str) -> Corrections:
        """Return what a plan that is made now may use."""
        ...

    async def learn(self, ctx: "Context") -> None:
        """Keep what the pods that were just asked have measured."""
        ...


class EvidenceSource(Protocol):
    """Reads Events and nodes about pods in trouble."""

    async def read(self, pods: list[Object], runtimes: Mapping[str, Object], *, now: str) -> Evidence:
        """Return what tells more about these pods; empty where nothing is wrong with them."""
        ...


class OptionalSource(Protocol):
    """Knows whether the cluster has a kind that not every cluster has."""

    @property
    def is_served(self) -> bool:
        """Whether it has, and what is ours of it is in the cache."""
        ...


class RuntimeReader(Protocol):
    """Reads a pod's runtime status document."""

    async def read(self, address: str) -> Object | None:
        """Return the document at the pod's address, or None where it cannot be read."""
        ...


class PolicySource(Protocol):
    """Knows the policy that holds now."""

    @property
    def current(self) -> Policy | None:
        """The policy, None where none could be read yet."""
        ...

    @property
    def problem(self) -> str:
        """What is wrong with the present document; empty where nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What steps do their work with; one for the process."""

    client: KubeClient
    hub: HubClient
    cache: ChildCache
    inventory: InventorySource
    runtimes: RuntimeReader
    settings: Settings
    now: Callable[[], str]
    learning: LearningSource | None = None
    branches: "Branches | None" = None
    updates: "Updates | None" = None
    evidence: EvidenceSource | None = None
    monitors: OptionalSource | None = None
    contests: Contests = field(default_factory=Contests)
    evictions: Evictions = field(default_factory=Evictions)
    policy: PolicySource | None = None
    devices: "DeviceLedger | None" = None
    vulnerabilities: "Vulnerabilities | None" = None


@dataclass(slots=True)
class Context:
    """One reconcile of one model; steps fill it in order.

    Attributes:
        resync: children are read live instead of from the watch cache.
        read: our children as they were read, by kind and name.
        revisions: our ControllerRevisions, newest first.
        current: the desired revision, once it is known.
        facts, task, plan: set by ``resolve`` and ``size`` when no frozen revision matched.
        service: the live Service, None where there is none.
        budget: our live PodDisruptionBudget, None where there is none.
        policies: our live NetworkPolicies by name.
        is_unprotected: a policy could not be written, so no new pods are made.
        deployments: our live Deployments by revision id.
        pods: live server pods.
        jobs: our live Jobs by name.
        fetchers: pods of download Jobs.
        inspectors: pods of Jobs that read a user's claim.
        claim: the live claim of a new revision.
        weights: how far the weights of ``current`` are, where they are on a claim.
        runtimes: runtime status documents by pod name.
        evidence: what was read beside, about pods in trouble.
        failures: steps that could not go on.
        upstream: where the branch points, where that is not the pinned commit.
        notices: conditions that say something about the model while it is true.
        drain_at: when the serving revision is stopped to make room, as RFC 3339.
        makes_room: that time has come.
        event_notes: what the user is told by an Event alone, with its reason.
        replaced: a revision that never served, whose place ``current`` takes under the same id.
        lacks_nodes: the pods of ``current`` find no node, so a change of the nodes may help.
        may_replan: whether they are to wait or to be planned elsewhere is not decided yet.
        after_seconds: when to look again, where somebody asked for it.
        retry: whether something failed that backoff must repeat.
    """

    tools: Tools
    model: GenerativeModel
    resync: bool
    read: dict[tuple[str, str], Object] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=list)
    current: Revision | None = None
    commit: str | None = None
    facts: ModelFacts | None = None
    task: ServedTask | None = None
    plan: ServingPlan | None = None
    service: Object | None = None
    serving: str | None = None
    budget: Object | None = None
    policies: dict[str, Object] = field(default_factory=dict)
    is_unprotected: bool = False
    deployments: dict[str, Object] = field(default_factory=dict)
    pods: list[Object] = field(default_factory=list)
    jobs: dict[str, Object] = field(default_factory=dict)
    fetchers: list[Object] = field(default_factory=list)
    inspectors: list[Object] = field(default_factory=list)
    claim: Claim | None = None
    weights: Weights | None = None
    runtimes: dict[str, Object] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    failures: list[StepFailure] = field(default_factory=list)
    upstream: UpstreamStatus | None = None
    notices: list[Notice] = field(default_factory=list)
    drain_at: str | None = None
    makes_room: bool = False
    event_notes: list[tuple[AnyReason, str]] = field(default_factory=list)
    replaced: Revision | None = None
    lacks_nodes: bool = False
    may_replan: bool = False
    after_seconds: float | None = None
    retry: bool = False

    @property
    def namespace(self) -> str:
        """Namespace of the model and of all its children."""
        return self.model.metadata.namespace

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.metadata.name

    @property
    def policy(self) -> Policy | None:
        """The policy that holds now: of its file, else of the settings; None where the file was never valid."""
        source = self.tools.policy
        return self.tools.settings.policy if source is None else source.current

    def is_new(self, revision: Revision) -> bool:
        """Whether a revision is not frozen yet, or takes the place of another one of its name."""
        return self.replaced is not None or all(known.id != revision.id for known in self.revisions)

    def has_to_wait(self, revision: Revision) -> bool:
        """Whether no pod of a revision is made yet: it would be open to others, or its weights are on their way."""
        is_open = self.is_unprotected and revision.id not in self.deployments
        return is_open or self.waits_for_weights(revision)

    def waits_for_weights(self, revision: Revision) -> bool:
        """Whether no pod of a revision is made yet, because its weights are on their way to a claim."""
        if revision.fetch is None or revision.id in self.deployments:
            return False
        is_current = self.current is not None and revision.id == self.current.id
        return is_current and (self.weights is None or not self.weights.is_complete)

    def look_again(self, after_seconds: float) -> None:
        """Ask for another look; the earliest wish wins."""
        self.after_seconds = after_seconds if self.after_seconds is None else min(self.after_seconds, after_seconds)
