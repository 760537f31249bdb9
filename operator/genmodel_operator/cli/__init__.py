"""The command ``genmodel``."""

from genmodel_operator.cli.command import main

__all__ = ["main"]
