"""Each fault of the Hub at each stage of a download in a real pod: what people read, and that it passes afterwards.

The same matrix against the fetch step alone, to the byte, is tests/contract/test_runtime_fault_matrix.py.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from examples.demo.steps import CHAT
from tests.cluster.progress import wait_until
from tests.e2e.test_fetch import is_over
from tests.platform import Platform

pytestmark = [pytest.mark.soak, pytest.mark.e2e, pytest.mark.timeout(300)]

STAGES = {
    "list": {"match": "/tree/"},
    "small file": {"match": "/resolve/.*/config.json"},
    "link": {"match": "/resolve/.*/model.safetensors"},
    "storage": {"match": "/blob/.*model.safetensors", "port": "cdn"},
}
FAULTS: dict[str, dict[str, Any]] = {
    "401": {"status": 401},
    "403": {"status": 403, "msg": "this network is not allowed"},
    "404": {"status": 404},
    "429": {"status": 429, "headers": {"Retry-After": "5"}},
    "503": {"status": 503},
    "silent": {"delay": 40.0},
    "cut": {"cut": 0},
}


@dataclass(frozen=True, slots=True)
class Told:
    """What people must read of a fault."""

    reason: str
    words: str

    @property
    def event(self) -> str:
        """Only what a person must settle is a Warning."""
        return f"{'Warning' if self.reason in ('AccessDenied', 'FileNotFound') else 'Normal'} {self.reason}"


OF_THE_HUB = {
    "401": Told("AccessDenied", "with status 401"),
    "403": Told("AccessDenied", "with status 403: this network is not allowed"),
    "404": Told("FileNotFound", "has no "),
    "429": Told("HubRateLimited", "limits the rate of requests"),
    "503": Told("HubUnreachable", "with status 503"),
    "silent": Told("HubUnreachable", "timed out"),
    "cut": Told("HubUnreachable", "next try in"),
}
OF_THE_STORAGE = OF_THE_HUB | {fault: Told("HubUnreachable", f"with status {fault}") for fault in ("401", "403", "404")}
"""A storage that refuses is an expired link or a proxy on the way, which passes."""
CASES = [
    pytest.param(stage, fault, id=f"{stage}, {fault}")
    for stage in STAGES
    for fault in FAULTS
    if (stage, fault) != ("link", "cut")
]
"""Of an answer that only leads elsewhere, nothing is missed when it is cut."""


@pytest.mark.parametrize(("stage", "fault"), CASES)
def test_a_fault_is_shown_and_passes(platform: Platform, stage: str, fault: str) -> None:
    # A model of its own for each: of one reason, a few Events about a model are enough.
    name = f"{stage}-{fault}".replace(" ", "-")
    wanted = (OF_THE_STORAGE if stage == "storage" else OF_THE_HUB)[fault]
    # Planned while it has no pod, so that the fault meets its pod alone.
    platform.wish(name, CHAT, suspend=True)
    platform.wait_for(name, "Suspended", seconds=60)
    platform.hub_fault(**STAGES[stage], **FAULTS[fault], times=None)
    platform.wish(name, CHAT, suspend=False)
    try:
        platform.assert_shown(
            name,
            reason=wanted.reason,
            words=(wanted.words,),
            event=wanted.event,
            row={"READY": "False", "REPLICAS": "0/1"},
            seconds=120,
        )
        platform.clear_hub_faults()
        wait_until("the weights", lambda: is_over(platform, name), timeout_seconds=120)
    finally:
        platform.clear_hub_faults()
        platform.delete(name)
        wait_until("its pods to be gone", lambda: platform.pods(name) == [], timeout_seconds=120)
