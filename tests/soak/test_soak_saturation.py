"""Engines that are slow for good reasons: half an hour of too much load, and one prompt that takes for ever."""

import time
from pathlib import Path
from threading import Event, Thread

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


LARGE = {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32768,
}
"""Large enough for a step to take two seconds on two cores, and so for a prompt of a dozen to take its time."""
STALL_SECONDS = 8
STEPS = "vllm:iteration_tokens_total_count"


def test_a_prompt_that_takes_many_steps_before_its_first_token(tmp_path: Path, site_packages: Path) -> None:
    """The engine counts no step of it, for none gives a token; the cache that it fills tells that it goes on."""
    model = write_model(tmp_path / "model", Refusal("none", "", (), config=LARGE))
    arguments = ("--enforce-eager", "--load-format", "dummy", "--max-num-batched-tokens", "256")
    environ = {"GENMODEL_STALL_SECONDS": str(STALL_SECONDS)}
    with serving(tmp_path / "pod", site_packages, *arguments, model=model, environ=environ) as server:
        server.wait_until_ready()
        begun, events, started = Event(), list[str](), time.monotonic()
        asking = Thread(target=lambda: events.extend(server.stream(2, begun, "a" * 3_000)))
        asking.start()
        steps = set[float]()
        while asking.is_alive() and not begun.wait(0.5):
            steps.update(server.figures(STEPS))
        first_token_seconds = time.monotonic() - started
        asking.join()
        assert first_token_seconds > 2 * STALL_SECONDS
        assert 1 <= len(steps) <= 2
        assert events[-1] == "[DONE]"
        assert server.pod.status()["phase"] == "Serving", server.pod.log
