"""MIG slices: how much memory one has, by its label or by the name of its profile."""

import re

_PROFILE_GIB = re.compile(r"(?<!\d)[1-9]\d*g\.(?P<gib>[1-9]\d{0,3})gb")
_OF_NAME = 0.85
"""A slice has at least this much of the GB in its profile's name: 4.75 GiB of 5 (A100), 16 of 18 (H200)."""
_LABEL_RANGE = (0.8, 1.1)
_SEEN = 0.99
"""Share of a slice's labelled memory that the engine sees, at least."""


def profile_gib(name: str) -> int | None:
    """Return the GB in the name of a profile, product or resource (``3g.20gb`` is 20), None where it has none."""
    named = _PROFILE_GIB.search(name)
    return int(named["gib"]) if named else None


def is_plausible_slice(mebibytes: int, gib_of_profile: int) -> bool:
    """Whether a label of so many MiB can be the memory of one slice of this profile."""
    least, most = (share * gib_of_profile * 1024 for share in _LABEL_RANGE)
    return least <= mebibytes <= most


def slice_gib(gib_of_profile: int, mebibytes: int | None = None) -> float:
    """Return what the engine sees of a slice, in GiB; without a label the least that such a profile has."""
    return gib_of_profile * _OF_NAME if mebibytes is None else mebibytes / 1024 * _SEEN
