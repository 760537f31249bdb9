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
    starts = table["verdict on starts, exact configuration"]
    refused = table["verdict on refused starts, exact configuration"]
    known, all_of_them = "right with all inputs known", refused["right"]
    yield f"With all inputs known, {starts[known]} starts and {refused[known]} refused starts were foreseen;"
    yield f"{all_of_them} refused starts when rows that leave inputs open are counted too."
