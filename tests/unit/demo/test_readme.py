"""The README shows what a real run of the demo printed, and marks what it leaves out."""

import json
import re
from pathlib import Path

README = Path("README.md").read_text()
PRINTED = Path("bench/results/demo.txt").read_text()
TIMES = json.loads(Path("bench/results/demo.json").read_text())["rows"]
LEFT_OUT = "[...]"


def shown() -> list[str]:
    """Return the lines of the README's demo output."""
    blocks = re.findall(r"```\n(.*?)```", README, re.DOTALL)
    (found,) = [block for block in blocks if "$ kubectl apply -f examples/quickstart.yaml" in block]
    return [line for line in found.splitlines() if line.strip()]


def test_every_line_was_printed_in_this_order() -> None:
    printed = iter([line for line in PRINTED.splitlines() if line.strip()])
    for line in shown():
        if line != LEFT_OUT:
            assert line in printed, f"not printed, or not here: {line}"


def test_nothing_is_left_out_without_a_mark() -> None:
    printed = [line for line in PRINTED.splitlines() if line.strip()]
    lines = shown()
    for one, following in zip(lines, lines[1:], strict=False):
        if LEFT_OUT not in (one, following):
            assert any((one, following) == pair for pair in zip(printed, printed[1:], strict=False)), following


def test_the_times_in_the_text_are_the_measured_ones() -> None:
    seconds = float(TIMES["whole"]["make demo"].removesuffix(" s"))
    (minutes,) = re.findall(r"(\d+\.\d) minutes when everything is cached", README)
    assert float(minutes) == round(seconds / 60, 1)
