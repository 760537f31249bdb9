"""Help texts of an argparse parser as Markdown, independent of the terminal."""

import argparse
from collections.abc import Iterator


class WideFormatter(argparse.RawDescriptionHelpFormatter):
    """Lays help out for a page of 100 columns, whatever the terminal is."""

    def __init__(self, prog: str) -> None:
        """Take the program's name."""
        super().__init__(prog, width=100, max_help_position=32)


def describe_parser(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield a heading and the help of the parser and of each of its commands."""
    parser.formatter_class = WideFormatter
    yield f"## {parser.prog}"
    yield f"```\n{parser.format_help().rstrip()}\n```"
    for action in parser._actions:  # argparse has no public way to its commands
        if isinstance(action, argparse._SubParsersAction):
            for command in dict.fromkeys(action.choices.values()):
                yield from describe_parser(command)
