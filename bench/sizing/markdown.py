"""The accuracy table of ``docs/sizing.md``, made from the kept results so that the page cannot lag behind them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.sizing.peers import PEERS

RESULTS = Path(__file__).parent.parent / "results" / "sizing.json"
PAGE = Path(__file__).parents[2] / "docs" / "sizing.md"
_SECTION = re.compile(r"(?<=\n## Measured accuracy\n\n).*?(?=\n\n## )", re.DOTALL)
_KNOWN = "exact configuration, inputs known"
_CONFIGURATIONS = ("exact configuration", "configuration partly from memory")
_FIGURES = ("weights", "KV cache", "KV tokens, end to end", "KV tokens of the logged GiB", "activation")

Table = Mapping[str, Mapping[str, str]]


def accuracy_lines(results: Path = RESULTS) -> list[str]:
    """Return the lines of the page's section on accuracy."""
    table: Table = json.loads(results.read_text())["rows"]
    return [
        *_introduction(table["rows"]),
        "",
        "| figure | rows | median error | 90th percentile | worst |",
        "|---|---|---|---|---|",
        *(_line(name, table[f"{name}, {_KNOWN}"]) for name in _FIGURES),
        "",
        *_verdicts(table),
        "",
        *_coverage(table),
        "",
        "The memory of the KV cache beside what the published formulas of other planners leave for it on the same rows",
        "(they get the logged weights; GPUStack and hf-mem do not try to predict it):",
        "",
        "| | rows | median error | 90th percentile | worst | promises 0.25 GiB too much |",
        "|---|---|---|---|---|---|",
        *(_peer_line(name, table[f"KV cache memory, {name}"]) for name in ("genmodel", *PEERS)),
    ]


def update_page(page: Path = PAGE) -> None:
    """Write the section of the page anew."""
    section = "\n".join(accuracy_lines())
    page.write_text(_SECTION.sub(lambda _: section, page.read_text()))


def _introduction(rows: Mapping[str, str]) -> Iterator[str]:
    exact = rows["of these with an exact configuration"]
    yield f"Of {rows['all']} logged starts, {rows['estimated']} are of 0.8 or later and of a model whose configuration"
    yield f"is known; {exact} have a configuration that was read from a file. Of these, a row counts for a figure when"
    yield "it states every input that changes it. The other groups, figures by mechanism, and the rows that miss are in"
    yield "`bench/results/sizing.json`. The constants were taken from these rows too: the table says how well one set"
    yield "of rules explains them all, and other machines may be further off."


def _line(name: str, figures: Mapping[str, str]) -> str:
    return f"| {name} | " + " | ".join(figures[column] for column in ("rows", "median", "p90", "worst")) + " |"


def _peer_line(name: str, figures: Mapping[str, str]) -> str:
    return _line(name, figures)[:-1] + f"| {figures['promises 0.25 GiB too much']} |"


def _verdicts(table: Table) -> Iterator[str]:
    known = "right with all inputs known"
    yield "Whether the server comes up, all rows with a verdict and those that state every input:"
    yield ""
    yield "| | all rows | all inputs known | wrong |"
    yield "|---|---|---|---|"
    for configuration in _CONFIGURATIONS:
        for kind in ("starts", "refused starts"):
            figures = table[f"verdict on {kind}, {configuration}"]
            yield f"| {kind}, {configuration} | {figures['right']} | {figures[known]} | {figures['wrong']} |"
    yield ""
    yield "A row that does not say its length, or let the engine choose it, is asked with the longest that fits; one"
    yield "that does not say the tokens of a step, with the default that the logged need of one request shows."
    yield "Each wrong verdict leaves an input open or contradicts itself:"
    yield ""
    yield from (f"- {row}: {why}" for row, why in table["wrong verdicts"].items())


def _coverage(table: Table) -> Iterator[str]:
    """Yield what the rows are of, and what they are not."""
    yield "What the rows with an exact configuration are of (a row may count several times):"
    yield ""
    yield from (f"- {name}: {rows}" for name, rows in table["rows of each mechanism, exact configuration"].items())
    yield ""
    opened = table["weights, exact configuration, inputs open"]
    yield f"Rows that leave an input open are apart: {opened['rows']} with logged weights, off by {opened['worst']} at"
    yield "worst. A mechanism without rows is computed from vLLM's own code and checked against its classes (the tests"
    yield "of `tests/contract`), not against a logged start."
