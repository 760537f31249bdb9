"""Starts that the real vLLM refuses within seconds: each is told with its reason and the word that decides."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import items_beside
from tests.engine_failures import QUICK, Refusal, cases, check

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

AT_ONCE = 2
"""A start keeps one processor busy with imports."""


@pytest.fixture(scope="module")
def starts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, site_packages: Path
) -> Iterator[Mapping[str, Future[None]]]:
    """Yield what becomes of each start that is asked for in this run; they are made side by side, in turn."""
    asked = [item.callspec.params.get("refusal") for item in items_beside(request) if hasattr(item, "callspec")]
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield {
            one.id: pool.submit(check, one, tmp_path_factory.mktemp("refused"), site_packages)
            for one in QUICK
            if one in asked
        }
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("refusal", cases(QUICK))
def test_a_start_that_is_refused(refusal: Refusal, starts: Mapping[str, Future[None]]) -> None:
    starts[refusal.id].result()
