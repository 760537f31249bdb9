"""The grammar of ``genmodel status``."""

import argparse

_TEXT = """\
Show what is with a model on one screen: the verdict with its reason and what to do, how far its
pods are, how it is served and why, where it answers, and what was last told about it. Without
NAME: all models of the namespace in a table.

With -w the screen is kept up to date until the model is Ready, then the command ends with 0;
where output is no terminal, a line is written whenever something changes. Ctrl-C ends it (130).
The cluster and the rights are those of kubectl (KUBECONFIG); docs/status.md says which are used.
"""

_EXAMPLES = """\
examples:
  genmodel status
  genmodel status mistral -n team-a
  genmodel status mistral -w --timeout 900
  genmodel status -A -o json
"""


def add_status(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    status = commands.add_parser(
        "status",
        help="show what is with a model, and what to do",
        description=_TEXT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    status.add_argument("name", nargs="?", metavar="NAME", help="a GenerativeModel; left out: all of the namespace")
    where = status.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", help="namespace (default: that of the current context)")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="models of all namespaces in a table")
    status.add_argument("-w", "--watch", action="store_true", help="go on until Ready")
    status.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="with -w: end with 1 where it is not Ready by then (default: no limit)",
    )
    status.add_argument(
        "--fail-fast", action="store_true", help="with -w: end with 1 as soon as it cannot go on without a person"
    )
    status.add_argument("-o", "--output", choices=("text", "json", "yaml"), default="text", help="form of the answer")


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds, such as 900")
    return float(text)
