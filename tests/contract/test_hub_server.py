"""The local Hub against the real client library: it must behave as the real Hub was seen to behave."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    NotASafetensorsRepoError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import close_session

from tests.fakes.hub import Access, HubServer
from tests.fakes.hub_models import LLAMA_CONFIG, standard_repositories

TOKENS = {"all": Access(gated=True, private=True), "poor": Access()}
TINY, SHARDED = "acme/tiny-llama", "acme/sharded-llama"


@pytest.fixture(scope="module")
def running() -> Iterator[HubServer]:
    with HubServer(standard_repositories(), tokens=TOKENS) as server:
        yield server
    close_session()


@pytest.fixture
def hub(running: HubServer) -> HubServer:
    running.clear_faults()
    running.log()
    return running


def api(hub: HubServer, token: str | bool = False) -> HfApi:
    return HfApi(endpoint=hub.url, token=token)


def test_info_names_the_commit_and_the_counts(hub: HubServer) -> None:
    info = api(hub).model_info(TINY, expand=["sha", "safetensors", "cardData", "gated"])
    assert info.sha == hub.store.all()[0].refs["main"]
    assert info.safetensors is not None
    assert info.safetensors.parameters == {"BF16": 213_312}
    assert info.card_data is not None
    assert (info.card_data.license, info.gated) == ("apache-2.0", False)
    assert info.siblings is None
    assert len(hub.log()) == 1


def test_info_with_blobs_has_sizes_and_hashes(hub: HubServer) -> None:
    siblings = {one.rfilename: one for one in api(hub).model_info(TINY, files_metadata=True).siblings or []}
    weights, config = siblings["model.safetensors"], siblings["config.json"]
    assert weights.lfs is not None
    assert (weights.lfs.size, len(weights.lfs.sha256)) == (weights.size, 64)
    assert (config.lfs, len(config.blob_id or "")) == (None, 40)


def test_info_at_a_tag_is_of_its_commit(hub: HubServer) -> None:
    client = api(hub)
    tagged, newest = client.model_info(TINY, revision="v1.0").sha, client.model_info(TINY).sha
    assert tagged != newest
    assert client.model_info(TINY, revision=tagged).sha == tagged
    refs = client.list_repo_refs(TINY)
    assert [(one.name, one.target_commit) for one in refs.branches + refs.tags] == [("main", newest), ("v1.0", tagged)]


@pytest.mark.parametrize(
    ("repository", "revision", "token", "want_error", "want_status"),
    [
        pytest.param(TINY, "nowhere", False, RevisionNotFoundError, 404, id="no such revision"),
        pytest.param("acme/nothing", "main", False, RepositoryNotFoundError, 401, id="missing, anonymous"),
        pytest.param("acme/nothing", "main", "poor", RepositoryNotFoundError, 404, id="missing, with a token"),
        pytest.param("acme/private-llama", "main", "poor", RepositoryNotFoundError, 404, id="private, no access"),
        pytest.param(TINY, "main", "unknown", HfHubHTTPError, 401, id="a bad token"),
    ],
)
def test_info_is_refused(
    hub: HubServer,
    repository: str,
    revision: str,
    token: str | bool,
    want_error: type[HfHubHTTPError],
    want_status: int,
) -> None:
    with pytest.raises(want_error) as error:
        api(hub, token).model_info(repository, revision=revision)
    assert type(error.value) is want_error
    assert error.value.response.status_code == want_status


def test_a_private_model_is_seen_with_access(hub: HubServer) -> None:
    assert api(hub, "all").model_info("acme/private-llama").private is True


@pytest.mark.parametrize(
    ("token", "want_status"),
    [pytest.param(False, 401, id="anonymous"), pytest.param("poor", 403, id="a token without access")],
)
def test_files_of_a_gated_model_are_refused(
    hub: HubServer, tmp_path: Path, token: str | bool, want_status: int
) -> None:
    assert api(hub, token).model_info("acme/gated-llama").gated == "manual"
    with pytest.raises(GatedRepoError) as error:
        hf_hub_download("acme/gated-llama", "config.json", endpoint=hub.url, token=token, cache_dir=tmp_path)
    assert error.value.response.status_code == want_status


def test_the_token_is_not_sent_to_the_cdn(hub: HubServer, tmp_path: Path) -> None:
    hf_hub_download("acme/gated-llama", "model.safetensors", endpoint=hub.url, token="all", cache_dir=tmp_path)
    seen = [(entry.port, entry.method, entry.authorized) for entry in hub.log()]
    assert seen == [("hub", "HEAD", True), ("cdn", "GET", False)]


def test_a_disabled_model_shows_only_its_info(hub: HubServer, tmp_path: Path) -> None:
    client = api(hub)
    assert client.model_info("acme/disabled-llama", expand=["disabled"]).disabled is True
    with pytest.raises(DisabledRepoError):
        list(client.list_repo_tree("acme/disabled-llama"))
    with pytest.raises(DisabledRepoError):
        client.auth_check("acme/disabled-llama")
    with pytest.raises(LocalEntryNotFoundError) as error:
        hf_hub_download("acme/disabled-llama", "config.json", endpoint=hub.url, token=False, cache_dir=tmp_path)
    assert isinstance(error.value.__cause__, DisabledRepoError)


def test_models_are_listed_in_pages(hub: HubServer) -> None:
    client = api(hub)
    assert len(list(client.list_models(limit=3, author="acme"))) == 3
    assert len(hub.log()) == 2
    names = [one.id for one in client.list_models(filter="text-generation", sort="downloads")]
    assert names[:2] == [TINY, SHARDED]
    assert "acme/private-llama" not in names
    assert [one.id for one in client.list_models(pipeline_tag="sentence-similarity")] == ["acme/tiny-bert"]
    assert list(client.list_models(num_parameters="min:1M,max:2B")) == []


def test_the_tree_is_paged_and_has_folders(hub: HubServer) -> None:
    entries = list(api(hub).list_repo_tree(TINY, recursive=True))
    assert [entry.path for entry in entries if type(entry).__name__ == "RepoFolder"] == ["original"]
    assert len([entry for entry in entries if type(entry).__name__ == "RepoFile"]) == 7
    assert len(hub.log()) == 2
    assert [entry.path for entry in api(hub).list_repo_tree(TINY, path_in_repo="original")] == ["original/params.json"]
    found = api(hub).get_paths_info(TINY, ["config.json", "nowhere.json"], expand=True)
    assert [entry.path for entry in found] == ["config.json"]


def test_headers_are_read_by_ranges(hub: HubServer) -> None:
    client = api(hub)
    one = client.get_safetensors_metadata(TINY)
    two = client.get_safetensors_metadata(SHARDED)
    assert one.parameter_count == two.parameter_count == {"BF16": 213_312}
    assert (one.sharded, two.sharded) == (False, True)
    ranges = {entry.range for entry in hub.log() if entry.port == "cdn"}
    assert ranges == {"bytes=0-100000"}
    assert set(client.get_sharded_safetensors_metadata(SHARDED).files_metadata) == set(two.files_metadata)


def test_headers_of_others_are_refused(hub: HubServer) -> None:
    with pytest.raises(NotASafetensorsRepoError):
        api(hub).get_safetensors_metadata("acme/pickle")
    with pytest.raises(GatedRepoError):
        api(hub).get_safetensors_metadata("acme/gated-llama")


def test_a_download_is_made_once(hub: HubServer, tmp_path: Path) -> None:
    for _ in range(2):
        path = hf_hub_download(TINY, "config.json", endpoint=hub.url, token=False, cache_dir=tmp_path)
    assert Path(path).read_bytes()
    assert [entry.method for entry in hub.log()] == ["HEAD", "GET", "HEAD"]
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download(TINY, "nowhere.json", endpoint=hub.url, token=False, cache_dir=tmp_path)


def test_a_snapshot_is_complete_and_verified(hub: HubServer, tmp_path: Path) -> None:
    folder = snapshot_download(SHARDED, endpoint=hub.url, token=False, cache_dir=tmp_path)
    sha = Path(folder).name
    assert sorted(path.name for path in Path(folder).glob("model*")) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]
    verified = api(hub).verify_repo_checksums(SHARDED, revision=sha, cache_dir=tmp_path)
    assert (verified.checked_count, verified.mismatches, verified.missing_paths) == (9, [], [])
    hub.log()
    snapshot_download(SHARDED, revision=sha, endpoint=hub.url, token=False, cache_dir=tmp_path)
    assert hub.log() == []
    (Path(folder) / "config.json").unlink()
    snapshot_download(SHARDED, revision=sha, endpoint=hub.url, token=False, cache_dir=tmp_path)
    assert {entry.path for entry in hub.log() if "/resolve/" in entry.path} == {f"/{SHARDED}/resolve/{sha}/config.json"}


def test_who_one_is(hub: HubServer) -> None:
    assert api(hub, "poor").whoami()["name"] == "tester"
    with pytest.raises(HfHubHTTPError):
        api(hub, "unknown").whoami()


def test_main_can_move(hub: HubServer) -> None:
    client = api(hub)
    before = client.model_info(TINY).sha
    hub.move(TINY, "v1.0")
    try:
        assert client.model_info(TINY).sha == client.model_info(TINY, revision="v1.0").sha != before
    finally:
        hub.move(TINY, str(before))


def test_the_weights_are_as_the_configuration_says(hub: HubServer) -> None:
    metadata = api(hub).get_safetensors_metadata(TINY).files_metadata["model.safetensors"]
    assert metadata.tensors["lm_head.weight"].shape == [LLAMA_CONFIG["vocab_size"], LLAMA_CONFIG["hidden_size"]]
