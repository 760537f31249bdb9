"""Deployment tools over every state: kstatus by its ported rules, Argo CD and Flux by what the documentation gives."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import celpy
import celpy.adapter
import pytest
import yaml
from lupa.lua51 import LuaRuntime

from tests.builders_states import State, states
from tests.oracles.kstatus import compute

PAGE = Path(__file__).parents[3] / "docs" / "gitops.md"
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]
STATES = [pytest.param(state, id=state.id) for state in states()]
LIVING = [pytest.param(state, id=state.id) for state in states() if state.want_kstatus != "Terminating"]
HEALTH_KEY = "resource.customizations.health.genmodel.dev_GenerativeModel"
FLUX = {"Current": "current", "InProgress": "inProgress", "Failed": "failed"}


def health_script() -> str:
    (found,) = [block["data"][HEALTH_KEY] for block in BLOCKS if HEALTH_KEY in block.get("data", {})]
    return str(found)


def flux_expressions() -> Mapping[str, str]:
    (found,) = [block["spec"]["healthCheckExprs"][0] for block in BLOCKS if "spec" in block]
    return dict(found)


@pytest.mark.parametrize("state", STATES)
def test_kstatus(state: State) -> None:
    assert compute(state.obj) == state.want_kstatus


@pytest.mark.parametrize("state", STATES)
def test_argo_cd(state: State) -> None:
    lua = LuaRuntime(unpack_returned_tuples=True)
    judge = lua.eval(f"function(obj) {health_script()} end")
    health = judge(lua.table_from(state.obj, recursive=True))
    assert health.status == state.want_argo
    assert health.message


@pytest.mark.parametrize("state", LIVING)
def test_flux(state: State) -> None:
    """The first expression that is true decides, in Flux's order."""
    expressions = flux_expressions()
    verdict = next(name for name in ("inProgress", "failed", "current") if holds(expressions[name], state.obj))
    assert verdict == FLUX[state.want_kstatus]


def holds(expression: str, obj: Mapping[str, Any]) -> bool:
    environment = celpy.Environment()
    program = environment.program(environment.compile(expression))
    return bool(program.evaluate({name: celpy.adapter.json_to_cel(obj[name]) for name in ("metadata", "status")}))


def test_flux_is_told_of_our_kind() -> None:
    assert flux_expressions()["apiVersion"] == "genmodel.dev/v1alpha1"
    assert flux_expressions()["kind"] == "GenerativeModel"


def test_every_condition_type_that_tools_know_is_consistent() -> None:
    """Never both, and neither where the model is done."""
    for state in states():
        found = {c["type"]: c["status"] for c in state.obj["status"].get("conditions", [])}
        assert ("Stalled" in found) + ("Reconciling" in found) == (found.get("Ready", "True") != "True"), state.id
