"""Releases of the engine, in order."""

import re
from functools import lru_cache

_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)((?:a|b|rc|\.dev)\d+)?", re.ASCII)
_TAG = re.compile(r"v?(\d+\.\d+(?:\.\d+)*)((?:a|b|rc|\.dev)\d+)?(?![\d.])", re.ASCII)

Release = tuple[tuple[int, ...], bool]


@lru_cache(maxsize=1024)
def release(text: str) -> Release | None:
    """Return what orders a release, or None where the text is none; a candidate comes before its final release."""
    found = _RELEASE.match(text)
    if found is None:
        return None
    numbers = [int(number) for number in found[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), found[2] is None


def version_of_image(image: str) -> str | None:
    """Return the release that an image's tag begins with, such as 0.32.0 of ``vllm:v0.32.0-x86_64``."""
    name = image.partition("@")[0]
    tag = name.rpartition("/")[2].partition(":")[2]
    found = _TAG.match(tag)
    return found[0].removeprefix("v") if found else None
