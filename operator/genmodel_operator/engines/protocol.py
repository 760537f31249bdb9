"""What rendering needs to know of an engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.plan import ServingPlan


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an engine does not serve a model: a reason's name and the values of its message."""

    reason: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class EngineArgs:
    """An engine's own command line in two parts, with the user's arguments between them.

    The engine lets the last of two equal flags win, whatever spelling they have: ``tunable`` may be
    overridden by the user, ``fixed`` may not.
    """

    tunable: tuple[str, ...]
    fixed: tuple[str, ...]

    def around(self, user_args: Sequence[str]) -> list[str]:
        """Return the whole command line, with the user's arguments where they may override."""
        return [*self.tunable, *user_args, *self.fixed]


class EngineAdapter(Protocol):
    """One engine on one kind of device."""

    name: str
    """``vllm`` or ``vllm-cpu``; the value of GENMODEL_ENGINE."""

    def image(self, settings: Settings) -> str:
        """Return the engine's default image."""
        ...

    def args(
        self, facts: ModelFacts, plan: ServingPlan, served_names: Sequence[str], *, task: ServedTask
    ) -> EngineArgs:
        """Return the engine's own command line, as passed to the runtime after ``--``."""
        ...

    def env(self, facts: ModelFacts, plan: ServingPlan, settings: Settings) -> dict[str, str]:
        """Return the environment that the engine needs beyond the runtime's contract."""
        ...

    def supports(self, facts: ModelFacts) -> Refusal | None:
        """Return why this engine does not serve the model, or None where it does."""
        ...
