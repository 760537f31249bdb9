"""A repository of a cross-encoder, as it is read."""

import pytest

from genmodel_operator.api.v1alpha1 import Task
from genmodel_operator.hub.facts import Refused, ServedTask, choose_task
from tests.fakes.hub_reranker import reranker_files
from tests.unit.hub.test_parse import parse


def test_a_reranker_is_read() -> None:
    facts = parse(reranker_files(), pipeline_tag="text-ranking", cardData=None, tags=None)
    assert (facts.architecture, facts.tasks) == ("BertForSequenceClassification", (ServedTask.SCORE,))
    with pytest.raises(Refused, match=r"scores of pairs of texts .* set spec\.task to Score, or leave it out"):
        choose_task(facts, Task.EMBED)
    assert choose_task(facts, Task.SCORE) is choose_task(facts, Task.AUTO) is ServedTask.SCORE
