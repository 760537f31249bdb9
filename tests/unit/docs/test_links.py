"""Links in the docs lead somewhere: to a file that is there, and to a heading that it has."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import EXAMPLES, PAGES, ROOT, documents

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def links(page: Path) -> Iterator[str]:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            yield target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual viewers make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_a_heading_s_anchor() -> None:
    assert {"api-keys", "network", "limits"} <= anchors(ROOT / "docs/access.md")


def test_every_page_is_reached_from_the_first_one() -> None:
    start = ROOT / "docs/README.md"
    found, left = {start}, [start]
    while left:
        page = left.pop()
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page) if link[0] != "#"}
        new = {target for target in targets if target.suffix == ".md" and target.is_file()} - found
        found |= new
        left += new
    pages = {page for page in PAGES if page.parent in (ROOT / "docs", ROOT / "docs/reference")}
    assert pages - found == set()


def test_what_is_shown_is_found() -> None:
    shown = [document.where for document in documents()]
    assert len(shown) > 20
    assert {str(example.relative_to(ROOT)) for example in EXAMPLES} <= set(shown)
    assert [where for where in shown if where.startswith("docs/gitops.md")]
