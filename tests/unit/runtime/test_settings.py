from pathlib import Path

import pytest

from genmodel_runtime.limits import Limits
from genmodel_runtime.settings import (
    GuardSettings,
    Overrides,
    PodPaths,
    SettingsError,
    prepare_settings,
    serve_settings,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"

PREPARE = {
    "GENMODEL_CONTRACT": "1",
    "GENMODEL_REPOSITORY": "acme/tiny-llama",
    "GENMODEL_COMMIT": COMMIT,
    "GENMODEL_ALLOW": "",
    "GENMODEL_EXPECTED_BYTES": "1234",
}

SERVE = {
    "GENMODEL_CONTRACT": "1",
    "GENMODEL_TASK": "Generate",
    "GENMODEL_ACCESS": "Open",
    "GENMODEL_SERVED_NAMES": "mistral,mistralai/Mistral-7B",
    "GENMODEL_ENGINE": "vllm-cpu",
    "GENMODEL_STARTUP_SECONDS": "600",
    "GENMODEL_STALL_SECONDS": "120",
    "GENMODEL_DRAIN_SECONDS": "0",
}


def test_prepare_reads_everything_it_needs() -> None:
    environ = {**PREPARE, "HF_ENDPOINT": "http://hub.local:8080/", "HF_TOKEN_PATH": "/etc/genmodel/token/token"}

    settings = prepare_settings(environ, Overrides())

    assert settings.repository == "acme/tiny-llama"
    assert settings.commit == COMMIT
    assert settings.allow == ()
    assert settings.expected_bytes == 1234
    assert settings.endpoint == "http://hub.local:8080"
    assert settings.token_path == Path("/etc/genmodel/token/token")
    assert settings.paths == PodPaths()
    assert settings.port == 8001


def test_prepare_has_defaults_for_what_the_operator_may_leave_out() -> None:
    settings = prepare_settings(PREPARE, Overrides())

    assert settings.endpoint == "https://huggingface.co"
    assert settings.token_path is None


@pytest.mark.parametrize(
    ("text", "want_allow"),
    [
        pytest.param("", (), id="neither"),
        pytest.param("Pickle", ("Pickle",), id="pickle"),
        pytest.param("RemoteCode,Pickle", ("Pickle", "RemoteCode"), id="both in any order"),
    ],
)
def test_what_is_allowed(text: str, want_allow: tuple[str, ...]) -> None:
    assert prepare_settings({**PREPARE, "GENMODEL_ALLOW": text}, Overrides()).allow == want_allow


def test_serve_reads_everything_it_needs() -> None:
    settings = serve_settings(SERVE, ("--model", "/models/x"), Overrides())

    assert settings.guard == GuardSettings("Generate", False, Limits(), Path("/etc/genmodel/keys"))
    assert settings.served_names == ("mistral", "mistralai/Mistral-7B")
    assert settings.engine == "vllm-cpu"
    assert settings.engine_args == ("--model", "/models/x")
    assert (settings.startup_seconds, settings.stall_seconds, settings.drain_seconds) == (600, 120, 0)
    assert (settings.port, settings.engine_port, settings.propagation_seconds) == (8001, 8000, 15)


def test_overrides_move_everything_below_a_root() -> None:
    overrides = Overrides(root=Path("/tmp/pod"), port=1, engine_port=2, propagation_seconds=0.5)

    settings = serve_settings(SERVE, (), overrides)

    assert settings.paths.models_dir == Path("/tmp/pod/models")
    assert settings.paths.runtime_dir == Path("/tmp/pod/genmodel")
    assert settings.paths.termination_log == Path("/tmp/pod/dev/termination-log")
    assert (settings.port, settings.engine_port, settings.propagation_seconds) == (1, 2, 0.5)


@pytest.mark.parametrize("name", sorted(PREPARE))
def test_a_missing_variable_of_prepare_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is not set$"):
        prepare_settings({key: value for key, value in PREPARE.items() if key != name}, Overrides())


@pytest.mark.parametrize("name", sorted(SERVE))
def test_a_missing_variable_of_serve_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is not set$"):
        serve_settings({key: value for key, value in SERVE.items() if key != name}, (), Overrides())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("GENMODEL_REPOSITORY", "", id="empty repository"),
        pytest.param("GENMODEL_REPOSITORY", "../etc/passwd", id="repository that climbs"),
        pytest.param("GENMODEL_REPOSITORY", "a/b/c", id="repository with three parts"),
        pytest.param("GENMODEL_REPOSITORY", "a/b?x=1", id="repository with a query"),
        pytest.param("GENMODEL_COMMIT", "main", id="branch instead of a commit"),
        pytest.param("GENMODEL_COMMIT", COMMIT[:-1], id="commit too short"),
        pytest.param("GENMODEL_COMMIT", COMMIT.upper(), id="commit in capitals"),
        pytest.param("GENMODEL_ALLOW", "Everything", id="unknown permission"),
        pytest.param("GENMODEL_EXPECTED_BYTES", "-1", id="negative size"),
        pytest.param("GENMODEL_EXPECTED_BYTES", "1.5", id="fraction of a byte"),
        pytest.param("GENMODEL_EXPECTED_BYTES", "٣", id="digits of another script"),
        pytest.param("HF_ENDPOINT", "ftp://hub", id="endpoint that is no web address"),
    ],
)
def test_a_malformed_variable_of_prepare_is_named_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        prepare_settings({**PREPARE, name: value}, Overrides())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("GENMODEL_TASK", "generate", id="task in lower case"),
        pytest.param("GENMODEL_TASK", "Auto", id="task not resolved"),
        pytest.param("GENMODEL_SERVED_NAMES", "", id="no name"),
        pytest.param("GENMODEL_SERVED_NAMES", "a,,b", id="empty name"),
        pytest.param("GENMODEL_ENGINE", "llama.cpp", id="unknown engine"),
        pytest.param("GENMODEL_STARTUP_SECONDS", "0", id="no time to start"),
        pytest.param("GENMODEL_STALL_SECONDS", "2m", id="time with a unit"),
        pytest.param("GENMODEL_DRAIN_SECONDS", "", id="empty time"),
    ],
)
def test_a_malformed_variable_of_serve_is_named_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        serve_settings({**SERVE, name: value}, (), Overrides())
    assert "\n" not in str(caught.value)


def test_another_version_of_the_contract_is_named_on_both_sides() -> None:
    with pytest.raises(
        SettingsError, match=r"GENMODEL_CONTRACT: the operator speaks version '2', this runtime version 1"
    ):
        prepare_settings({**PREPARE, "GENMODEL_CONTRACT": "2"}, Overrides())
    with pytest.raises(SettingsError, match="GENMODEL_CONTRACT"):
        serve_settings({**SERVE, "GENMODEL_CONTRACT": "2"}, (), Overrides())


def test_the_engines_arguments_are_never_interpreted() -> None:
    args = ("--served-model-name", "a b", "--", "--root", "")

    assert serve_settings(SERVE, args, Overrides()).engine_args == args
