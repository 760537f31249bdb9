"""The grammar of ``genmodel check``."""

import argparse

_TEXT = """\
Check an installation from where the operator stands: the definition of GenerativeModel is served
and has every field of this version, the account has each right that the chart grants, and the Hub
answers. Nothing is created. `helm test` runs this in the cluster as the operator's own account.
Exit code 1 where something is wrong; each line says what, and the way out.
"""


def add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    check = commands.add_parser(
        "check",
        help="check an installation: definition, rights, Hub",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument(
        "--rights",
        metavar="FILE",
        help="roles with their rules, as the chart writes them for its test; left out: rights are not checked",
    )
