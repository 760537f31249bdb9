import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from genmodel_operator.api.v1alpha1 import Condition, ConditionStatus, GenerativeModel
from genmodel_operator.kube.errors import Forbidden
from genmodel_operator.kube.events import NOTE_MAX_BYTES, WAITING_LIMIT, EventRecorder, build_event
from genmodel_operator.kube.kinds import EVENT, Kind
from tests.builders import A_UID, a_model


class Client:
    """Takes Events; refuses them all while ``error`` is set."""

    def __init__(self) -> None:
        self.created: list[Mapping[str, Any]] = []
        self.error: Exception | None = None
        self.hangs = False

    async def create(self, kind: Kind, obj: Mapping[str, Any]) -> dict[str, Any]:
        assert kind is EVENT
        if self.hangs:
            await asyncio.sleep(3600)
        if self.error is not None:
            raise self.error
        self.created.append(obj)
        return dict(obj)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(event["reason"], event["note"]) for event in self.created]


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def a_condition(reason: str = "Serving", message: str = "1 of 1 replicas answer", type_: str = "Ready") -> Condition:
    return Condition(
        type=type_,
        status=ConditionStatus.TRUE,
        last_transition_time="2026-11-24T00:00:00Z",
        reason=reason,
        message=message,
    )


class Rig:
    def __init__(self) -> None:
        self.client, self.clock = Client(), Clock()
        self.counted: list[str] = []
        self.recorder = EventRecorder(self.client, instance="pod-1", count=self.counted.append, clock=self.clock)

    async def record(self, model: GenerativeModel, condition: Condition) -> None:
        """Record and let it be posted at once."""
        self.recorder.record(model, condition)
        posting = asyncio.create_task(self.recorder.run())
        await self.recorder.finish(within_seconds=5)
        posting.cancel()


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_change_is_said_once_about_each_model(rig: Rig) -> None:
    one, other = a_model(), a_model(metadata={"uid": "another"})
    for model in (one, one, other):
        await rig.record(model, a_condition())
    assert [event["regarding"]["uid"] for event in rig.client.created] == [A_UID, "another"]
    assert rig.counted == ["sent", "repeated", "sent"]


@pytest.mark.parametrize(
    ("pause_seconds", "want_count"),
    [pytest.param(599, 1, id="within ten minutes"), pytest.param(601, 2, id="after ten minutes")],
)
async def test_the_same_words_are_said_again_only_later(rig: Rig, pause_seconds: float, want_count: int) -> None:
    await rig.record(a_model(), a_condition())
    rig.clock.seconds += pause_seconds
    await rig.record(a_model(), a_condition())
    assert len(rig.client.created) == want_count


async def test_a_condition_and_the_summary_with_the_same_words_are_one_event(rig: Rig) -> None:
    await rig.record(a_model(), a_condition("NoFit", "no node fits", "Planned"))
    await rig.record(a_model(), a_condition("NoFit", "no node fits", "Ready"))
    assert rig.client.said == [("NoFit", "no node fits")]


async def test_a_model_that_changes_all_the_time_makes_ten_events_a_minute(rig: Rig) -> None:
    for number in range(25):
        await rig.record(a_model(), a_condition(f"Reason{number}"))
    assert len(rig.client.created) == 10
    assert rig.counted.count("limited") == 15
    rig.clock.seconds += 60
    await rig.record(a_model(), a_condition(message="later"))
    assert rig.client.said[-1] == ("Serving", "later")


async def test_what_was_dropped_by_the_limit_can_be_said_later(rig: Rig) -> None:
    for number in range(11):
        await rig.record(a_model(), a_condition(f"Reason{number}", "m"))
    rig.clock.seconds += 60
    await rig.record(a_model(), a_condition("Reason10", "m"))
    assert rig.client.said[-1] == ("Reason10", "m")


