"""What the plain client creates in place of the operator: all that the operator would, each with a place in the API."""

from bench.api import PATHS
from bench.control_plane import children_of


def test_the_plain_client_knows_where_each_child_goes() -> None:
    kinds = [found["kind"] for found in children_of("m0001", "bench")]
    assert kinds == ["ControllerRevision", "Deployment", "Service", "NetworkPolicy"]
    assert set(kinds) <= PATHS.keys()


def test_nothing_of_it_belongs_to_a_model_that_is_not_there() -> None:
    assert not [found for found in children_of("m0001", "bench") if "ownerReferences" in found["metadata"]]
