"""Settings of the operator: one model, read from environment variables and an optional file.

``GENMODEL_OPERATOR_<FIELD>`` overrides the file; nested fields are joined by two underscores. An
unknown name is an error, so that a typo never goes unnoticed.
"""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from genmodel_operator.policy.document import Policy
from genmodel_operator.policy.pool import AcceleratorPool, Quantity
from genmodel_operator.section import Described, Section
from genmodel_runtime.contract import DEFAULT_BODY_BYTES, DEFAULT_CHOICES, DEFAULT_INPUTS

ENGINE_VERSION = "0.32.0"
"""The vLLM release that the defaults name and the end-to-end tests run."""


def _network(text: str) -> str:
    ip_network(text)
    return text


HUB_URL = r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?$"
"""A name or an address, an IPv6 one in brackets; no user, query or fragment."""


class HubSettings(Section):
    """The default Hub and how it is called."""

    endpoint: Annotated[str, Field(pattern=HUB_URL)] = "https://huggingface.co"
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
    pinned_check_seconds: Annotated[float, Field(gt=0)] = 21600
    """How often a branch is looked at whose model stays at its commit (spec.updatePolicy Pinned), with jitter."""
    follow_check_seconds: Annotated[float, Field(gt=0)] = 900
    """How often a branch is looked at whose model follows it (spec.updatePolicy Follow), with jitter."""
    threads: Annotated[int, Field(ge=1, le=64)] = 8
    """Requests to the Hub at once."""
    https_proxy: str = ""
    """HTTPS_PROXY of the containers that fetch weights; proxy.httpsProxy of the chart is that of the operator too."""
    http_proxy: str = ""
    """HTTP_PROXY of the containers that fetch weights."""
    no_proxy: str = ""
    """NO_PROXY of the containers that fetch weights: names, suffixes, addresses and networks, comma-separated."""
    ca_config_map: str = ""
    """ConfigMap in the models' namespaces whose key ca.crt holds the certificate authorities of Hub and proxy."""


class EngineSettings(Section):
    """Engine images and the CPU engine's share of its node."""

    gpu_image: str = f"docker.io/vllm/vllm-openai:v{ENGINE_VERSION}"
    """Image of vLLM for NVIDIA GPUs."""
    rocm_image: str = ""
    """Image of vLLM for AMD GPUs, of the same release; empty: nothing is served on them."""
    rocm_groups: list[int] = []
    """Supplemental groups of pods on AMD GPUs: those that own /dev/kfd and /dev/dri on the nodes (video, render)."""
    cpu_image: str = f"docker.io/vllm/vllm-openai-cpu:v{ENGINE_VERSION}-x86_64"
    """Image of vLLM for CPUs."""
    version: str = ENGINE_VERSION
    """vLLM release in these images; decides which architectures are served."""
    pull_policy: str = "IfNotPresent"
    """imagePullPolicy of all containers in model pods."""
    image_pull_secrets: list[str] = []
    """Names of pull secrets in the models' namespaces."""
    cpu_request: Quantity = "2"
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
    """Requests there and no step for this long: the engine hangs. Large models on CPU get more, by their weights."""


class AcceleratorProduct(Described):
    """A product that the operator does not know, or knows otherwise."""

    name: Annotated[str, Field(min_length=1)]
    """Product as its nodes are labelled, such as NVIDIA-L4."""
    vendor: Literal["NVIDIA", "AMD"] = "NVIDIA"
    """NVIDIA or AMD."""
    memory_gib: Annotated[float, Field(gt=0)]
    """Memory of one device as the engine sees it (torch.cuda.mem_get_info), in GiB; replaces what labels say."""
    compute_capability: Annotated[str, Field(pattern=r"^(\d{1,2}\.\d)?$")] = ""
    """Compute capability of an NVIDIA GPU, such as 8.9."""
    architecture: Annotated[str, Field(pattern=r"^(gfx[0-9a-f]+)?$")] = ""
    """Architecture of an AMD GPU, such as gfx942."""
    interconnect: Literal["nvlink", "xgmi", "pcie"] = "pcie"
    """How the devices of a node are joined: nvlink, xgmi or pcie."""
    aliases: list[str] = []
    """Other names of the product, as clouds and provisioners label it."""


class AcceleratorSettings(Section):
    """What the nodes cannot tell about accelerators."""

    products: list[AcceleratorProduct] = []
    """Products that are added to the catalogue, or replace those of the same name. Example:
    [{name: NVIDIA-L4, memoryGib: 21.9, computeCapability: "8.9"}]."""
    pools: list[AcceleratorPool] = []
    """Pools that scale from zero: candidates of a plan before their first node is there. They can be in policy.pools
    instead, which is read without a restart; in one of the two. Example:
    [{name: l4, product: NVIDIA-L4, devices: 1, nodes: 4, labels: {cloud.google.com/gke-nodepool: l4}}]."""
    time_slices: bool = False
    """Plans on time-sliced GPUs, each share with its part of the memory. Only where nobody but models uses them."""


