"""The operator with what its image has, and nothing else.

A package that only the development environment has is imported by others where it is there
(``kubernetes_validate`` by kopf, with all that it needs), and would be counted as the operator's memory.
"""

import os
import sys
from pathlib import Path

from tests.cluster.images.operator import operator_dependencies

COMMAND = (str(Path(sys.executable).resolve()), "-S", "-m", "genmodel_operator.cli")
"""The Python that the environment was made with, without the packages of that environment."""


def environment(checkout: Path) -> dict[str, str]:
    """Return the variables with which ``COMMAND`` finds the packages of the image and the code of the checkout."""
    folders = (operator_dependencies(checkout), checkout / "operator", checkout / "runtime")
    return {"PYTHONPATH": os.pathsep.join(map(str, folders))}
