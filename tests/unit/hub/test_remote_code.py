"""Where a repository names Python code of its own, and what of it can be run at all."""

from typing import Any

import pytest

from genmodel_operator.api.reasons import TABLE, Reason
from genmodel_operator.hub.facts import Refused
from genmodel_operator.hub.remote_code import check_code, naming_file, refuse_unpinned

PATHS = ["config.json", "tokenizer_config.json", "modeling_own.py", "tokenization_own.py"]


def named(config: Any = None, tokenizer: Any = None) -> str:
    documents = {"config.json": {"auto_map": config}, "tokenizer_config.json": {"auto_map": tokenizer}}
    check_code("acme/own", PATHS, documents)
    return naming_file(documents)


@pytest.mark.parametrize(
    ("config", "tokenizer", "want"),
    [
        pytest.param(None, None, "", id="none"),
        pytest.param({}, [], "", id="empty"),
        pytest.param({"AutoModel": "modeling_own.Own"}, None, "config.json", id="the model"),
        pytest.param(None, {"AutoTokenizer": ["tokenization_own.T", None]}, "tokenizer_config.json", id="slow alone"),
        pytest.param(None, ["tokenization_own.T", "tokenization_own.F"], "tokenizer_config.json", id="a list of old"),
        pytest.param({"AutoModel": "modeling_own.Own"}, ["tokenization_own.T"], "config.json", id="both"),
    ],
)
def test_the_file_that_names_code(config: Any, tokenizer: Any, want: str) -> None:
    assert named(config, tokenizer) == want


@pytest.mark.parametrize(
    ("reference", "want_reason", "want_said"),
    [
        pytest.param(
            "nomic/base--modeling_own.Own", Reason.REMOTE_CODE_ELSEWHERE, "code from nomic/base", id="elsewhere"
        ),
        pytest.param(
            "acme/own--modeling_own.Own", Reason.REMOTE_CODE_ELSEWHERE, "code from acme/own", id="itself, of any commit"
        ),
        pytest.param("a.B--c.D", Reason.REMOTE_CODE_ELSEWHERE, "code from a.B ", id="a place that is none"),
        pytest.param("other.Own", Reason.METADATA_INVALID, "it names other.py, which is not", id="no such file"),
        pytest.param("../own.Own", Reason.METADATA_INVALID, "'../own.Own' is no class", id="out of the folder"),
        pytest.param("sub.modeling_own.Own", Reason.METADATA_INVALID, "is no class of a file", id="a sub-folder"),
        pytest.param("modeling_own", Reason.METADATA_INVALID, "'modeling_own' is no class of a file", id="no class"),
        pytest.param(".Own", Reason.METADATA_INVALID, "'.Own' is no class of a file", id="no file"),
        pytest.param("", Reason.METADATA_INVALID, "'' is no class of a file", id="nothing"),
        pytest.param(7, Reason.METADATA_INVALID, "'7' is no class of a file", id="a number"),
        pytest.param({"a": "x" * 500}, Reason.METADATA_INVALID, "x' is no class of a file", id="nested and long"),
    ],
)
@pytest.mark.parametrize("file", ["config", "tokenizer"])
def test_code_that_cannot_be_run(file: str, reference: Any, want_reason: Reason, want_said: str) -> None:
    with pytest.raises(Refused) as caught:
        named(**{file: {"AutoConfig": "modeling_own.Own", "AutoModel": reference}})
    assert caught.value.reason is want_reason
    assert want_said in str(caught.value)
    assert len(str(caught.value)) < 400
    assert set(caught.value.values) == TABLE[want_reason].fields


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_where_the_commit_does_not_pin_files_is_refused(file: str) -> None:
    with pytest.raises(Refused) as caught:
        refuse_unpinned("acme/own", {file: {"auto_map": {"AutoModel": "own.Own"}}}, place="files on the claim")
    assert caught.value.reason is Reason.REMOTE_CODE_ELSEWHERE
    assert caught.value.values == {"repository": "acme/own", "file": file, "place": "files on the claim"}


@pytest.mark.parametrize(
    "documents",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"config.json": {"auto_map": {}}}, id="an empty one"),
        pytest.param({"config.json": ["auto_map"], "tokenizer_config.json": None}, id="no objects"),
    ],
)
def test_without_code_nothing_is_refused(documents: dict[str, Any]) -> None:
    refuse_unpinned("acme/own", documents, place="files on the claim")
