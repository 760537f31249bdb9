from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.configuration import FILE_VARIABLE, ConfigurationError, load_settings, load_with_policy
from genmodel_operator.settings import Settings

P = "GENMODEL_OPERATOR_"


def a_file(folder: Path, text: str) -> dict[str, str]:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return {FILE_VARIABLE: str(path)}


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(environ)
    return raised.value.problems


def at(settings: Settings, path: str) -> Any:
    found: Any = settings
    for name in path.split("."):
        found = getattr(found, name)
    return found


def test_nothing_set_is_the_defaults() -> None:
    assert load_settings({}) == Settings()


def test_other_variables_are_not_ours() -> None:
    assert load_settings({"HOME": "/", "GENMODEL_CONTRACT": "1", "KUBECONFIG": "x"}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "path", "want"),
    [
        pytest.param("WORKERS", "4", "workers", 4, id="a number"),
        pytest.param("RESYNC_SECONDS", "0.5", "resync_seconds", 0.5, id="a fraction"),
        pytest.param("LOG_LEVEL", "DEBUG", "log_level", "DEBUG", id="one of a few words"),
        pytest.param("HUB__ENDPOINT", "http://hub:80", "hub.endpoint", "http://hub:80", id="a nested field"),
        pytest.param("ENGINES__GPU_IMAGE", "r/e:1", "engines.gpu_image", "r/e:1", id="a name with an underscore"),
        pytest.param("WATCH_NAMESPACES", "a, b,", "watch_namespaces", ["a", "b"], id="a comma separated list"),
        pytest.param("WATCH_NAMESPACES", '["a", "b"]', "watch_namespaces", ["a", "b"], id="a JSON list"),
        pytest.param("WATCH_NAMESPACES", "", "watch_namespaces", [], id="an empty list"),
        pytest.param("ACCELERATORS__TIME_SLICES", "true", "accelerators.time_slices", True, id="a section's switch"),
        pytest.param("POLICY__ALLOW_GATED", "false", "policy.allow_gated", False, id="a switch of the policy"),
        pytest.param("POLICY__PRICES", '{"l4": 0.5}', "policy.prices", {"l4": 0.5}, id="a JSON map"),
        pytest.param("HUB__TOKEN_SECRET_NAMES", "one", "hub.token_secret_names", ["one"], id="a list of one"),
    ],
)
def test_a_variable_sets_its_field(variable: str, value: str, path: str, want: Any) -> None:
    assert at(load_settings({P + variable: value}), path) == want


def test_the_file_sets_fields_and_the_environment_goes_first(tmp_path: Path) -> None:
    environ = a_file(tmp_path, "workers: 3\nhub: {endpoint: http://file, threads: 2}\nwatch_namespaces: [x]\n")
    settings = load_settings(environ | {f"{P}HUB__ENDPOINT": "http://environment"})
    assert (settings.workers, settings.hub.threads, settings.watch_namespaces) == (3, 2, ["x"])
    assert settings.hub.endpoint == "http://environment"


POOL = '{"name": "p", "product": "NVIDIA-L4", "devices": 1, "labels": {"example.com/pool": "l4"}, "cpu": "%s"}'


def test_objects_in_a_list_are_written_as_in_kubernetes(tmp_path: Path) -> None:
    text = "accelerators: {products: [{name: X, memoryGib: 31.5, computeCapability: '9.0'}]}\n"
    settings = load_settings(a_file(tmp_path, text) | {f"{P}ACCELERATORS__POOLS": f"[{POOL % '16'}]"})
    assert settings.accelerators.products[0].memory_gib == 31.5
    assert settings.accelerators.pools[0].labels == {"example.com/pool": "l4"}


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param(f"[{POOL % 'many'}]", "not a Kubernetes quantity: 'many'", id="a quantity"),
        pytest.param(f"[{POOL % '1'}, 1]", "valid dictionary", id="no object"),
        pytest.param('[{"name": "p"}]', "field required", id="fields that are missing"),
        pytest.param("[{" + f'"size": 1, {(POOL % 1)[1:]}]', "extra inputs are not permitted", id="an unknown field"),
    ],
)
def test_a_wrong_object_in_a_list_names_the_variable(value: str, want: str) -> None:
    found = problems({f"{P}ACCELERATORS__POOLS": value})
    assert found
    assert all(problem.startswith(f"{P}ACCELERATORS__POOLS: ") for problem in found)
    assert want in " ".join(found)


