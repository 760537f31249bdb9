"""What is said and done about children that others change; how often is in test_contest."""

import logging
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.controller.contest import FREE_REPAIRS, Contests
from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.controller.errors import Waiting
from genmodel_operator.controller.reconcile import event_note
from genmodel_operator.controller.repair import is_held_back, note_write
from genmodel_operator.controller.steps import match
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.events import event_type
from genmodel_operator.kube.kinds import DEPLOYMENT
from genmodel_operator.settings import Settings
from tests.builders import A_COMMIT, a_model

FACTS = {
    "repository": "mistralai/Mistral-7B-Instruct-v0.3",
    "commit": A_COMMIT,
    "architecture": "A",
    "task": "Generate",
}


def child(replicas: int = 1, *, manager: str = "kubectl-edit") -> dict[str, Any]:
    annotations = {labels.DESIRED_HASH: "d1"}
    metadata = {"name": "mistral-1", "namespace": "team-a", "annotations": annotations}
    return {"metadata": metadata | {"managedFields": [{"manager": manager}]}, "spec": {"replicas": replicas}}


def wanted() -> dict[str, Any]:
    found = child()
    del found["metadata"]["managedFields"]
    return found


def a_context(*, writes: int = 0, model: GenerativeModel | None = None) -> Context:
    parts: dict[str, Any] = {"client": None, "hub": None, "inventory": None, "runtimes": None}
    contests = Contests(clock=lambda: 1000.0)
    for _ in range(writes):
        contests.wrote(DEPLOYMENT, wanted(), wanted())
    tools = Tools(cache=ChildCache(), settings=Settings(), now=lambda: "", contests=contests, **parts)
    return Context(tools=tools, model=model or a_model(), resync=False)


def test_an_edit_is_put_back_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    ctx = a_context(writes=1)
    with caplog.at_level(logging.INFO):
        assert not is_held_back(ctx, DEPLOYMENT, wanted(), child(3))
    (said,) = caplog.records
    assert said.__dict__["fields"] == "spec.replicas"
    assert said.__dict__["writers"] == "kubectl-edit"
    assert (ctx.event_notes, ctx.after_seconds) == ([], None)


def test_a_new_wish_is_no_repair(caplog: pytest.LogCaptureFixture) -> None:
    newer = wanted()
    newer["metadata"]["annotations"] = {labels.DESIRED_HASH: "d2"}
    with caplog.at_level(logging.INFO):
        assert not is_held_back(a_context(writes=9), DEPLOYMENT, newer, child(3))
    assert caplog.records == []


def test_one_edit_too_many_is_left_told_and_looked_at_later() -> None:
    ctx = a_context(writes=1 + FREE_REPAIRS)
    assert is_held_back(ctx, DEPLOYMENT, wanted(), child(3, manager="other-operator"))
    assert ctx.after_seconds == 10.0
    ((reason, message),) = ctx.event_notes
    assert message.startswith("the Deployment mistral-1: spec.replicas is changed again and again by other-operator;")
    assert event_type(event_note(reason, message, "2026-11-24T10:00:00Z").reason) == "Warning"


def test_one_deletion_too_many_waits() -> None:
    with pytest.raises(Waiting, match=r"Contested: the Deployment mistral-1: everything .* by somebody who deletes it"):
        is_held_back(a_context(writes=1 + FREE_REPAIRS), DEPLOYMENT, wanted(), None)


def test_what_admission_made_of_it_is_told_once_and_left() -> None:
    ctx = a_context()
    assert note_write(ctx, DEPLOYMENT, wanted(), child(5)) == child(5)
    ((_, message),) = ctx.event_notes
    assert "spec.replicas is changed again and again by what changes objects on admission" in message
    assert is_held_back(ctx, DEPLOYMENT, wanted(), child(5))
    assert len(ctx.event_notes) == 1


def test_what_is_written_as_meant_is_not_told() -> None:
    ctx = a_context()
    note_write(ctx, DEPLOYMENT, wanted(), wanted())
    assert ctx.event_notes == []


@pytest.mark.parametrize(
    ("serving", "status", "want"),
    [
        pytest.param("0123456789", {"observedGeneration": 1, "model": FACTS}, A_COMMIT, id="it serves as wished"),
        pytest.param(None, {"observedGeneration": 1, "model": FACTS}, None, id="it does not serve yet"),
        pytest.param("0123456789", {"observedGeneration": 0, "model": FACTS}, None, id="the wish has changed since"),
        pytest.param("0123456789", {"observedGeneration": 1}, None, id="nothing was resolved"),
        pytest.param(
            "0123456789",
            {"observedGeneration": 1, "model": FACTS | {"repository": "acme/other"}},
            None,
            id="another model was resolved",
        ),
    ],
)
async def test_a_frozen_revision_that_was_deleted_by_hand_moves_no_commit(
    serving: str | None, status: dict[str, Any], want: str | None
) -> None:
    ctx = a_context(model=a_model(status=status))
    ctx.serving = serving
    await match(ctx)
    assert ctx.commit == want
    assert ctx.current is None
