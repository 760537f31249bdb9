"""What the operator renders is what the runtime reads: both sides of the contract together."""

from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.resources import build_all
from genmodel_operator.settings import HubSettings, Settings
from genmodel_operator.sizing.plan import ServingPlan
from genmodel_runtime.settings import Overrides, prepare_settings, serve_settings
from tests.builders import A_COMMIT, a_cpu_plan, a_gpu_plan, a_model, some_facts

PLANS = [pytest.param(a_gpu_plan(), "vllm", id="GPU"), pytest.param(a_cpu_plan(), "vllm-cpu", id="CPU")]


def rendered(plan: ServingPlan, group: str, facts: ModelFacts | None = None, **spec: Any) -> dict[str, Any]:
    settings = Settings(hub=HubSettings(endpoint="http://mirror:8080/"))
    deployment = build_all(a_model(**spec), facts or some_facts(), ServedTask.EMBED, plan, settings)[1]
    container: dict[str, Any] = deployment["spec"]["template"]["spec"][group][0]
    return container


def environment(container: dict[str, Any]) -> dict[str, str]:
    """What the kubelet makes of it: a variable without a value is empty."""
    return {entry["name"]: entry.get("value", "") for entry in container["env"] if "valueFrom" not in entry}


@pytest.mark.parametrize(("plan", "want_engine"), PLANS)
def test_prepare_reads_what_is_rendered(plan: ServingPlan, want_engine: str) -> None:
    read = prepare_settings(environment(rendered(plan, "initContainers")), Overrides())
    assert (read.repository, read.commit) == ("mistralai/Mistral-7B-Instruct-v0.3", A_COMMIT)
    assert read.expected_bytes == some_facts().download_bytes
    assert read.endpoint == "http://mirror:8080"
    assert read.token_path == Path("/etc/genmodel/token/token")
    assert not read.allow_pickle
    assert not read.allow_remote_code


@pytest.mark.parametrize(("plan", "want_engine"), PLANS)
def test_code_of_the_repository_is_fetched_and_run_where_the_facts_name_it(plan: ServingPlan, want_engine: str) -> None:
    facts, trust = some_facts(remote_code="config.json"), {"remoteCode": True}
    read = prepare_settings(environment(rendered(plan, "initContainers", facts, trust=trust)), Overrides())
    assert read.allow_remote_code
    assert not read.allow_pickle
    assert rendered(plan, "containers", facts, trust=trust)["args"].count("--trust-remote-code") == 1
    server = rendered(plan, "containers", trust=trust, engine={"args": ["--trust-remote-code"]})
    assert "--trust-remote-code" not in server["args"], "no code, nothing to trust"
    assert environment(server)["GENMODEL_ENGINE"] == want_engine


@pytest.mark.parametrize(("plan", "want_engine"), PLANS)
def test_serve_reads_what_is_rendered(plan: ServingPlan, want_engine: str) -> None:
    server = rendered(plan, "containers", engine={"args": ["--", "--seed", "1"]})
    words = [*server["command"], *server["args"]]
    engine_args = tuple(words[words.index("--") + 1 :])
    read = serve_settings(environment(server), engine_args, Overrides())
    assert (read.guard.task, read.engine) == ("Embed", want_engine)
    assert read.served_names == ("mistral", "mistralai/Mistral-7B-Instruct-v0.3")
    assert (read.startup_seconds, read.stall_seconds, read.drain_seconds) == (1801, 120, 300)
    assert read.engine_args == tuple(server["args"])
    assert {f"/models/{A_COMMIT}", "--seed"} <= set(read.engine_args)


@pytest.mark.parametrize(("plan", "want_engine"), PLANS)
def test_ports_and_paths_are_those_of_the_runtime(plan: ServingPlan, want_engine: str) -> None:
    server = rendered(plan, "containers")
    read = serve_settings(environment(server), (), Overrides())
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert ports == {"http": read.engine_port, "runtime": read.port}
    mounted = {mount["mountPath"] for mount in server["volumeMounts"]}
    assert {str(read.paths.runtime_dir), str(read.paths.models_dir)} <= mounted
    assert server["workingDir"] == str(read.paths.runtime_dir)