async def test_a_cause_that_comes_and_goes_with_new_words_each_time_is_told_a_few_times_only(rig: Rig) -> None:
    for number in range(3600 // 10):
        await rig.record(a_model(), a_condition("Unschedulable", f"of {number} nodes"))
        await rig.record(a_model(), a_condition("Loading", f"since {number}"))
        rig.clock.seconds += 10
    told = [reason for reason, _ in rig.client.said]
    assert {reason: told.count(reason) for reason in set(told)} == {"Unschedulable": 18, "Loading": 18}
    await rig.record(a_model(), a_condition("NoFit", "another cause is told at once"))
    assert rig.client.said[-1][0] == "NoFit"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Forbidden("namespace is being terminated", status=403), id="refused"),
        pytest.param(RuntimeError("a bug"), id="anything"),
    ],
)
async def test_an_event_that_cannot_be_posted_never_stops_the_reconcile(
    rig: Rig, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    rig.client.error = error
    await rig.record(a_model(), a_condition())
    assert rig.counted == ["failed"]
    assert "an Event could not be posted" in caplog.text


async def test_memory_is_bounded(rig: Rig) -> None:
    for number in range(10_500):
        await rig.record(a_model(metadata={"uid": str(number)}), a_condition())
    await rig.record(a_model(metadata={"uid": "0"}), a_condition())
    assert rig.counted[-1] == "sent"
    await rig.record(a_model(metadata={"uid": "10499"}), a_condition())
    assert rig.counted[-1] == "repeated"


NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


def test_an_event_is_one_of_the_events_api() -> None:
    event = build_event(a_model().metadata, a_condition(), instance="pod-1", now=NOW)
    name = event["metadata"].pop("name")
    assert name.startswith("mistral.")
    assert event == {
        "metadata": {"namespace": "team-a"},
        "eventTime": "2026-11-24T12:00:00.123456Z",
        "reportingController": "genmodel.dev/genmodel-operator",
        "reportingInstance": "pod-1",
        "action": "Reconcile",
        "type": "Normal",
        "reason": "Serving",
        "note": "1 of 1 replicas answer",
        "regarding": {
            "apiVersion": "genmodel.dev/v1alpha1",
            "kind": "GenerativeModel",
            "namespace": "team-a",
            "name": "mistral",
            "uid": A_UID,
        },
    }


@pytest.mark.parametrize(
    ("reason", "want_type"),
    [
        pytest.param("Serving", "Normal", id="good"),
        pytest.param("Downloading", "Normal", id="progress"),
        pytest.param("ModelGated", "Warning", id="a person must act"),
        pytest.param("DeviceMemoryShort", "Warning", id="a reason of the runtime"),
        pytest.param("SomethingNew", "Normal", id="unknown"),
    ],
)
def test_a_warning_is_what_a_person_must_act_on(reason: str, want_type: str) -> None:
    assert build_event(a_model().metadata, a_condition(reason), instance="p", now=NOW)["type"] == want_type


@pytest.mark.parametrize(
    ("message", "want_end"),
    [
        pytest.param("x" * 1024, "x", id="fits exactly"),
        pytest.param("x" * 1025, "...", id="too long"),
        pytest.param("é" * 1000, "...", id="two bytes a letter"),
    ],
)
def test_a_long_note_is_cut_to_what_the_api_takes(message: str, want_end: str) -> None:
    note = build_event(a_model().metadata, a_condition(message=message), instance="p", now=NOW)["note"]
    assert NOTE_MAX_BYTES - 2 <= len(note.encode()) <= NOTE_MAX_BYTES
    assert note.endswith(want_end)


async def test_nobody_waits_for_an_api_server_that_hangs(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.client.hangs = True
    posting = asyncio.create_task(rig.recorder.run())
    for number in range(WAITING_LIMIT + 3):
        rig.recorder.record(a_model(metadata={"uid": str(number)}), a_condition())
    await rig.recorder.finish(within_seconds=0.05)
    posting.cancel()
    assert rig.counted == ["dropped"] * 3
    assert "Events were not posted in time" in caplog.text


async def test_events_are_posted_in_order(rig: Rig) -> None:
    for message in ("first", "second", "third"):
        rig.recorder.record(a_model(), a_condition(message=message))
    assert rig.client.said == []
    posting = asyncio.create_task(rig.recorder.run())
    await rig.recorder.finish(within_seconds=5)
    posting.cancel()
    assert [message for _, message in rig.client.said] == ["first", "second", "third"]
