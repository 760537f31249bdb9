"""Numbered weight files without an index: all of them or none."""

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.hub.facts import Refused, RepoFile
from genmodel_operator.hub.parse import check_servable
from tests.builders import A_COMMIT
from tests.fakes.hub_models import LLAMA_CONFIG

INFO = {"id": "acme/tiny", "sha": A_COMMIT}


@pytest.mark.parametrize(
    ("present", "want_missing"),
    [
        pytest.param([1, 3], "model-00002-of-00003.safetensors", id="one in the middle"),
        pytest.param([1, 2], "model-00003-of-00003.safetensors", id="the last"),
        pytest.param([2], "model-00001-of-00003.safetensors", id="the first"),
    ],
)
def test_a_shard_that_is_not_there_is_named(present: list[int], want_missing: str) -> None:
    tree = [RepoFile(f"model-{n:05}-of-00003.safetensors", 1000, "1" * 40) for n in present]
    with pytest.raises(Refused, match="it is one of 3 shards") as error:
        check_servable(info=INFO, tree=tree, documents={"config.json": dict(LLAMA_CONFIG)})
    assert (error.value.reason, error.value.values["file"]) == (Reason.METADATA_INVALID, want_missing)


def test_all_shards_need_no_index() -> None:
    tree = [RepoFile(f"model-{n:05}-of-00003.safetensors", 1000, "1" * 40) for n in (1, 2, 3)]
    check_servable(info=INFO, tree=tree, documents={"config.json": dict(LLAMA_CONFIG)})