@pytest.mark.parametrize(
    ("text", "variables", "want"),
    [
        pytest.param("policy: {allow_gated: false}", {}, "policy.allow_gated in ", id="in the file of settings"),
        pytest.param("", {"POLICY__ALLOW_GATED": "false"}, "GENMODEL_OPERATOR_POLICY__ALLOW_GATED", id="in a variable"),
    ],
)
def test_two_policies_are_one_too_many(tmp_path: Path, text: str, variables: dict[str, str], want: str) -> None:
    environ = a_file(tmp_path, text or "{}") | {f"{P}{name}": value for name, value in variables.items()}
    load_settings(environ)
    (problem,) = problems(environ | {f"{P}POLICY_FILE": "/etc/policy.yaml"})
    assert problem.startswith(want)
    assert "policy_file=/etc/policy.yaml holds the policy" in problem


def test_pools_of_the_settings_and_of_their_policy_are_one_too_many() -> None:
    (problem,) = problems({f"{P}ACCELERATORS__POOLS": f"[{POOL % 1}]", f"{P}POLICY__POOLS": f"[{POOL % 1}]"})
    assert problem == "policy.pools: the setting accelerators.pools has pools, too; keep them in one of the two places"
    (pool,) = load_settings({f"{P}POLICY__POOLS": f"[{POOL % 1}]"}).policy.pools
    assert pool.product == "NVIDIA-L4"


@pytest.mark.parametrize(
    ("text", "variables", "want"),
    [
        pytest.param("allowGated: 1", {}, "allowGated", id="not valid"),
        pytest.param(None, {}, "No such file", id="not there"),
        pytest.param("{}", {"INVENTORY__MODE": "pools"}, "none is described", id="no nodes"),
    ],
)
def test_a_command_names_what_is_wrong_with_the_policy(
    tmp_path: Path, text: str | None, variables: dict[str, str], want: str
) -> None:
    file = tmp_path / "policy.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=want):
        load_with_policy({f"{P}POLICY_FILE": str(file)} | {f"{P}{name}": value for name, value in variables.items()})


def test_a_command_has_the_policy_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f"{{allowGated: false, pools: [{POOL % 1}]}}")
    blind = {f"{P}INVENTORY__MODE": "pools", f"{P}POLICY_FILE": str(file)}
    found = load_with_policy(blind).policy
    assert (found.allow_gated, [pool.name for pool in found.pools]) == (False, ["p"])
    assert load_with_policy({}) == Settings()


def test_an_operator_that_reads_no_nodes_needs_pools() -> None:
    blind = {f"{P}INVENTORY__MODE": "pools"}
    (problem,) = problems(blind)
    assert problem.startswith("policy.pools: inventory.mode is pools, and none is described")
    assert load_settings(blind | {f"{P}POLICY__POOLS": f"[{POOL % 1}]"}).inventory.reads_nodes is False
    # A file of the policy says it later, and again whenever it changes.
    assert load_settings(blind | {f"{P}POLICY_FILE": "/etc/policy.yaml"}).inventory.mode == "pools"


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load_settings(a_file(tmp_path, "# nothing yet\n")) == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "want"),
    [
        pytest.param("WORKERS", "0", "'0' is not allowed: input should be greater than or equal to 1", id="too small"),
        pytest.param("WORKERS", "many", "'many' is not allowed: input should be a valid integer", id="no number"),
        pytest.param("LOG_LEVEL", "loud", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'", id="not one of the words"),
        pytest.param("LOG_FORMAT", "xml", "'json' or 'text'", id="not a format"),
        pytest.param("HUB__ENDPOINT", "huggingface.co", "string should match pattern", id="no address of a Hub"),
        pytest.param("ENGINES__CPU_REQUEST", "two", "not a Kubernetes quantity: 'two'", id="no quantity"),
        pytest.param(
            "ACCELERATORS__TIME_SLICES",
            "maybe",
            "'maybe' is not allowed: input should be a valid boolean",
            id="no switch",
        ),
        pytest.param("WATCH_NAMESPACES", "[1", "'[1' is not allowed: input should be a valid list", id="broken JSON"),
        pytest.param("HTTP_PORT", "65536", "less than or equal to 65535", id="too large"),
    ],
)
def test_a_wrong_value_names_the_variable_the_value_and_what_is_allowed(variable: str, value: str, want: str) -> None:
    (problem,) = problems({P + variable: value})
    assert problem.startswith(f"{P}{variable}: {value!r} is not allowed")
    assert want in problem


