"""``genmodel plan``: what would be served, on what and why, without creating anything."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.cli.decide import Decision, decide
from genmodel_operator.cli.described import Hardware
from genmodel_operator.cli.facts_file import read_facts
from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.local import is_path, local_facts
from genmodel_operator.cli.nodes import ReadCluster, Surveyed, survey_nodes
from genmodel_operator.cli.wish import wished_model
from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.settings import ENGINE_VERSION, Settings
from genmodel_operator.sizing.budget.release import parse_release
from genmodel_operator.sizing.plan import Misfit
from genmodel_operator.sizing.shape.model import Unsizable


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What the user asked for; the names are those of the options."""

    model: str | None = None
    filename: str | None = None
    facts: str | None = None
    revision: str | None = None
    task: str | None = None
    precision: str | None = None
    kv_cache_precision: str | None = None
    max_model_len: int | None = None
    concurrency: int | None = None
    accelerator: str | None = None
    policy: str | None = None
    endpoint: str | None = None
    engine_version: str | None = None
    nodes: str | None = None
    hardware: Hardware = field(default_factory=Hardware)


@dataclass(frozen=True, slots=True)
class Found:
    """Facts, where they come from in words, and what was assumed."""

    facts: ModelFacts
    origin: str
    warnings: tuple[str, ...] = ()


FetchFacts = Callable[[GenerativeModel], Awaitable[Found]]
"""Asks the Hub; raises ``CommandError``. Only what needs it loads the client."""


@dataclass(frozen=True, slots=True)
class PlanReport:
    """Everything that the answer shows."""

    model: GenerativeModel
    found: Found
    surveyed: Surveyed
    decision: Decision
    settings: Settings
    warnings: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the model would be served."""
        return not isinstance(self.decision.answer, Misfit)


async def plan(
    request: PlanRequest, *, settings: Settings, fetch_facts: FetchFacts, read_cluster: ReadCluster
) -> PlanReport:
    """Return the plan that the operator would make; raise ``CommandError``."""
    settings, warnings = _with_engine(settings, request.engine_version)
    given = _given_facts(request)
    model = _model(request, given)
    surveying = survey_nodes(request.hardware, request.nodes, settings=settings, read_cluster=read_cluster)
    if given is None:
        surveyed, found = await _both(surveying, fetch_facts(model))
    else:
        surveyed, found = await surveying, given
    decision = decide(model, found.facts, surveyed.inventory, settings)
    return PlanReport(model, found, surveyed, decision, settings, (*found.warnings, *surveyed.warnings, *warnings))


async def _both(surveying: Awaitable[Surveyed], fetching: Awaitable[Found]) -> tuple[Surveyed, Found]:
    """Wait for both at once; the first failure ends the other and is raised."""
    tasks = (asyncio.ensure_future(surveying), asyncio.ensure_future(fetching))
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _with_engine(settings: Settings, version: str | None) -> tuple[Settings, tuple[str, ...]]:
    if version is None:
        return settings, ()
    try:
        release = str(parse_release(version))
    except Unsizable:
        raise CommandError(
            f"--engine-version {version}: must be a release of vLLM from 0.8 on, such as {ENGINE_VERSION}"
        ) from None
    engines = settings.engines.model_copy(update={"version": release})
    warnings = (
        (f"memory is that of vLLM {release}; models and flags are checked against {ENGINE_VERSION}",)
        if release != ENGINE_VERSION
        else ()
    )
    return settings.model_copy(update={"engines": engines}), warnings


def _given_facts(request: PlanRequest) -> Found | None:
    """Return facts from the user's own files, None where the Hub is to be asked."""
    path = request.model if request.model and is_path(request.model) else None
    if not (request.model or request.filename or request.facts):
        raise CommandError("nothing to plan: name REPO, or a manifest with -f, or facts with --facts")
    if request.facts and path:
        raise CommandError(f"--facts {request.facts}: {path} is given too; give one of both")
    if request.filename and request.model and not path:
        raise CommandError(f"-f {request.filename}: names the model already; leave {request.model} out")
    if request.facts:
        return Found(read_facts(request.facts), request.facts)
    if path is None:
        return None
    wanted = wished_model(None, request.filename, {}).spec.model if request.filename else None
    facts, warnings = local_facts(path, repository=wanted)
    return Found(facts, path, warnings)


def _model(request: PlanRequest, given: Found | None) -> GenerativeModel:
    named = given.facts.repository if given else request.model
    options = {name: getattr(request, name) for name in request.__slots__}
    model = wished_model(named, request.filename, options)
    wanted = request.model if request.model and not is_path(request.model) else model.spec.model
    if given is not None and given.facts.repository != wanted:
        raise CommandError(
            f"--facts {given.origin}: holds the facts of {given.facts.repository}, not of {wanted}; "
            f"genmodel facts {wanted} writes the right ones"
        )
    return model
