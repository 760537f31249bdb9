"""``python -m tests.prepare``: make what tests need and what is not there yet, before the time of a test counts.

On two cores Kubernetes takes a quarter of an hour from its source, and a test may take ten minutes. What is made is
kept; where all of it is there, this ends within two seconds.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from examples.demo.models import chat_model, minilm_model
from examples.demo.steps import ROOT
from tests.cluster.binaries import acquire
from tests.cluster.environment import Environment, detect
from tests.cluster.errors import ClusterError
from tests.cluster.images import operator_image, vllm_cpu_image, vllm_site_packages
from tests.cluster.prerequisites import ensure_prerequisites
from tests.cluster.tools import CONTROL_PLANE_TOOLS, NODE_TOOLS
from tests.scanners.programs import scanner_programs

Steps = Mapping[str, Callable[[], object]]
"""What is made, in order, by what people call it."""


def packages_of(environment: Environment) -> Steps:
    """Return the installation of Debian's packages, of which no two can run side by side."""
    if environment.no_control_plane:
        return {}
    return {"Debian's packages": partial(ensure_prerequisites, real_node=has_own_node(environment))}


def programs_of(environment: Environment) -> Steps:
    """Return what is compiled from source, which needs the processors."""
    if environment.no_control_plane:
        return {}
    tools = (*CONTROL_PLANE_TOOLS, *(NODE_TOOLS if has_own_node(environment) else ()))
    return {"the cluster's programs": partial(acquire, tools), "the scanners": scanner_programs}


def engine_of(environment: Environment) -> Steps:
    """Return what is mostly downloaded: the engine, the images and the models."""
    images: dict[str, Callable[[], object]] = {"the operator's image": lambda: operator_image(ROOT)}
    if has_own_node(environment):
        images["the engine's image"] = vllm_cpu_image
    if environment.no_engine:
        return {} if environment.no_real_node else images
    models = {"the chat model": chat_model, "the embedding model": minilm_model}
    return {"the engine": vllm_site_packages, **({} if environment.no_real_node else images), **models}


def has_own_node(environment: Environment) -> bool:
    """Return whether the tests start a node of their own."""
    return environment.rung == "node" and not environment.no_real_node


def prepare(*sides: Steps) -> list[str]:
    """Take the steps of each side in order, all sides side by side; return what failed and why."""
    with ThreadPoolExecutor(len(sides)) as pool:
        return [failure for failures in pool.map(_taken, sides) for failure in failures]


def _taken(steps: Steps) -> list[str]:
    """Take steps until one fails."""
    for name, step in steps.items():
        try:
            step()
        except ClusterError as error:
            return [f"{name}: {error}"]
    return []


def main(groups: Sequence[Sequence[Steps]]) -> int:
    """Take groups one after the other, the sides of each side by side; 1 with the reasons where something failed."""
    for sides in groups:
        failures = prepare(*sides)
        if failures:
            print("\n".join(f"genmodel tests: {failure}" for failure in failures), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    found = detect()
    sys.exit(main([[packages_of(found)], [programs_of(found), engine_of(found)]]))
