"""The README shows what a real run of the demo printed, marks what it leaves out, and says how long it took."""

from pathlib import Path

import pytest

from bench.demo_page import LEFT_OUT, excerpt, minutes, minutes_from_nothing, update_page
from bench.record import RESULTS

README = Path("README.md").read_text()
PRINTED = (RESULTS / "demo.txt").read_text().splitlines()


def test_the_readme_shows_the_measured_run() -> None:
    shown = "\n".join(excerpt(PRINTED))
    assert f"```\n{shown}\n```" in README, "run: python -m bench demo"
    assert f"takes {minutes()} minutes when everything is cached" in README, "run: python -m bench demo"
    assert f"{minutes_from_nothing()} from nothing" in README, "run: python -m bench demo-from-nothing"


def test_every_line_was_printed_in_this_order_and_gaps_are_marked() -> None:
    at = PRINTED.index("$ kubectl apply -f examples/quickstart.yaml")
    for line in excerpt(PRINTED):
        if line == LEFT_OUT:
            at = -at
        elif at < 0:
            at = PRINTED.index(line, -at) + 1
        else:
            assert PRINTED[at] == line
            at += 1
    assert at == len(PRINTED)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(" s  Loading  ", id="the stages"),
        pytest.param("user:  Tell me the fable of the fox and the grapes.", id="the question"),
        pytest.param("Moral: ", id="the answer"),
        pytest.param('"The hungry animal wanted the fruit on the vine."', id="the similarities"),
        pytest.param("$ kubectl get gm", id="the models"),
        pytest.param("    Reason:                Serving", id="the description"),
        pytest.param("Events:", id="the Events"),
        pytest.param("make demo-down  ", id="how to go on"),
    ],
)
def test_nothing_that_matters_is_left_out(words: str) -> None:
    assert any(words in line for line in excerpt(PRINTED))


def test_the_page_is_brought_up_to_date(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    stale = README.replace("Moral: ", "Moral, once: ").replace(f"takes {minutes()} min", "takes 99.9 min")
    page.write_text(stale.replace(f"{minutes_from_nothing()} from nothing", "99 from nothing"))
    update_page(page)
    assert page.read_text() == README


def test_a_run_that_printed_something_else_is_no_excerpt() -> None:
    with pytest.raises(ValueError, match="something else"):
        excerpt([line for line in PRINTED if not line.startswith("==> How to go on")])
