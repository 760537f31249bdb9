"""Every reason is brought about for real by some test: a reason that nobody can produce says nothing."""

from collections import Counter

from genmodel_operator.api.reasons import Reason
from genmodel_runtime.contract import RuntimeReason
from tests.situations import rights
from tests.situations.node_scenes import NODE_SCENES
from tests.situations.pods import PODS
from tests.situations.scenes import SCENES
from tests.situations.spec import SPEC


def situations() -> list[str]:
    reasons = [*(found.reason for found in SPEC), *(found.reason for found in PODS)]
    for scene in SCENES:
        reasons += scene.reasons
    for node_scene in NODE_SCENES:
        reasons += node_scene.reasons
    return [reason.value for reason in (*reasons, *rights.REASONS)]


def test_every_reason_has_a_situation() -> None:
    assert {reason.value for reason in (*Reason, *RuntimeReason)} - set(situations()) == set()


def test_situations_have_names_of_their_own() -> None:
    names = Counter(found.id for group in (SPEC, PODS, SCENES, NODE_SCENES) for found in group)
    assert [name for name, count in names.items() if count > 1] == []
