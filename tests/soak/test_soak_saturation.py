"""Half an hour of more load than the engine can bear: it is never restarted."""

from pathlib import Path

import pytest

from bench.record import keep
from tests.engine_failures import Refusal, write_model
from tests.real_engine import serving
from tests.saturation import ARGUMENTS, saturate

pytestmark = [pytest.mark.soak, pytest.mark.engine, pytest.mark.timeout(2700)]

SECONDS = 1800.0


def test_half_an_hour_of_saturation(tmp_path: Path, site_packages: Path) -> None:
    model = write_model(tmp_path / "model", Refusal("none", "", ()))
    environ = {"GENMODEL_STALL_SECONDS": "120"}
    with serving(tmp_path / "pod", site_packages, *ARGUMENTS, model=model, environ=environ) as server:
        server.wait_until_ready()
        found = saturate(server, SECONDS)
        keep("soak-saturation", {f"{SECONDS / 60:.0f} minutes": found.figures() | {"restarts": "0"}})
        assert set(found.answers) == {"whole"}
        assert found.not_ready == 0
        assert server.pod.status()["phase"] == "Serving"
