"""Which tests wait for each other where several processes run them."""

from pathlib import Path

import pytest

from tests.conftest import runs_in

TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "want"),
    [
        pytest.param("e2e/test_serving.py", "node", id="the shared node"),
        pytest.param("e2e/test_demo.py", "node", id="a node of its own"),
        pytest.param("contract/test_runtime_engine.py", "engines", id="an engine outside a pod"),
        pytest.param("apiserver/test_policy.py", "", id="a control plane"),
        pytest.param("unit/cluster/test_shown.py", "", id="nothing"),
    ],
)
def test_who_shares_a_process(file: str, want: str) -> None:
    assert runs_in((TESTS / file).read_text()) == want


def test_a_file_with_a_node_never_runs_beside_another() -> None:
    """There is one real node at a time, whatever else a file needs."""
    assert runs_in("pytestmark = [pytest.mark.engine, pytest.mark.e2e]") == "node"
    files = sorted((TESTS / "e2e").glob("test_*.py"))
    assert {runs_in(file.read_text()) for file in files} == {"node"}
