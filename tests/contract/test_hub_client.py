"""The operator's Hub client against a real server: facts, refusals and errors."""

import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from genmodel_operator.api.reasons import TABLE, Reason, explain
from genmodel_operator.hub.client import HubError
from genmodel_operator.hub.document import facts_to_json
from genmodel_operator.hub.facts import Refused, ServedTask
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import (
    LLAMA_CONFIG,
    a_repository,
    as_json,
    framed_header,
    llama_files,
    standard_repositories,
)
from tests.fakes.hub_routes import Options
from tests.fakes.hub_testing import GOOD, POOR, SECRET, SHARDED, TINY, TOKENS, UNKNOWN, Asking, ask, kinds


@pytest.fixture(scope="module")
def running() -> Iterator[HubServer]:
    with HubServer(standard_repositories(), tokens=TOKENS) as server:
        yield server


@pytest.fixture
def hub(running: HubServer) -> HubServer:
    running.clear_faults()
    running.log()
    return running


@pytest.fixture
async def asking(hub: HubServer) -> AsyncIterator[Asking]:
    made = ask(hub)
    yield made
    await made.client.close()


async def test_the_facts_of_a_chat_model(hub: HubServer, asking: Asking) -> None:
    facts = await asking.resolve()
    assert facts.commit == hub.store.all()[0].refs["main"]
    assert (facts.repository, facts.architecture, facts.task) == (TINY, "LlamaForCausalLM", ServedTask.GENERATE)
    assert (facts.parameters, facts.weights_bytes, facts.max_context) == (213_312, 426_624, 512)
    assert facts.config == LLAMA_CONFIG
    hashes = {file.path: (file.sha256 is not None, len(file.blob_id)) for file in facts.files}
    assert hashes["model.safetensors"] == (True, 40)
    assert hashes["config.json"] == (False, 40)


async def test_each_part_is_asked_for_once(hub: HubServer, asking: Asking) -> None:
    await asking.resolve(SHARDED)
    entries = hub.log()
    names = kinds(entries)
    assert names[:1] == ["info"]
    assert sorted(names) == [
        "cdn model-00001-of-00002.safetensors",
        "cdn model-00002-of-00002.safetensors",
        "config.json",
        "info",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer_config.json",
        "tree",
        "tree",
        "tree",
    ]
    assert {entry.range for entry in entries if entry.port == "cdn"} == {"bytes=0-99999"}
    assert sorted(set(asking.observed)) == [("document", 200), ("header", 206), ("info", 200), ("tree", 200)]


async def test_everything_after_info_is_asked_at_the_commit(hub: HubServer, asking: Asking) -> None:
    facts = await asking.resolve()
    for entry in hub.log()[1:]:
        assert facts.commit in entry.path or entry.port == "cdn"


async def test_a_tag_and_a_commit_are_revisions(hub: HubServer, asking: Asking) -> None:
    tagged = await asking.resolve(revision="v1.0")
    assert tagged.commit != (await asking.resolve()).commit
    assert (await asking.resolve(revision=tagged.commit)) == tagged
    assert await asking.commit_of(revision=tagged.commit[:10]) == tagged.commit


async def test_the_facts_of_an_embedding_model(asking: Asking) -> None:
    facts = await asking.resolve("acme/tiny-bert")
    assert (facts.task, facts.max_context, facts.stored_precision) == (ServedTask.EMBED, 32, "Float32")
    assert facts.files[0].path == "1_Pooling/config.json"


async def test_the_facts_of_a_model_of_full_size_take_one_range_of_its_file(hub: HubServer, asking: Asking) -> None:
    facts = await asking.resolve("acme/large-llama")
    assert (facts.parameters, facts.weights_bytes) == (122_610_069_504, 245_220_139_008)
    assert [entry.range for entry in hub.log() if entry.port == "cdn"] == ["bytes=0-99999"]


async def test_facts_go_through_a_document_unchanged(asking: Asking) -> None:
    facts = await asking.resolve(SHARDED)
    assert json.loads(json.dumps(facts_to_json(facts)))["commit"] == facts.commit


