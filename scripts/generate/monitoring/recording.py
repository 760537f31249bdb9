"""Recording rules: the engine's figures under names of ours, which outlive what a release of the engine renames."""

from dataclasses import dataclass
from typing import Any

WINDOW = "5m"
SLOW_SECONDS = 5
"""The objective: a first token within this time. It must be a bucket of the engine's histogram."""
SLOW_SHARE = 0.05
"""The objective: at most this share of requests later than that."""
BURN_WINDOWS = ("5m", "30m", "1h", "6h")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the engine.

    Attributes:
        record: our name.
        engine_names: the engine's, newest first; the first that a server has is taken.
        labels: what stays beside namespace and model.
        how: how series become the figure: rate, gauge or max.
        text: its meaning, for the reference.
    """

    record: str
    engine_names: tuple[str, ...]
    text: str
    how: str = "rate"
    labels: tuple[str, ...] = ()

    @property
    def expression(self) -> str:
        """The rule's expression."""
        pattern = f"rate({{name}}[{WINDOW}])" if self.how == "rate" else "{name}"
        return by_model(self.engine_names, pattern, "max" if self.how == "max" else "sum", self.labels)


def by_model(engine_names: tuple[str, ...], pattern: str, aggregation: str, labels: tuple[str, ...] = ()) -> str:
    """Return the sum (or the like) over a model's servers of a figure that has had several names.

    The name is chosen for each server: during a rollout to another engine old and new names are there at once, and a
    release that has both must not be counted twice. The model's name is the first served name, which every series of
    the engine carries, however it was scraped.
    """
    newest, *older = (pattern.format(name=name) for name in engine_names)
    either = newest + "".join(f" or ({name} unless on (namespace, instance, model_name) {newest})" for name in older)
    named = f'label_replace({either}, "model", "$1", "model_name", "(.+)")'
    return f"{aggregation} by ({', '.join(('namespace', 'model', *labels))}) ({named})"


FIGURES = (
    Figure("genmodel:requests_running", ("vllm:num_requests_running",), "Requests that the engine works on.", "gauge"),
    Figure("genmodel:requests_waiting", ("vllm:num_requests_waiting",), "Requests that wait in the engine.", "gauge"),
    Figure(
        "genmodel:kv_cache_usage:max",
        ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        "Used part of the KV cache, 0 to 1, of the replica where it is fullest.",
        "max",
    ),
    Figure("genmodel:prompt_tokens:rate5m", ("vllm:prompt_tokens_total",), "Tokens of prompts per second."),
    Figure("genmodel:generation_tokens:rate5m", ("vllm:generation_tokens_total",), "Generated tokens per second."),
    Figure(
        "genmodel:requests_finished:rate5m",
        ("vllm:request_success_total",),
        "Finished requests per second by the reason of their end.",
        labels=("finished_reason",),
    ),
    Figure(
        "genmodel:preemptions:rate5m",
        ("vllm:num_preemptions_total",),
        "Requests per second that lost their place in the KV cache and start again.",
    ),
    Figure(
        "genmodel:time_to_first_token_seconds_bucket:rate5m",
        ("vllm:time_to_first_token_seconds_bucket",),
        "From the request to its first token.",
        labels=("le",),
    ),
    Figure(
        "genmodel:inter_token_latency_seconds_bucket:rate5m",
        ("vllm:inter_token_latency_seconds_bucket", "vllm:time_per_output_token_seconds_bucket"),
        "From one token to the next.",
        labels=("le",),
    ),
    Figure(
        "genmodel:request_latency_seconds_bucket:rate5m",
        ("vllm:e2e_request_latency_seconds_bucket",),
        "From the request to its last token.",
        labels=("le",),
    ),
    Figure(
        "genmodel:queue_time_seconds_bucket:rate5m",
        ("vllm:request_queue_time_seconds_bucket", "vllm:time_in_queue_requests_bucket"),
        "Time that a request waited in the engine.",
        labels=("le",),
    ),
    Figure(
        "genmodel:prefix_cache_queries:rate5m",
        ("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
        "Tokens per second that were looked for in the prefix cache.",
    ),
    Figure(
        "genmodel:prefix_cache_hits:rate5m",
        ("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"),
        "Tokens per second that were found in the prefix cache.",
    ),
)


@dataclass(frozen=True, slots=True)
class Derived:
    """A rule that is written out; ``labels`` and ``text`` are for the reference."""

    record: str
    expression: str
    text: str
    labels: tuple[str, ...]


_HTTP = 'http_requests_total{{{label}!="",method="POST"}}'


def _http() -> str:
    """Return the engine's answers by model: its HTTP server has no label for that, the scrape's own tells it."""
    ours = f"rate({_HTTP.format(label='model')}[{WINDOW}])"
    service = f"rate({_HTTP.format(label='genmodel_dev_model')}[{WINDOW}])"
    named = f'label_replace({service}, "model", "$1", "genmodel_dev_model", "(.+)")'
    return f"sum by (namespace, model, status) ({ours} or {named})"


def _devices(state: str) -> str:
    replicas = f'sum by (namespace, name) (genmodel_replicas{{state="{state}"}})'
    return f"sum by (product) (genmodel_devices_per_replica * on (namespace, name) group_left () {replicas})"


def _late(window: str) -> str:
    bucket = f'rate({{name}}{{{{le=~"{SLOW_SECONDS}|{SLOW_SECONDS}.0"}}}}[{window}])'
    in_time = by_model(("vllm:time_to_first_token_seconds_bucket",), bucket, "sum")
    every = by_model(("vllm:time_to_first_token_seconds_count",), f"rate({{name}}[{window}])", "sum")
    return f"1 - {in_time} / {every}"


DERIVED = (
    Derived(
        "genmodel:http_requests:rate5m",
        _http(),
        "Answers per second by class of their HTTP status, such as 2xx.",
        ("namespace", "model", "status"),
    ),
    Derived("genmodel:devices_planned", _devices("desired"), "Accelerators of all wanted replicas.", ("product",)),
    Derived(
        "genmodel:cost_per_hour",
        "genmodel:devices_planned * on (product) group_left () max by (product) (genmodel_device_price_per_hour)",
        "What the accelerators of all wanted replicas cost for an hour, by the prices of the policy.",
        ("product",),
    ),
    Derived("genmodel:devices_serving", _devices("ready"), "Accelerators of replicas that answer.", ("product",)),
    *(
        Derived(
            f"genmodel:first_token_late:ratio_rate{window}",
            _late(window),
            f"Share of requests whose first token came later than {SLOW_SECONDS} s, over {window}.",
            ("namespace", "model"),
        )
        for window in BURN_WINDOWS
    ),
)


def recording_group() -> dict[str, Any]:
    """Return the group of all recording rules."""
    expressions = {figure.record: figure.expression for figure in FIGURES}
    expressions |= {derived.record: derived.expression for derived in DERIVED}
    rules = [{"record": record, "expr": expression} for record, expression in expressions.items()]
    return {"name": "genmodel.recorded", "interval": "30s", "rules": rules}


def recorded() -> list[tuple[str, tuple[str, ...], str, str]]:
    """Return name, labels, text and the engine's names of every recorded figure, for the reference."""
    engine = [
        (figure.record, ("namespace", "model", *figure.labels), figure.text, ", ".join(figure.engine_names))
        for figure in FIGURES
    ]
    return engine + [(rule.record, rule.labels, rule.text, "") for rule in DERIVED]