@pytest.mark.parametrize(
    ("variable", "want"),
    [
        pytest.param("HUB_ENDPOINT", f"did you mean {P}HUB__ENDPOINT?", id="one underscore"),
        pytest.param("WORKER", f"did you mean {P}WORKERS?", id="a typo"),
        pytest.param("ZZZZ", "allowed are GENMODEL_OPERATOR_CONFIG, ", id="nothing near"),
    ],
)
def test_an_unknown_variable_is_an_error(variable: str, want: str) -> None:
    (problem,) = problems({P + variable: "1"})
    assert problem.startswith(f"{P}{variable}: there is no such setting; ")
    assert want in problem


@pytest.mark.parametrize(
    "variable",
    [
        pytest.param("SERVICE_HOST", id="host"),
        pytest.param("SERVICE_PORT", id="port"),
        pytest.param("SERVICE_PORT_HTTP", id="named port"),
        pytest.param("PORT", id="link"),
        pytest.param("PORT_8080_TCP", id="link of a port"),
        pytest.param("METRICS_PORT_8080_TCP_ADDR", id="of another Service with our prefix"),
    ],
)
def test_what_kubernetes_adds_for_a_service_of_our_name_is_no_mistake(variable: str) -> None:
    assert load_settings({P + variable: "tcp://10.0.0.1:8080"}) == Settings()


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("worker: 3", "worker in {file}: there is no such setting; did you mean workers?", id="a typo"),
        pytest.param("hub: {thread: 1}", "hub.thread in {file}: there is no such setting", id="unknown inner key"),
        pytest.param("hubs: {a: {b: 1}}", "hubs in {file}: there is no such setting", id="unknown section"),
        pytest.param("workers: lots", "workers in {file}: 'lots' is not allowed: input should be", id="wrong value"),
        pytest.param("hub: 3", "hub in {file}: 3 is not allowed", id="a section that is none"),
        pytest.param("watch_namespaces: [a, 1]", "watch_namespaces in {file}: 1 is not allowed", id="a wrong entry"),
        pytest.param("- a", "a mapping of settings is wanted, not list", id="no mapping"),
        pytest.param("a: [", "not YAML: while parsing", id="no YAML"),
        pytest.param("workers: !!python/object:x {}", "not YAML: could not determine a constructor", id="a Python tag"),
    ],
)
def test_a_mistake_in_the_file_names_key_and_file(tmp_path: Path, text: str, want: str) -> None:
    environ = a_file(tmp_path, text)
    (problem,) = problems(environ)
    assert want.format(file=environ[FILE_VARIABLE]) in problem


def test_a_file_that_is_missing_is_named() -> None:
    assert problems({FILE_VARIABLE: "/nonexistent/settings.yaml"}) == [
        "GENMODEL_OPERATOR_CONFIG=/nonexistent/settings.yaml: No such file or directory"
    ]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = problems(a_file(tmp_path, "worker: 3\nhub: {thread: 1}\n") | {f"{P}ZZZ": "1"})
    assert [problem.split()[0] for problem in found] == ["worker", "hub.thread", f"{P}ZZZ:"]
    found = problems({f"{P}WORKERS": "0", f"{P}LOG_LEVEL": "loud"})
    assert len(found) == 2


def test_a_variable_repairs_a_wrong_section_of_the_file(tmp_path: Path) -> None:
    settings = load_settings(a_file(tmp_path, "hub: 3") | {f"{P}HUB__THREADS": "2"})
    assert settings.hub.threads == 2