class InventorySettings(Section):
    """How the operator knows which nodes there are."""

    mode: Literal["nodes", "pools"] = "nodes"
    """nodes: it reads those of the cluster. pools: it takes those for there that policy.pools or accelerators.pools
    describe, reads none, and the chart grants no right to."""

    @property
    def reads_nodes(self) -> bool:
        """Whether the cluster's nodes are read."""
        return self.mode == "nodes"


class MeasurementSettings(Section):
    """Where what running servers measured is kept, for plans that are made later."""

    config_map: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")] = "genmodel-measurements"
    """ConfigMap of the measurements (the chart grants get and patch on exactly this one)."""
    namespace: Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")] = ""
    """Its namespace; empty: the operator's own, and outside a pod nothing is kept."""


class PodMonitorSettings(Section):
    """PodMonitors, by which a Prometheus finds the models' pods, where the cluster has that kind."""

    enabled: bool = True
    """Makes one for each model."""
    labels: dict[str, str] = {}
    """Labels that the PodMonitors get beside our own, by which a Prometheus chooses what it reads."""
    interval_seconds: Annotated[int, Field(ge=1)] = 30
    """How often the pods are scraped."""


NamespaceName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]


class EgressPeer(Described):
    """A way out of the pods that fetch weights."""

    namespaces: list[NamespaceName] = []
    """Names of namespaces whose pods may be reached."""
    cidrs: list[Annotated[str, AfterValidator(_network)]] = []
    """Networks that may be reached, such as 10.1.0.0/16; neither these nor namespaces: any address."""
    ports: Annotated[list[Annotated[int, Field(ge=1, le=65535)]], Field(min_length=1)]
    """TCP ports, as the pods behind a Service have them."""


class NetworkSettings(Section):
    """NetworkPolicies of models."""

    policies: bool = True
    """NetworkPolicies for each model: only who may ask gets in, and only what weights are fetched from is reached.
    They do nothing where the cluster's network does not enforce them."""
    operator_namespace: Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")] = ""
    """Namespace that may ask pods how far they are (port 8001); empty: the operator's own."""
    monitoring_namespaces: list[NamespaceName] = []
    """Namespaces that may read the pods' metrics (port 8001). Example: [monitoring]."""
    extra_egress: list[EgressPeer] = []
    """More that pods which fetch weights may reach, beside names (port 53), TCP 443, and the ports of Hub and proxy.
    Example, for a mirror whose pods have another port than its Service: [{namespaces: [mirror], ports: [8080]}]."""


class LimitSettings(Section):
    """What one request to a model may ask for; changes reach a model with its next revision."""

    body_mib: Annotated[int, Field(ge=1, le=1024)] = DEFAULT_BODY_BYTES // 1024**2
    """Largest body of a request, in MiB."""
    choices: Annotated[int, Field(ge=1, le=128)] = DEFAULT_CHOICES
    """Most answers to one prompt (n, best_of)."""
    inputs: Annotated[int, Field(ge=1)] = DEFAULT_INPUTS
    """Most prompts, texts or documents in one request."""
    media_hosts: list[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]] = []
    """Hosts from which images, audio and video that a request names may be fetched; empty: none, only data: URLs."""


class LeaderElectionSettings(Section):
    """How one of several operators is chosen to lead."""

    lease_name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")] = "genmodel"
    """Lease that the leader holds (the chart grants get and update on exactly this one)."""
    lease_namespace: Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")] = ""
    """Its namespace; empty: the operator's own."""
    lease_seconds: Annotated[int, Field(ge=3, le=300)] = 15
    """After so long without a sign of the leader another one leads. The leader renews five times in this time."""


class Settings(Section):
    """Everything that a platform team can set."""

    runtime_image: str = "ghcr.io/genmodel/operator:0.1.0"
    """The operator's own image, used by the prepare container of model pods."""
    replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """Operators that run. With 2 or more one leads, chosen by a Lease, and the others stand by."""
    leader_election: LeaderElectionSettings = LeaderElectionSettings()
    """How one of several operators is chosen to lead."""
    watch_namespaces: list[str] = []
    """Namespaces that are served; empty: all."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Models reconciled at once."""
    resync_seconds: Annotated[float, Field(gt=0)] = 600
    """Every model is looked at again this often, with jitter."""
    drain_patience_seconds: Annotated[float, Field(ge=0)] = 120
    """How long a new revision waits for nodes, which an autoscaler may add, before the old one makes room for it."""
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
    accelerators: AcceleratorSettings = AcceleratorSettings()
    """What the nodes cannot tell about accelerators."""
    inventory: InventorySettings = InventorySettings()
    """How the operator knows which nodes there are."""
    policy_file: str = ""
    """File of the policy, read again when it changes; empty: the policy below holds for as long as the process."""
    policy: Policy = Policy()
    """What models may be and use. Its fields are described in docs/policy.md."""
    limits: LimitSettings = LimitSettings()
    """What one request to a model may ask for."""
    pod_monitors: PodMonitorSettings = PodMonitorSettings()
    """PodMonitors of the models; the chart takes this from metrics.podMonitor."""
    network: NetworkSettings = NetworkSettings()
    """NetworkPolicies of models; that of the operator itself is the value networkPolicy."""
    measurements: MeasurementSettings = MeasurementSettings()
    """Where what running servers measured is kept."""
