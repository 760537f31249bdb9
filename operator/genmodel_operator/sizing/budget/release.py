"""Releases of the engine, as far as its accounting of memory depends on them."""

import re
from dataclasses import dataclass

from genmodel_operator.sizing.shape.model import Unsizable

OLDEST = (0, 8)
_PATTERN = re.compile(
    r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:\.\d{1,4})?((?:\.?(?:a|b|rc|dev)\d*)*)(?:\.?post\d+)?(?:\+.*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Release:
    """A release; ``text`` as it was written, or the next minor release that a build from main behaves like."""

    major: int
    minor: int
    patch: int = 0

    def since(self, minor: int, patch: int = 0) -> bool:
        """Whether this is release 0.``minor``.``patch`` or a later one."""
        return (self.major, self.minor, self.patch) >= (0, minor, patch)

    def __str__(self) -> str:
        """Return the release as it is written."""
        return f"{self.major}.{self.minor}.{self.patch}"


def parse_release(text: str) -> Release:
    """Return the release that ``text`` behaves like; local and post suffixes do not count.

    Builds from the main branch are named after the next patch release ("0.20.2rc1.dev129") but
    already are what becomes the next minor one. Raises ``Unsizable`` (UnsupportedVersion) for what
    is no release, and for those before 0.8, which have another engine with another accounting.
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise Unsizable("UnsupportedVersion", f"vllm_version: {text[:80]!r} is not a release such as 0.19.0")
    major, minor, patch = int(match[1]), int(match[2]), int(match[3] or 0)
    if (major, minor) < OLDEST:
        raise Unsizable("UnsupportedVersion", f"vllm_version: {text[:80]!r} is older than 0.8, the first that is known")
    if match[4] and patch > 0:
        return Release(major, minor + 1)
    return Release(major, minor, patch)
