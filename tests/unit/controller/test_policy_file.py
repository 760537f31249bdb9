"""The policy's file while the operator runs: what is applied, what is kept, and who is told."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from genmodel_operator.controller.policy_file import KEPT, PolicyFile
from genmodel_operator.observability.metrics import Metrics
from genmodel_operator.policy.document import Policy
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.pools_given import TWICE, contradiction

ONE, OTHER = "allowedPublishers: [acme]\n", "allowedPublishers: [acme, mistralai]\n"


class Rig:
    def __init__(self, folder: Path, contradicts: Callable[[Policy], str] = lambda _: "") -> None:
        self.path = folder / "policy.yaml"
        self.metrics = Metrics()
        self.complaints: list[tuple[str, str]] = []
        self.file = PolicyFile(
            self.path,
            observe=self.metrics.policy,
            complain=lambda problem, effect: self.complaints.append((problem, effect)),
            applied=lambda policy: self.metrics.prices(policy.prices),
            contradicts=contradicts,
        )

    def write(self, text: str) -> bool:
        self.path.write_text(text)
        return self.file.look()

    def figure(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    @property
    def publishers(self) -> list[str]:
        assert self.file.current is not None
        return self.file.current.allowed_publishers


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_another_document_is_another_policy(rig: Rig) -> None:
    assert rig.write(ONE)
    assert rig.publishers == ["acme"]
    assert rig.write(OTHER)
    assert rig.publishers == ["acme", "mistralai"]
    assert rig.figure("genmodel_policy_valid") == 1
    assert rig.figure("genmodel_policy_reloads_total", result="applied") == 2
    assert rig.complaints == []


def test_prices_are_those_of_the_policy_in_force(rig: Rig) -> None:
    rig.write("prices: {NVIDIA-L4: 0.71, NVIDIA-A40: 1}\n")
    rig.write("prices: {NVIDIA-L4: 0.5}\n")
    rig.write("prices: {NVIDIA-L4: cheap}\n")
    assert rig.figure("genmodel_device_price_per_hour", product="NVIDIA-L4") == 0.5
    assert rig.figure("genmodel_device_price_per_hour", product="NVIDIA-A40") is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ONE, id="the same text"),
        pytest.param(f"# said otherwise\n{ONE}", id="a comment more"),
        pytest.param('{"allowedPublishers": ["acme"]}', id="the same as JSON"),
    ],
)
def test_what_says_the_same_wakes_nobody(rig: Rig, text: str) -> None:
    rig.write(ONE)
    assert not rig.write(text)
    assert rig.figure("genmodel_policy_reloads_total", result="applied") == 1


def test_an_invalid_document_leaves_the_policy_and_is_told_once(rig: Rig) -> None:
    rig.write(ONE)
    assert not rig.write("allowedPublisher: [evil]\n")
    assert not rig.file.look()
    assert rig.publishers == ["acme"]
    want = f"{rig.path}: allowedPublisher: there is no such key; did you mean allowedPublishers?"
    assert rig.complaints == [(want, KEPT)]
    assert rig.figure("genmodel_policy_valid") == 0
    assert rig.figure("genmodel_policy_reloads_total", result="refused") == 1


def test_another_mistake_is_told_too(rig: Rig) -> None:
    rig.write(ONE)
    rig.write("allowGated: maybe\n")
    rig.write("prices: {a: -1}\n")
    assert len(rig.complaints) == 2
    assert "allowGated" in rig.complaints[0][0]
    assert "prices.a" in rig.complaints[1][0]


def test_pools_beside_those_of_the_settings_are_refused_and_the_policy_stays(tmp_path: Path) -> None:
    pool = {"name": "p", "product": "NVIDIA-L4", "devices": 1, "labels": {"example.com/pool": "l4"}}
    settings = Settings.model_validate({"accelerators": {"pools": [pool]}})
    rig = Rig(tmp_path, contradicts=lambda policy: contradiction(settings, policy))
    rig.write(ONE)
    assert not rig.write(f"{OTHER}pools: [{json.dumps(pool)}]\n")
    assert rig.publishers == ["acme"]
    ((problem, effect),) = rig.complaints
    assert problem == f"{rig.path}: {TWICE}"
    assert effect == KEPT
    assert rig.write(OTHER)


def test_the_document_before_may_come_back(rig: Rig) -> None:
    rig.write(ONE)
    rig.write("nothing: good\n")
    assert not rig.write(ONE), "the policy is the one that held all the time"
    assert rig.figure("genmodel_policy_valid") == 1
    assert rig.file.problem == ""


def test_without_a_file_nothing_is_known_until_there_is_one(rig: Rig) -> None:
    assert not rig.file.look()
    assert rig.file.current is None
    assert "No such file" in rig.file.problem
    assert rig.complaints[0][1] == "nothing new is admitted"
    assert rig.figure("genmodel_policy_valid") == 0
    assert rig.write(ONE)
    assert rig.figure("genmodel_policy_valid") == 1


def test_a_file_that_is_gone_leaves_the_policy(rig: Rig) -> None:
    rig.write(ONE)
    rig.path.unlink()
    assert not rig.file.look()
    assert rig.publishers == ["acme"]
    assert rig.complaints[0][1] == KEPT
    assert not rig.write(ONE)
    assert rig.figure("genmodel_policy_valid") == 1


def test_a_file_that_is_no_text(rig: Rig) -> None:
    rig.path.write_bytes(b"\xff\xfe\x00")
    assert not rig.file.look()
    assert rig.file.problem


def test_the_swap_of_a_mounted_config_map_is_seen(rig: Rig, tmp_path: Path) -> None:
    for name, text in (("..1", ONE), ("..2", OTHER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..1")
    rig.path.symlink_to("..data/policy.yaml")
    assert rig.file.look()
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert rig.file.look()
    assert rig.publishers == ["acme", "mistralai"]


async def test_a_change_is_seen_while_it_is_watched(rig: Rig) -> None:
    rig.write(ONE)
    changed = asyncio.Event()
    watching = asyncio.create_task(rig.file.watch(changed.set, poll_seconds=0.01))
    rig.path.write_text("not: valid\n")
    await asyncio.sleep(0.05)
    assert not changed.is_set()
    rig.path.write_text(OTHER)
    async with asyncio.timeout(10):
        await changed.wait()
    watching.cancel()
    assert rig.file.current == Policy(allowed_publishers=["acme", "mistralai"])
