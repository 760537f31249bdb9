"""The plan in words: numbers that a person can add up, as they are printed."""

from collections.abc import Sequence

from genmodel_operator.api.v1alpha1 import AcceleratorPolicy
from genmodel_operator.sizing.answer import Memory, RejectedCandidate, ServingPlan
from genmodel_operator.sizing.fitting import Fit, Rejection
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.subject import Subject


def devices_text(product: str, count: int) -> str:
    """Return devices as people name them: ``1 x NVIDIA L4``, or ``CPU``."""
    return f"{count} x {product.replace('-', ' ')}" if count else product


def accelerator_display(plan: ServingPlan) -> str:
    """Return what a replica gets, for the printer column."""
    return devices_text(plan.product, plan.count)


def printed(memory: Memory) -> Memory:
    """Return the memory in hundredths of a GiB, rounded so that the parts still add up to the total.

    The margin takes what rounding leaves: it is the part that nothing was computed for.
    """
    parts = [memory.weights_gib, memory.kv_cache_gib, memory.activation_gib, memory.overhead_gib]
    cents = [round(100 * part) for part in parts]
    total = round(100 * memory.total_gib)
    weights, kv_cache, activation, overhead = (cent / 100 for cent in cents)
    return Memory(
        total_gib=total / 100,
        weights_gib=weights,
        kv_cache_gib=kv_cache,
        activation_gib=activation,
        overhead_gib=overhead,
        margin_gib=(total - sum(cents)) / 100,
    )


def memory_of(fit: Fit) -> Memory:
    """Return where the memory of a device, or of the container, goes; the parts add up exactly."""
    load = fit.load
    margin = load.total - load.weights - fit.cache_bytes - load.activation - load.overhead
    return Memory(
        total_gib=load.total / GIB,
        weights_gib=load.weights / GIB,
        kv_cache_gib=fit.cache_bytes / GIB,
        activation_gib=load.activation / GIB,
        overhead_gib=load.overhead / GIB,
        margin_gib=margin / GIB,
    )


def explain(subject: Subject, fit: Fit) -> str:
    """Return the arithmetic of the plan in one paragraph."""
    sentences = [_placement(subject, fit), _memory_sentence(fit), _cache_sentence(subject, fit)]
    return " ".join([*sentences, _length_sentence(subject, fit)])


def _placement(subject: Subject, fit: Fit) -> str:
    who = f"{devices_text(fit.group.product, fit.count)} per replica"
    policy = subject.spec.accelerator.policy
    return f"{who} (policy {policy}), weights {fit.served.label}."


def _memory_sentence(fit: Fit) -> str:
    shown = printed(memory_of(fit))
    where = "Per device" if fit.count else "The container"
    return (
        f"{where}: weights {shown.weights_gib:.2f} + KV cache {shown.kv_cache_gib:.2f} "
        f"+ activation {shown.activation_gib:.2f} + overhead {shown.overhead_gib:.2f} "
        f"+ margin {shown.margin_gib:.2f} = {shown.total_gib:.2f} GiB."
    )


def _cache_sentence(subject: Subject, fit: Fit) -> str:
    cache, shape = fit.cache, subject.architecture
    if cache is None:
        return "An encoder keeps no KV cache."
    heads = cache.token_layer_bytes // (2 * shape.head_dim * fit.served.element_bytes)
    tokens = cache.tokens(fit.cache_bytes)
    return (
        f"KV cache: 2 x {heads} heads x {shape.head_dim} x {fit.served.element_bytes} bytes x {shape.layers} layers "
        f"= {cache.token_bytes} bytes per token; {cache.blocks(fit.cache_bytes)} blocks of {cache.block_tokens} "
        f"are {tokens} tokens and hold {concurrency(fit):.2f} requests of {fit.length}."
    )


def _length_sentence(subject: Subject, fit: Fit) -> str:
    limit = subject.facts.max_context
    if subject.spec.context.max_model_len is not None:
        return f"Requests have up to {fit.length} tokens, as asked."
    if fit.length == limit:
        return f"Requests have up to {fit.length} tokens, the model's own limit."
    said = f"Requests have up to {fit.length} tokens, the most that fits; the model's own limit is {limit}"
    if subject.spec.accelerator.policy is AcceleratorPolicy.LARGEST_CONTEXT:
        return f"{said}."
    return f"{said}: spec.accelerator.policy LargestContext looks for more."


def concurrency(fit: Fit) -> float:
    """Return how many requests of full length are served at once, rounded down to hundredths."""
    if fit.cache is None:
        return float(min(fit.batch.max_num_seqs, fit.batch.max_num_batched_tokens // fit.length))
    return int(100 * fit.cache.concurrency(fit.cache_bytes, fit.length)) / 100


def rejected(
    subject: Subject, chosen: Fit, others: Sequence[Fit], refused: Sequence[Rejection]
) -> tuple[RejectedCandidate, ...]:
    """Return one line for each candidate that was not chosen, fits first."""
    seen = {(chosen.group.product, chosen.group.device_memory_gib if chosen.count else 0.0, chosen.count)}
    lines = []
    entries = [(fit.group, fit.count, _why_second(subject, chosen, fit)) for fit in others]
    for group, count, reason in [*entries, *((item.group, item.count, item.reason) for item in refused)]:
        key = (group.product, group.device_memory_gib if count else 0.0, count)
        if count and key in seen:
            continue
        seen.add(key)
        lines.append(RejectedCandidate(product=group.product, count=count, reason=reason))
    return tuple(dict.fromkeys(lines))


def _why_second(subject: Subject, chosen: Fit, fit: Fit) -> str:
    """Return why a candidate that fits was ranked lower."""
    if chosen.count and not fit.count:
        return "fits, but a GPU is preferred to CPU"
    held = f"fits with {fit.length} tokens per request and {device_gib(fit):.1f} GiB"
    better = f"{devices_text(chosen.group.product, chosen.count)} has {chosen.length} and {device_gib(chosen):.1f} GiB"
    return f"{held}; {better} (policy {subject.spec.accelerator.policy})"


def device_gib(fit: Fit) -> float:
    """Return the memory of all devices of a replica, or of the container, in GiB."""
    return fit.load.total * max(1, fit.count) / GIB


def refusal_text(rejection: Rejection) -> str:
    """Return a rejected candidate and its reason in one line."""
    return f"{devices_text(rejection.group.product, rejection.count)}: {rejection.reason}"
