"""Environment of the two containers: the contract with the runtime, the engine's, the user's."""

from collections.abc import Mapping
from typing import Any

from genmodel_operator.api.v1alpha1 import EnvVar
from genmodel_operator.engines.environment import stall_seconds, startup_seconds
from genmodel_operator.resources.hashing import canonical_json
from genmodel_operator.resources.literal import literal
from genmodel_operator.resources.names import served_names
from genmodel_operator.resources.pod_inputs import PodInputs
from genmodel_operator.resources.volumes import asks_for_keys
from genmodel_operator.settings import HubSettings, LimitSettings
from genmodel_runtime.contract import (
    ACCESS_API_KEYS,
    ACCESS_OPEN,
    CA_DIR,
    CA_KEY,
    CONTRACT,
    TMP_DIR,
    TOKEN_DIR,
    TOKEN_KEY,
    WEIGHTS_MOUNTED,
    WEIGHTS_PRESENT,
    Env,
)

MIB = 1024 * 1024


def contract_env(pod: PodInputs) -> dict[str, str]:
    """Return the variables by which operator and runtime understand each other."""
    engines = pod.settings.engines
    return {
        Env.CONTRACT.value: str(CONTRACT),
        Env.REPOSITORY.value: pod.facts.repository,
        Env.COMMIT.value: pod.facts.commit,
        Env.TASK.value: pod.task.value,
        Env.SERVED_NAMES.value: ",".join(served_names(pod.model)),
        Env.ENGINE.value: pod.engine_name,
        # Never pickle files: nothing allows them.
        Env.ALLOW.value: "RemoteCode" if pod.facts.remote_code else "",
        Env.EXPECTED_BYTES.value: str(pod.facts.download_bytes),
        Env.STARTUP_SECONDS.value: str(startup_seconds(pod.facts, pod.settings)),
        Env.STALL_SECONDS.value: str(stall_seconds(pod.facts, pod.plan, pod.settings)),
        Env.DRAIN_SECONDS.value: str(engines.drain_seconds),
        Env.ACCESS.value: ACCESS_API_KEYS if asks_for_keys(pod) else ACCESS_OPEN,
        Env.LIMITS.value: request_limits(pod.settings.limits),
    }


def request_limits(limits: LimitSettings) -> str:
    """Return the limits of one request as the runtime reads them."""
    return canonical_json(
        {
            "bodyBytes": limits.body_mib * MIB,
            "choices": limits.choices,
            "inputs": limits.inputs,
            "mediaHosts": limits.media_hosts,
        }
    )


def prepare_env(pod: PodInputs) -> list[dict[str, Any]]:
    """Return the environment of ``prepare``: the only container that knows the Hub, where it fetches."""
    if not pod.fetches:
        mounted = pod.claim is not None and pod.claim.is_source
        way = WEIGHTS_MOUNTED if mounted else WEIGHTS_PRESENT
        return _entries(contract_env(pod) | {Env.WEIGHTS.value: way, "HOME": TMP_DIR})
    hub = pod.model.spec.source.hub if pod.model.spec.source else None
    own = {
        "HF_ENDPOINT": hub.endpoint if hub and hub.endpoint else pod.settings.hub.endpoint,
        "HF_TOKEN_PATH": f"{TOKEN_DIR}/{TOKEN_KEY}",
        "HF_HOME": f"{TMP_DIR}/huggingface",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "HOME": TMP_DIR,
    }
    return _entries(contract_env(pod) | own | _way_to_the_hub(pod.settings.hub))


def _way_to_the_hub(hub: HubSettings) -> dict[str, str]:
    """Return proxies and certificate authorities, where there are such."""
    wanted = {
        "HTTPS_PROXY": hub.https_proxy,
        "HTTP_PROXY": hub.http_proxy,
        "NO_PROXY": hub.no_proxy,
        "SSL_CERT_FILE": f"{CA_DIR}/{CA_KEY}" if hub.ca_config_map else "",
    }
    return {name: value for name, value in wanted.items() if value}


def server_env(pod: PodInputs) -> list[dict[str, Any]]:
    """Return the environment of ``server``; a user's variable takes the place of ours of that name."""
    entries = {entry["name"]: entry for entry in _entries(contract_env(pod) | pod.engine_env)}
    entries["VLLM_HOST_IP"] = {
        # Else the engine finds its address by a connection to the internet.
        "name": "VLLM_HOST_IP",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}},
    }
    return list((entries | {variable.name: _user_entry(variable) for variable in pod.user_env}).values())


def _entries(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [_entry(name, value) for name, value in values.items()]


def _entry(name: str, value: str) -> dict[str, Any]:
    """Return one variable; an empty value is left out, as the API server does."""
    return {"name": name, "value": literal(value)} if value else {"name": name}


def _user_entry(variable: EnvVar) -> dict[str, Any]:
    if variable.value_from is None:
        return _entry(variable.name, variable.value or "")
    ref = variable.value_from.secret_key_ref
    return {"name": variable.name, "valueFrom": {"secretKeyRef": {"name": ref.name, "key": ref.key}}}
