"""The operator's image, which is also that of the pods' prepare container: every node pulls it."""

from pathlib import Path

import pytest

from tests.cluster import Environment
from tests.cluster.images.oci import unpacked_bytes
from tests.cluster.images.operator import operator_image
from tests.conftest import showing_progress

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
LIMIT_MB = 350


def test_it_is_small(environment: Environment, pytestconfig: pytest.Config) -> None:
    if environment.no_real_node:
        pytest.skip(environment.no_real_node)
    with showing_progress(pytestconfig):
        found_mb = unpacked_bytes(operator_image(ROOT)) / 1e6
        print(f"\nthe operator's image has {found_mb:.0f} MB unpacked")
    assert 50 < found_mb < LIMIT_MB
