"""Settings of the operator: one model, read from environment variables and an optional file.

``GENMODEL_OPERATOR_<FIELD>`` overrides the file; nested fields are joined by two underscores. An
unknown name is an error, so that a typo never goes unnoticed.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ENGINE_VERSION = "0.32.0"
"""The vLLM release that the defaults name and the end-to-end tests run."""


class Section(BaseModel):
    """Base of all sections: strict and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class HubSettings(Section):
    """The default Hub and how it is called."""

    endpoint: str = "https://huggingface.co"
    """Base URL of the Hub that models without spec.source.hub.endpoint come from."""
    token_secret_name: str = "genmodel-hub-token"
    """Secret that is read in the model's namespace where the model names none."""
    token_secret_names: list[str] = ["genmodel-hub-token"]
    """Secrets that the operator may read (the chart grants get on exactly these)."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 20
    """Bound on each request to the Hub."""
    resolve_timeout_seconds: Annotated[float, Field(gt=0)] = 120
    """Bound on resolving one model, all requests together."""
    branch_cache_seconds: Annotated[float, Field(ge=0)] = 300
    """How long a branch's commit is taken from memory."""
    threads: Annotated[int, Field(ge=1, le=64)] = 8
    """Requests to the Hub at once."""
    xet: bool = True
    """False disables the Xet protocol in downloads, for mirrors that do not have it."""


class EngineSettings(Section):
    """Engine images and the CPU engine's share of its node."""

    gpu_image: str = f"docker.io/vllm/vllm-openai:v{ENGINE_VERSION}"
    """Image of vLLM for NVIDIA GPUs."""
    cpu_image: str = f"docker.io/vllm/vllm-openai-cpu:v{ENGINE_VERSION}-x86_64"
    """Image of vLLM for CPUs."""
    version: str = ENGINE_VERSION
    """vLLM release in these images; decides which architectures are served."""
    pull_policy: str = "IfNotPresent"
    """imagePullPolicy of all containers in model pods."""
    image_pull_secrets: list[str] = []
    """Names of pull secrets in the models' namespaces."""
    cpu_request: str = "2"
    """CPU request of a server pod on CPU, as a Kubernetes quantity."""
    cpu_threads: Annotated[int, Field(ge=0)] = 0
    """OMP_NUM_THREADS of the CPU engine; 0: the engine decides."""
    cpu_max_model_gib: Annotated[float, Field(gt=0)] = 16
    """Weights above this are not served on CPU by accelerator.kind Auto."""
    startup_seconds: Annotated[int, Field(ge=60)] = 1800
    """Shortest time that an engine may take to start; more is added for large weights."""
    drain_seconds: Annotated[int, Field(ge=0)] = 300
    """How long accepted requests may take to finish when a pod is stopped."""
    stall_seconds: Annotated[int, Field(ge=10)] = 120
    """Requests running and no token for this long: the engine hangs."""


class Settings(Section):
    """Everything that a platform team can set."""

    runtime_image: str = "ghcr.io/genmodel/operator:0.1.0"
    """The operator's own image, used by the prepare container of model pods."""
    watch_namespaces: list[str] = []
    """Namespaces that are served; empty: all."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Models reconciled at once."""
    resync_seconds: Annotated[float, Field(gt=0)] = 600
    """Every model is looked at again this often, with jitter."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of /metrics, /livez and /readyz; 0 chooses a free one."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    log_format: Literal["json", "text"] = "json"
    """json or text."""
    hub: HubSettings = HubSettings()
    """The default Hub."""
    engines: EngineSettings = EngineSettings()
    """Engine images and limits."""
