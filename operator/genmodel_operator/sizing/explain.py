"""The plan in words: numbers that a person can add up, as they are printed."""

from collections.abc import Iterable, Sequence

from genmodel_operator.api.v1alpha1 import AcceleratorPolicy
from genmodel_operator.sizing.answer import Memory, RejectedCandidate, ServingPlan
from genmodel_operator.sizing.corrections import words
from genmodel_operator.sizing.fitting import Fit, Rejection
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.on_gpus import passed_utilization
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
    sentences = (
        _placement(subject, fit),
        _memory_sentence(fit),
        _weights_sentence(fit),
        _cache_sentence(fit),
        _overhead_sentence(fit),
        _length_sentence(subject, fit),
        _steps_sentence(subject, fit),
        words(fit.attempt.learnt),
    )
    return " ".join(sentence for sentence in sentences if sentence)


def _placement(subject: Subject, fit: Fit) -> str:
    who = f"{devices_text(fit.group.product, fit.count)} per replica"
    policy = subject.spec.accelerator.policy
    return f"{who} (policy {policy}{_priced(subject, fit)}), weights {fit.served.label}.{_caveat(fit)}"


def _priced(subject: Subject, fit: Fit) -> str:
    """Return the price of a replica where it counts and is known."""
    price = subject.policy.hourly_price(fit.group, fit.count)
    is_wanted = subject.spec.accelerator.policy is AcceleratorPolicy.CHEAPEST
    return f", {price:.2f} per hour" if is_wanted and price is not None else ""


def _caveat(fit: Fit) -> str:
    """Return what is special about the devices: nodes that are still to come, or neighbours on the same GPU."""
    group = fit.group
    told = ""
    if group.pool:
        told = f" The pool {group.pool} has no such node yet: the autoscaler has to add one."
    if group.shared_by > 1:
        told += f" It is 1 of {group.shared_by} time slices of a GPU, whose memory nothing keeps apart."
    return told


def _memory_sentence(fit: Fit) -> str:
    shown = printed(memory_of(fit))
    where = "Per device" if fit.count else "The container"
    return (
        f"{where}: weights {shown.weights_gib:.2f} + KV cache {shown.kv_cache_gib:.2f} "
        f"+ activation {shown.activation_gib:.2f} + overhead {shown.overhead_gib:.2f} "
        f"+ margin {shown.margin_gib:.2f} = {shown.total_gib:.2f} GiB."
    )


def _weights_sentence(fit: Fit) -> str:
    """Return the parts of the weights; nothing where they were measured, which tells no parts."""
    if fit.attempt.learnt.figures.weights_gib is not None:
        return ""
    parts = [(str(part), size) for part, size in sorted(fit.weights.parts.items(), key=lambda item: -item[1])]
    return _summed("Weights", parts, fit.load.weights)


def _overhead_sentence(fit: Fit) -> str:
    """Return where activation and overhead come from, and what the engine is given of the device."""
    batch = fit.batch
    step = (
        f"Activation is the peak of a step of {batch.max_num_batched_tokens} tokens and {batch.max_num_seqs} requests."
    )
    overhead = _summed("Overhead", fit.load.overheads, fit.load.overhead)
    if not fit.count:
        return f"{step} {overhead}"
    return f"{step} {overhead} The engine is given {passed_utilization(fit):.2f} of the device."


def _summed(what: str, parts: Iterable[tuple[str, int]], total: int) -> str:
    """Return a sum in hundredths of a GiB that adds up as printed: the first part takes what rounding leaves."""
    shown = [(name, cents) for name, size in parts if (cents := round(100 * size / GIB))]
    if len(shown) < 2:
        return ""
    whole = round(100 * total / GIB)
    first = (shown[0][0], whole - sum(cent for _, cent in shown[1:]))
    addends = " + ".join(f"{name} {cent / 100:.2f}" for name, cent in (first, *shown[1:]))
    return f"{what}: {addends} = {whole / 100:.2f} GiB."


def _cache_sentence(fit: Fit) -> str:
    cache = fit.cache
    if not cache.has_cache:
        return "An encoder keeps no KV cache."
    blocks, scale = cache.blocks(fit.cache_bytes), fit.attempt.cache_scale
    held = f"hold {fit.concurrency:.2f} requests of {fit.length}"
    if len(cache.groups) > 1:
        size = f"{blocks} blocks {held}, {cache.pages(fit.length)} blocks each"
    else:
        size = f"{blocks} blocks of {cache.block_tokens} are {blocks * cache.block_tokens} tokens and {held}"
    measured = "" if scale == 1.0 else f"; they were measured to be {fit.tokens} tokens"
    return f"KV cache{_format(fit)}: {cache.explanation}; {size}{measured}."


def _format(fit: Fit) -> str:
    return " in FP8" if fit.attempt.server.kv_cache_dtype else ""


def _steps_sentence(subject: Subject, fit: Fit) -> str:
    """Return what was given up so that the model fits."""
    full, batch = fit.attempt.full, fit.batch
    steps = []
    if batch.max_num_seqs < full.max_num_seqs:
        why = "" if fit.attempt.states is None else ", one for each block that holds a state"
        steps.append(f"{batch.max_num_seqs} requests at once instead of {full.max_num_seqs}{why}")
    if batch.max_num_batched_tokens < full.max_num_batched_tokens:
        steps.append(f"{batch.max_num_batched_tokens} tokens per step instead of {full.max_num_batched_tokens}")
    if fit.attempt.server.kv_cache_dtype and not subject.wants_fp8_cache:
        steps.append("the KV cache in FP8, which the operator's policy allows")
    if subject.narrows_weights:
        steps.append("the weights in FP8, which the operator's policy allows and without which nothing fits")
    return f"Given up so that it fits: {'; '.join(steps)}." if steps else ""


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
    prices = [_priced(subject, one).removeprefix(", ") or "no price" for one in (fit, chosen)]
    priced = f", {prices[0]} against {prices[1]}" if prices[0] != prices[1] else ""
    return f"{held}; {better} (policy {subject.spec.accelerator.policy}{priced})"


def device_gib(fit: Fit) -> float:
    """Return the memory of all devices of a replica, or of the container, in GiB."""
    return fit.load.total * max(1, fit.count) / GIB


def refusal_text(rejection: Rejection) -> str:
    """Return a rejected candidate and its reason in one line."""
    return f"{devices_text(rejection.group.product, rejection.count)}: {rejection.reason}"
