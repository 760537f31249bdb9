"""Weights on a volume that several pods and models share: brought once, waited for, and swept when nobody uses them."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from genmodel_runtime.contract import ExitCode
from genmodel_runtime.prepare import prepare
from genmodel_runtime.settings import SettingsError
from genmodel_runtime.shared import fetch_shared
from genmodel_runtime.sweep import NOTES, InUse, in_use, make_room, note_use, sweep
from genmodel_runtime.volume import Volume
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import a_repository, llama_files
from tests.fakes.runtime_pod import fetch_settings, prepare_environ, running

PLAIN = a_repository("acme/tiny-llama", llama_files())
COMMIT = PLAIN.refs["main"]
CLAIM, OTHER_CLAIM = "0d5ac16c-0001", "0d5ac16c-0002"
OLD, OLDER = "a" * 40, "b" * 40
HOUR = 3600.0


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer([PLAIN]) as server:
        yield server


def used(*serving: str, kept: tuple[str, ...] = (), as_of: float | None = None) -> InUse:
    return InUse(CLAIM, frozenset(serving), frozenset(kept), time.time() if as_of is None else as_of)


def leave(models: Path, commit: str, *, claim: str = CLAIM, age_seconds: float = HOUR, size: int = 1000) -> Path:
    """What an earlier Job left of a commit."""
    folder = models / commit
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x" * size)
    (folder / ".genmodel-manifest.json").write_text("{}")
    note_use(models, commit, claim)
    then = time.time() - age_seconds
    os.utime(models / NOTES / commit, (then, then))
    return folder


def on_volume(models: Path) -> set[str]:
    return {path.name for path in models.iterdir() if len(path.name) == 40}


class TestFetch:
    def test_a_job_brings_the_weights_and_a_second_one_asks_nobody(self, hub: HubServer, tmp_path: Path) -> None:
        settings = fetch_settings(tmp_path, hub.url, PLAIN)
        assert fetch_shared(settings, used(COMMIT)) == ExitCode.DONE
        assert hub.log() != []
        assert fetch_shared(settings, used(COMMIT)) == ExitCode.DONE
        assert hub.log() == []
        assert on_volume(settings.paths.models_dir) == {COMMIT}

    def test_what_nobody_uses_goes_after_the_download(self, hub: HubServer, tmp_path: Path) -> None:
        settings = fetch_settings(tmp_path, hub.url, PLAIN)
        for commit in (OLD, OLDER):
            leave(settings.paths.models_dir, commit)
        assert fetch_shared(settings, used(COMMIT, kept=(OLDER,))) == ExitCode.DONE
        assert on_volume(settings.paths.models_dir) == {COMMIT, OLDER}

    def test_a_download_that_fails_removes_nothing(self, hub: HubServer, tmp_path: Path) -> None:
        settings = fetch_settings(tmp_path, hub.url, PLAIN)
        leave(settings.paths.models_dir, OLD)
        hub.fault("/tree/", status=403, times=None)
        assert fetch_shared(settings, used(COMMIT)) == ExitCode.NEEDS_A_PERSON
        assert OLD in on_volume(settings.paths.models_dir)

    def test_the_command_of_the_job(self, hub: HubServer, tmp_path: Path) -> None:
        told = json.dumps({"claim": CLAIM, "serving": [COMMIT], "kept": [], "asOf": int(time.time())})
        leave(tmp_path / "models", OLD)
        with running("fetch", root=tmp_path, environ=prepare_environ(hub.url, PLAIN, GENMODEL_IN_USE=told)) as pod:
            assert pod.wait() == 0
        assert on_volume(tmp_path / "models") == {COMMIT}
        assert not (tmp_path / "genmodel").exists(), "no server reads the runtime from a Job's pod"

    def test_the_command_refuses_a_list_that_it_cannot_read(self, hub: HubServer, tmp_path: Path) -> None:
        with running("fetch", root=tmp_path, environ=prepare_environ(hub.url, PLAIN, GENMODEL_IN_USE="?")) as pod:
            assert pod.wait() == 11
            assert "GENMODEL_IN_USE" in pod.termination()["message"]


class TestPresent:
    def test_a_server_s_pod_never_asks_the_hub(self, hub: HubServer, tmp_path: Path) -> None:
        settings = fetch_settings(tmp_path, hub.url, PLAIN)
        assert fetch_shared(settings, used(COMMIT)) == ExitCode.DONE
        hub.log()
        environ = prepare_environ(hub.url, PLAIN, GENMODEL_WEIGHTS="Present")
        with running("prepare", root=tmp_path, environ=environ) as pod:
            assert pod.wait() == 0
        assert hub.log() == []

    def test_weights_that_are_missing_are_told_and_waited_for(self, hub: HubServer, tmp_path: Path) -> None:
        environ = prepare_environ(hub.url, PLAIN, GENMODEL_WEIGHTS="Present")
        with running("prepare", root=tmp_path, environ=environ) as pod:
            pod.wait_until(lambda: pod.is_up() and pod.status()["failure"] is not None)
            failure = pod.status()["failure"]
            assert hub.log() == []
            assert fetch_shared(fetch_settings(tmp_path, hub.url, PLAIN), used(COMMIT)) == ExitCode.DONE
            assert pod.wait() == 0
        assert failure["reason"] == "WeightsIncomplete"
        assert f"acme/tiny-llama at {COMMIT}" in failure["message"]

    def test_who_waits_in_vain_ends_with_the_reason(self, tmp_path: Path) -> None:
        with HubServer([PLAIN]) as hub:
            settings = fetch_settings(tmp_path, hub.url, PLAIN, fetches=False, present_seconds=0.2)
            assert prepare(settings) == ExitCode.TEMPORARY
            assert hub.log() == []
        written = json.loads(settings.paths.termination_log.read_bytes())
        assert written["reason"] == "WeightsIncomplete"


class TestSweep:
    @pytest.mark.parametrize(
        ("claim", "age_seconds", "keep", "want_gone"),
        [
            pytest.param(CLAIM, HOUR, (), True, id="nobody's any more"),
            pytest.param(CLAIM, HOUR, (OLD,), False, id="kept"),
            pytest.param(CLAIM, 60, (), False, id="used after the list was made, by clocks that differ"),
            pytest.param(OTHER_CLAIM, HOUR, (), False, id="another claim's on the same disk"),
        ],
    )
    def test_which_commits_go(
        self, tmp_path: Path, claim: str, age_seconds: float, keep: tuple[str, ...], want_gone: bool
    ) -> None:
        folder = leave(tmp_path, OLD, claim=claim, age_seconds=age_seconds)
        assert sweep(tmp_path, used(), keep=frozenset(keep)) == ([OLD] if want_gone else [])
        assert folder.exists() is not want_gone
        assert (tmp_path / NOTES / OLD).exists() is not want_gone

    def test_a_commit_of_two_claims_stays(self, tmp_path: Path) -> None:
        folder = leave(tmp_path, OLD)
        note_use(tmp_path, OLD, OTHER_CLAIM)
        then = time.time() - HOUR
        os.utime(tmp_path / NOTES / OLD, (then, then))
        assert sweep(tmp_path, used(), keep=frozenset()) == []
        assert folder.exists()

    def test_what_somebody_else_put_there_stays(self, tmp_path: Path) -> None:
        for name in (OLD, "datasets"):
            (tmp_path / name).mkdir()
        (tmp_path / NOTES).mkdir()
        (tmp_path / NOTES / OLDER).write_bytes(b"\xff")
        os.utime(tmp_path / NOTES / OLDER, (1, 1))
        assert sweep(tmp_path, used(), keep=frozenset()) == []
        assert (tmp_path / OLD).exists()
        assert (tmp_path / "datasets").exists()

    def test_a_commit_that_is_being_fetched_stays(self, tmp_path: Path) -> None:
        folder, volume = leave(tmp_path, OLD), Volume(tmp_path, OLD)
        volume.create()
        with volume.try_lock() as is_free:
            assert is_free
            assert sweep(tmp_path, used(), keep=frozenset()) == []
        assert folder.exists()
        assert sweep(tmp_path, used(), keep=frozenset()) == [OLD]

    def test_half_of_a_commit_that_nobody_wants_goes_too(self, tmp_path: Path) -> None:
        note_use(tmp_path, OLD, CLAIM)
        os.utime(tmp_path / NOTES / OLD, (1, 1))
        partial = tmp_path / ".partial" / OLD / "blob"
        partial.parent.mkdir(parents=True)
        partial.write_bytes(b"x")
        assert sweep(tmp_path, used(), keep=frozenset()) == [OLD]
        assert not partial.exists()

    @pytest.mark.parametrize(
        ("needed_bytes", "want_gone"),
        [
            pytest.param(1, [], id="there is room"),
            pytest.param(2**60, [OLD], id="there is none"),
        ],
    )
    def test_what_is_kept_for_going_back_makes_room(
        self, tmp_path: Path, needed_bytes: int, want_gone: list[str]
    ) -> None:
        leave(tmp_path, OLD)
        leave(tmp_path, OLDER)
        gone = make_room(tmp_path, COMMIT, used(OLDER, kept=(OLD,)), needed_bytes=needed_bytes)
        assert gone == want_gone
        assert (tmp_path / OLDER).exists(), "what serves never goes"

    def test_what_is_there_already_needs_no_room(self, tmp_path: Path) -> None:
        leave(tmp_path, COMMIT, size=4096)
        leave(tmp_path, OLD)
        assert make_room(tmp_path, COMMIT, used(COMMIT, kept=(OLD,)), needed_bytes=4096) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="absent"),
        pytest.param("[]", id="no object"),
        pytest.param('{"claim": "a", "serving": []}', id="incomplete"),
        pytest.param('{"claim": "a", "serving": [], "kept": [], "asOf": "x"}', id="no time"),
        pytest.param('{"claim": "../x", "serving": [], "kept": [], "asOf": 1}', id="no uid"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="GENMODEL_IN_USE"):
        in_use({"GENMODEL_IN_USE": text} if text else {})


def test_a_list_is_read_whole() -> None:
    document = {"claim": CLAIM, "serving": [COMMIT], "kept": [OLD], "asOf": 7}
    want = InUse(CLAIM, frozenset({COMMIT}), frozenset({OLD}), 7.0)
    assert in_use({"GENMODEL_IN_USE": json.dumps(document)}) == want
