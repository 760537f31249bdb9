"""Every reason is brought about for real by some test: a reason that nobody can produce says nothing."""

from collections import Counter
from pathlib import Path

import pytest

from genmodel_operator.api.reasons import AnyReason, Reason
from genmodel_runtime.contract import RuntimeReason
from tests.situations.elsewhere import ELSEWHERE
from tests.situations.node_scenes import NODE_SCENES
from tests.situations.pods import PODS
from tests.situations.scenes import SCENES
from tests.situations.spec import SPEC


def situations() -> list[str]:
    reasons: list[AnyReason] = [*(found.reason for found in SPEC), *(found.reason for found in PODS)]
    reasons += [reason for scene in SCENES for reason in scene.reasons]
    reasons += [reason for scene in NODE_SCENES for reason in scene.reasons]
    return [reason.value for reason in (*reasons, *ELSEWHERE)]


def test_every_reason_has_a_situation() -> None:
    assert {reason.value for reason in (*Reason, *RuntimeReason)} - set(situations()) == set()


@pytest.mark.parametrize(("reason", "file"), ELSEWHERE.items(), ids=str)
def test_what_is_seen_elsewhere_is_named_there(reason: Reason, file: str) -> None:
    text = (Path(__file__).parents[3] / file).read_text()
    assert reason.value in text or f"Reason.{reason.name}" in text


def test_situations_have_names_of_their_own() -> None:
    ids = [[found.id for found in SPEC], [found.id for found in PODS], [found.id for found in SCENES]]
    names = Counter(name for group in (*ids, [found.id for found in NODE_SCENES]) for name in group)
    assert [name for name, count in names.items() if count > 1] == []