@pytest.mark.parametrize(
    ("repository", "revision", "token", "want_reason", "want_said"),
    [
        pytest.param(
            "acme/nothing",
            "main",
            None,
            Reason.MODEL_NOT_FOUND,
            "and the anonymous user has no access",
            id="missing, anonymous",
        ),
        pytest.param(
            "acme/nothing",
            "main",
            POOR,
            Reason.MODEL_NOT_FOUND,
            "the token in the Secret team-token has no access",
            id="missing",
        ),
        pytest.param(
            "acme/private-llama", "main", None, Reason.MODEL_NOT_FOUND, "or it is private", id="private, anonymous"
        ),
        pytest.param(
            "acme/private-llama", "main", POOR, Reason.MODEL_NOT_FOUND, "or it is private", id="private, no access"
        ),
        pytest.param(
            "acme/no--such..name", "main", None, Reason.MODEL_NOT_FOUND, "does not exist", id="no possible name"
        ),
        pytest.param(
            "acme/gated-llama",
            "main",
            None,
            Reason.MODEL_GATED,
            "is gated and the anonymous user is not authorised",
            id="gated",
        ),
        pytest.param(
            "acme/gated-llama",
            "main",
            POOR,
            Reason.MODEL_GATED,
            "the token in the Secret team-token is not authorised",
            id="gated, no access",
        ),
        pytest.param(
            "acme/disabled-llama", "main", GOOD, Reason.MODEL_DISABLED, "was disabled on http://", id="disabled"
        ),
        pytest.param(
            TINY, "nowhere", None, Reason.REVISION_NOT_FOUND, "has no branch, tag or commit nowhere", id="no branch"
        ),
        pytest.param(
            TINY, "refs/pr/1", None, Reason.REVISION_NOT_FOUND, "commit refs/pr/1", id="a revision with slashes"
        ),
        pytest.param(TINY, "a" * 40, None, Reason.REVISION_NOT_FOUND, "commit aaaaaaa", id="no commit"),
        pytest.param(
            TINY,
            "main",
            UNKNOWN,
            Reason.TOKEN_REJECTED,
            "does not accept the token in the Secret team-token",
            id="bad token",
        ),
        pytest.param(
            TINY,
            "main",
            "hf_two\nlines",
            Reason.TOKEN_REJECTED,
            "does not accept the token",
            id="a token with a line break",
        ),
        pytest.param(
            TINY, "main", "hf_ümlaut", Reason.TOKEN_REJECTED, "does not accept the token", id="a token that is no ASCII"
        ),
    ],
)
async def test_what_a_person_must_mend(
    asking: Asking, repository: str, revision: str, token: str | None, want_reason: Reason, want_said: str
) -> None:
    with pytest.raises(HubError) as error:
        await asking.resolve(repository, revision, token)
    assert error.value.reason is want_reason
    assert want_said in str(error.value)
    assert (error.value.transient, error.value.retry_after_seconds) == (False, None)
    assert set(error.value.values) == TABLE[want_reason].fields
    assert explain(want_reason, **error.value.values) == str(error.value)


@pytest.mark.parametrize(
    ("repository", "want_reason"),
    [
        pytest.param("acme/pickle", Reason.PICKLE_ONLY, id="pickle only"),
        pytest.param("acme/gguf", Reason.GGUF_ONLY, id="GGUF only"),
        pytest.param("acme/adapter", Reason.ADAPTER_REPOSITORY, id="an adapter"),
        pytest.param("acme/code-elsewhere", Reason.REMOTE_CODE_ELSEWHERE, id="code of another repository"),
        pytest.param("acme/empty", Reason.NO_WEIGHTS, id="no weights"),
        pytest.param("acme/draft", Reason.DRAFT_MODEL, id="a draft model"),
        pytest.param("acme/speech", Reason.TASK_UNSUPPORTED, id="a model that is not for text"),
    ],
)
async def test_what_cannot_be_served(hub: HubServer, asking: Asking, repository: str, want_reason: Reason) -> None:
    for _ in range(2):
        with pytest.raises(Refused) as error:
            await asking.resolve(repository)
        assert error.value.reason is want_reason
    assert not [entry for entry in hub.log() if entry.port == "cdn"], "headers are not read in vain"


