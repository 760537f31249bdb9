"""What the README shows of the demo: lines of the measured run, word for word, and how long it took."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.record import RESULTS
from examples.demo.steps import ROOT

PAGE = ROOT / "README.md"
LEFT_OUT = "[...]"
_BLOCK = re.compile(r"(?<=```\n)\$ kubectl apply -f examples/quickstart\.yaml\n.*?(?=\n```)", re.DOTALL)
_MINUTES = re.compile(r"[\d.]+(?= minutes when everything is cached)")
_FROM_NOTHING = re.compile(r"\d+ (?=from nothing)")
_DESCRIBED = "$ kubectl describe gm "


def update_page(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Write the README's block and time anew from the kept results."""
    shown = "\n".join(excerpt((results / "demo.txt").read_text().splitlines()))
    text = _BLOCK.sub(lambda _: shown, page.read_text())
    text = _FROM_NOTHING.sub(f"{minutes_from_nothing(results)} ", text)
    page.write_text(_MINUTES.sub(minutes(results), text))


def minutes(results: Path = RESULTS) -> str:
    """Return how many minutes the measured run took, to one decimal."""
    rows = json.loads((results / "demo.json").read_text())["rows"]
    return f"{float(rows['whole']['make demo'].removesuffix(' s')) / 60:.1f}"


def minutes_from_nothing(results: Path = RESULTS) -> int:
    """Return in how many minutes the run from nothing was over, in whole ones."""
    rows = json.loads((results / "demo-from-nothing.json").read_text())["rows"]
    return int(rows["whole"]["make demo"].partition(" min ")[0]) + 1


def excerpt(printed: Sequence[str]) -> list[str]:
    """Return the lines from the first model on, of the first description only the parts that tell most."""
    first = printed.index("$ kubectl apply -f examples/quickstart.yaml")
    described = _find(printed, first, lambda line: line.startswith(_DESCRIBED))
    following = _find(printed, described + 1, lambda line: line.startswith((_DESCRIBED, "==> ")))
    last = _find(printed, following - 1, lambda line: line.startswith("==> "))
    shown = [*printed[first : described + 2], LEFT_OUT]
    for part in _parts(printed[described + 2 : following]):
        shown += [*part, LEFT_OUT]
    return [*shown, *printed[last:]]


def _parts(description: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the summary, the first of the conditions, with what is above it; the endpoint; the model; the Events."""
    ready = description.index("Status:")
    yield description[ready : _find(description, ready, lambda line: line.split() == ["Type:", "Ready"]) + 1]
    for title in ("  Endpoint:", "  Model:"):
        begin = description.index(title)
        yield description[begin : _find(description, begin + 1, lambda line: not line.startswith("    "))]
    yield description[description.index("Events:") :]


def _find(lines: Sequence[str], start: int, fits: Callable[[str], bool]) -> int:
    """Return the number of the first line that fits, from `start` on; ValueError where none does."""
    for number in range(start, len(lines)):
        if fits(lines[number]):
            return number
    raise ValueError("the demo printed something else than its README expects; see bench/demo_page.py")
