"""What is made before the tests, by what the machine can run, and what is said where it fails."""

from functools import partial

import pytest

from tests import prepare
from tests.cluster.environment import Environment
from tests.cluster.errors import ClusterError

EVERYTHING = Environment("node", "", "", "")
NO_ROOT = Environment("none", "", "a real node needs root", "")
NO_ENGINE = Environment("node", "", "", "vLLM for CPU is locked for Python 3.11; this is 3.13")
FOREIGN = Environment("foreign", "", "", "", registry="registry.example.com")
NOTHING = Environment("none", "needs Linux", "needs Linux", "needs Linux")

MODELS = ["the chat model", "the embedding model"]
ENGINE = ["the engine", "the operator's image", "the engine's image", *MODELS]


@pytest.mark.parametrize(
    ("environment", "want_programs", "want_engine"),
    [
        pytest.param(EVERYTHING, ["the cluster's programs", "the scanners"], ENGINE, id="root on Debian"),
        pytest.param(NO_ROOT, ["the cluster's programs", "the scanners"], ["the engine", *MODELS], id="no real node"),
        pytest.param(
            NO_ENGINE,
            ["the cluster's programs", "the scanners"],
            ["the operator's image", "the engine's image"],
            id="another Python than the engine's",
        ),
        pytest.param(
            FOREIGN,
            ["the cluster's programs", "the scanners"],
            ["the engine", "the operator's image", *MODELS],
            id="a cluster that the user named",
        ),
        pytest.param(NOTHING, [], [], id="no Linux"),
    ],
)
def test_what_the_machine_can_run_is_made(
    environment: Environment, want_programs: list[str], want_engine: list[str]
) -> None:
    assert list(prepare.programs_of(environment)) == want_programs
    assert list(prepare.engine_of(environment)) == want_engine
    assert list(prepare.packages_of(environment)) == (["Debian's packages"] if want_programs else [])


class Recorded:
    """Steps that note that they were taken; some fail."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def step(self, name: str) -> None:
        self.taken.append(name)
        if "fails" in name:
            raise ClusterError("no space left")

    def steps(self, *names: str) -> prepare.Steps:
        return {name: partial(self.step, name) for name in names}


def test_all_sides_are_taken_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    recorded = Recorded()
    assert prepare.main([[recorded.steps("packages")], [recorded.steps("a", "b"), recorded.steps("c")]]) == 0
    assert recorded.taken[0] == "packages"
    assert sorted(recorded.taken) == ["a", "b", "c", "packages"]
    assert recorded.taken.index("a") < recorded.taken.index("b")
    assert capsys.readouterr().err == ""


def test_a_failure_is_said_and_the_other_side_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    recorded = Recorded()
    assert prepare.main([[recorded.steps("fails", "after it"), recorded.steps("other", "more")]]) == 1
    assert sorted(recorded.taken) == ["fails", "more", "other"]
    assert capsys.readouterr().err == "genmodel tests: fails: no space left\n"


def test_nothing_is_begun_after_a_group_that_failed() -> None:
    recorded = Recorded()
    assert prepare.main([[recorded.steps("fails")], [recorded.steps("later")]]) == 1
    assert recorded.taken == ["fails"]


def test_what_is_no_refusal_of_the_cluster_is_not_hidden() -> None:
    def wrong() -> None:
        raise ValueError("a mistake of ours")

    with pytest.raises(ValueError, match="a mistake of ours"):
        prepare.main([[{"wrong": wrong}]])