async def test_a_model_with_code_of_its_own_has_facts_that_say_so(asking: Asking) -> None:
    facts = await asking.resolve("acme/remote-code")
    assert facts.remote_code == "config.json"
    assert "modeling_own.py" in {file.path for file in facts.files}
    assert not (await asking.resolve("acme/tiny-llama")).remote_code


async def test_a_gated_model_with_access(hub: HubServer, asking: Asking) -> None:
    facts = await asking.resolve("acme/gated-llama", token=GOOD)
    assert facts.gated
    entries = hub.log()
    assert {entry.authorized for entry in entries if entry.port == "hub"} == {True}
    assert [entry.authorized for entry in entries if entry.port == "cdn"] == [False], "no token to the CDN"


async def test_a_gated_model_whose_file_list_is_public() -> None:
    with HubServer(standard_repositories(), tokens=TOKENS, options=Options(gate_listings=False)) as server:
        asking = ask(server)
        with pytest.raises(HubError) as error:
            await asking.resolve("acme/gated-llama", token=POOR)
        assert error.value.reason is Reason.MODEL_GATED
        await asking.client.close()


BROKEN = framed_header({"w": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 6]}}) + bytes(6)


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param(
            {"model.safetensors": BROKEN}, "model.safetensors: tensor w: BF16 of shape [4] needs 8 bytes", id="a header"
        ),
        pytest.param({"model.safetensors": b"<html>"}, "a file of 6 bytes has no safetensors header", id="a page"),
        pytest.param({"config.json": b"{"}, "config.json: not JSON", id="half a config"),
        pytest.param({"chat_template.jinja": b"\xff"}, "chat_template.jinja: not UTF-8", id="a template in bytes"),
        pytest.param(
            {"config.json": as_json({"model_type": "llama"})},
            "config.json: architectures is missing",
            id="no architecture",
        ),
    ],
)
async def test_wrong_files_are_named(asking: Asking, hub: HubServer, changes: dict[str, bytes], want: str) -> None:
    hub.store.add(a_repository("acme/broken", {**llama_files(), **changes}))
    with pytest.raises(Refused) as error:
        await asking.resolve("acme/broken")
    assert error.value.reason is Reason.METADATA_INVALID
    assert str(error.value).startswith(f"acme/broken: {want}") or want in str(error.value)


async def test_a_header_longer_than_the_first_range(asking: Asking, hub: HubServer) -> None:
    shapes = {f"model.layers.{number}.self_attn.q_proj.weight": ("I8", (1,)) for number in range(2000)}
    header, begin = {}, 0
    for name, (dtype, shape) in shapes.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, begin + 1]}
        begin += 1
    hub.store.add(
        a_repository("acme/long", {**llama_files(), "model.safetensors": framed_header(header) + bytes(begin)})
    )
    assert (await asking.resolve("acme/long")).parameters == 2000
    ranges = [entry.range for entry in hub.log() if entry.port == "cdn"]
    assert ranges[0] == "bytes=0-99999"
    assert str(ranges[1]).startswith("bytes=100000-")


async def test_no_secret_is_said_or_logged(asking: Asking, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for token in (GOOD, POOR, UNKNOWN):
        for repository in ("acme/gated-llama", "acme/private-llama"):
            try:
                await asking.resolve(repository, token=token)
            except HubError as error:
                said += [str(error), repr(error), repr(error.values), repr(error.__cause__)]
    assert said
    text = "\n".join([*said, caplog.text])
    assert "Secret team-token" in text
    for forbidden in (GOOD, POOR, UNKNOWN, "sig="):
        assert forbidden not in text
    assert SECRET in text
