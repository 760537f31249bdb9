"""What is documented about each reason."""

from dataclasses import dataclass
from enum import StrEnum
from string import Formatter


class Severity(StrEnum):
    """What a reason means for the reader."""

    GOOD = "good"
    """Nothing to do."""
    PROGRESS = "progress"
    """Wait; the operator or the cluster is at work."""
    PERSON = "person"
    """A person must act."""


@dataclass(frozen=True, slots=True)
class ReasonInfo:
    """A reason's documented behaviour.

    ``message`` is a format string over named values; ``remedy`` is what a person does about it.
    """

    severity: Severity
    message: str
    remedy: str = ""

    @property
    def fields(self) -> frozenset[str]:
        """Names of the values that the message and its remedy need."""
        return frozenset(name for _, name, _, _ in Formatter().parse(f"{self.message} {self.remedy}") if name)
