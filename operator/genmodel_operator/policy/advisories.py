"""Which known vulnerabilities of the engine a server is open to, as it is set up here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from genmodel_operator.policy.document import Advisory, AdvisorySeverity, Exposure, Policy
from genmodel_operator.policy.versions import Release, release

MEDIA_CATEGORIES = frozenset({"multimodal", "transcription"})
"""Categories of architectures that read images, audio or video."""


@dataclass(frozen=True, slots=True)
class Server:
    """What decides about the exposure of a server.

    Attributes:
        version: release of its engine.
        category: category of its architecture in the engine's table; empty where it is not there.
        args: its command line.
        variables: names of its environment variables.
    """

    version: str
    category: str = ""
    args: Sequence[str] = ()
    variables: Sequence[str] = ()


@cache
def known_advisories() -> tuple[Advisory, ...]:
    """Return the advisories that the operator ships."""
    text = files(__package__).joinpath("advisories.yaml").read_text(encoding="utf-8")
    return tuple(Advisory.model_validate(entry) for entry in yaml.safe_load(text))


def advisories_of(policy: Policy) -> tuple[Advisory, ...]:
    """Return what holds under a policy: its own win over those of the same id, ignored ones are left out."""
    own = {advisory.id: advisory for advisory in policy.advisories}
    known = {advisory.id: advisory for advisory in known_advisories()}
    ignored = set(policy.ignored_advisories)
    return tuple(advisory for name, advisory in (known | own).items() if name not in ignored)


def exposures(advisories: Iterable[Advisory], server: Server) -> list[Advisory]:
    """Return what a server is open to, the worst first.

    Raises ``ValueError`` where its version is no release.
    """
    running = release(server.version)
    if running is None:
        raise ValueError(f"{server.version} is no release")
    severities = list(AdvisorySeverity)
    found = [one for one in advisories if is_affected(one, running) and _is_open(one, server)]
    return sorted(found, key=lambda one: (severities.index(one.severity), one.id))


def is_affected(advisory: Advisory, running: Release) -> bool:
    """Return whether a release is one of the vulnerable ones."""
    return any(
        (release(span.introduced) or running) <= running < (release(span.fixed) or running)
        for span in advisory.affected
    )


def fixed_in(advisories: Sequence[Advisory]) -> str:
    """Return the first release in which none of them is left; empty where there are none."""
    fixes = [span.fixed for advisory in advisories for span in advisory.affected]
    return max(fixes, key=lambda text: release(text) or ((), False), default="")


def by_severity(advisories: Iterable[Advisory]) -> Mapping[AdvisorySeverity, int]:
    """Return how many there are of each severity; all severities are there."""
    counted = dict.fromkeys(AdvisorySeverity, 0)
    for advisory in advisories:
        counted[advisory.severity] += 1
    return counted


def _is_open(advisory: Advisory, server: Server) -> bool:
    match advisory.exposed:
        case Exposure.ALWAYS:
            return True
        case Exposure.MEDIA:
            return server.category in MEDIA_CATEGORIES
        case Exposure.FLAG:
            return any(_flag(argument) in advisory.flags for argument in server.args)
        case Exposure.VARIABLE:
            return any(variable in advisory.variables for variable in server.variables)
        case Exposure.NEVER:
            return False


def _flag(argument: str) -> str:
    """Return the flag of an argument as the engine reads it: ``--flag_name=1`` and ``--flag-name.key`` are one."""
    return argument.partition("=")[0].partition(".")[0].replace("_", "-")
