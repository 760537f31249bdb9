"""The README of the chart: every value is described once, where it is defined."""

import json
from pathlib import Path

import pytest

from scripts.generate.chart_readme import PLACE, comments, readme, rows

CHART = Path(__file__).resolve().parents[2] / "charts" / "genmodel"
VALUES = """\
# Not about a value.

# Section.
section:
  # One. Of
  # two lines.
  one: 1
  # A map that is one value.
  map:
    inner: [a]
# Text with a | bar.
text: "a|b"
# Nothing.
nothing:
"""


def test_comments_belong_to_the_key_below_them() -> None:
    assert comments(VALUES) == {
        ("section",): "Section.",
        ("section", "one"): "One. Of two lines.",
        ("section", "map"): "A map that is one value.",
        ("text",): "Text with a | bar.",
        ("nothing",): "Nothing.",
    }


def test_rows_have_name_default_and_meaning() -> None:
    assert list(rows(VALUES)) == [
        ("section.one", "1", "One. Of two lines."),
        ("section.map", '{"inner": ["a"]}', "A map that is one value."),
        ("text", '"a\\|b"', "Text with a \\| bar."),
        ("nothing", "", "Nothing."),
    ]


def test_a_value_that_nobody_described_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"a\.c has no comment"):
        list(rows("a:\n  # Said.\n  b: 1\n  c: 2\n"))


def test_prose_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="no line"):
        readme("# Title\n", VALUES)
    assert "| `nothing` |  | Nothing. |\n\nEnd" in readme(f"# Title\n\n{PLACE}\nEnd\n", VALUES)


def test_every_value_of_the_schema_is_in_the_readme() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    text = (CHART / "README.md").read_text()
    assert [name for name in schema["properties"] if f"| `{name}" not in text] == []
