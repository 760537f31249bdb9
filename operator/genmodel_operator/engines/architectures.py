"""Which models the engine runs, decided from the repository's facts before a pod exists.

The table of each engine release lies beside this module, taken from vLLM's own registry. What is
not listed might run through the engine's fallback to Transformers; nobody has tried it, so it is
refused.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from genmodel_operator.api.reasons import Reason
from genmodel_operator.engines.protocol import Refusal
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.settings import ENGINE_VERSION

TEXT_GENERATION, EMBEDDING, CLASSIFICATION, DRAFT = "text-generation", "embedding", "classification", "draft"

_TASKS = {
    # The engine can take the last hidden state of any text model as an embedding.
    TEXT_GENERATION: (ServedTask.GENERATE, ServedTask.EMBED),
    EMBEDDING: (ServedTask.EMBED,),
    # Of classifiers, those with one label: the facts tell.
    CLASSIFICATION: (ServedTask.SCORE,),
}

_NOT_SERVED = {
    "multimodal": ": it reads images, audio or video; this version serves text, embedding and reranking models",
    "transcription": ": it transcribes speech; this version serves text, embedding and reranking models",
    "reward": ": it is a reward model; this version serves text, embedding and reranking models",
    "late-interaction": ": it answers with one vector per token; this version serves one vector per text",
    "internal": ": it is a name inside the engine, not of a model",
}


@dataclass(frozen=True, slots=True)
class EngineTable:
    """What one engine release runs.

    Attributes:
        version: release of vLLM.
        categories: category of every architecture that the release knows.
        removed: last release that served an architecture that was dropped.
        plugins: address of the plugin that serves an architecture outside the engine.
        quantization: values of ``quant_method`` that it reads; ``quantization_cpu``: on CPU.

    """

    version: str
    categories: dict[str, str]
    removed: dict[str, str]
    plugins: dict[str, str]
    quantization: tuple[str, ...]
    quantization_cpu: tuple[str, ...]


@cache
def engine_table(version: str = ENGINE_VERSION) -> EngineTable:
    """Return the table of an engine release; raises ``FileNotFoundError`` where there is none."""
    table = json.loads(files(__package__).joinpath(f"vllm-{version}.json").read_text(encoding="utf-8"))
    return EngineTable(
        version=table["vllm"],
        categories=table["architectures"],
        removed=table["previously_supported_until"],
        plugins=table["out_of_tree_plugin"],
        quantization=tuple(table["quantization"]),
        quantization_cpu=tuple(table["quantization_cpu"]),
    )


def served_tasks(architecture: str) -> tuple[ServedTask, ...]:
    """Return what an architecture can be served as; nothing where it cannot be served."""
    return _TASKS.get(engine_table().categories.get(architecture, ""), ())


def supports(facts: ModelFacts, *, on_cpu: bool = False) -> Refusal | None:
    """Return why the engine does not serve the model, or None where it does."""
    table = engine_table()
    return (
        _refuse_draft(facts, table)
        or _refuse_architecture(facts, table)
        or _refuse_quantization(facts, table, on_cpu=on_cpu)
    )


def _refusal(reason: Reason, **values: str) -> Refusal:
    return Refusal(reason.value, tuple(values.items()))


def _refuse_draft(facts: ModelFacts, table: EngineTable) -> Refusal | None:
    if table.categories.get(facts.architecture) != DRAFT and "speculators_config" not in facts.config:
        return None
    return _refusal(Reason.DRAFT_MODEL, repository=facts.repository, architecture=facts.architecture)


def _refuse_architecture(facts: ModelFacts, table: EngineTable) -> Refusal | None:
    if set(served_tasks(facts.architecture)) & set(facts.tasks):
        return None
    return _refusal(
        Reason.ARCHITECTURE_UNSUPPORTED,
        repository=facts.repository,
        architecture=facts.architecture,
        engine_version=table.version,
        detail=_why_not(facts.architecture, table),
    )


def _why_not(architecture: str, table: EngineTable) -> str:
    if architecture in table.removed:
        return f": vLLM {table.removed[architecture]} was the last release that did"
    if architecture in table.plugins:
        return f" without the plugin at {table.plugins[architecture]}"
    category = table.categories.get(architecture)
    if category is None:
        return ": it is not in this release's list, and running it through Transformers is not verified"
    if category in _TASKS:
        return f" as anything but {' or '.join(task.value for task in _TASKS[category])}"
    return _NOT_SERVED[category]


def _refuse_quantization(facts: ModelFacts, table: EngineTable, *, on_cpu: bool) -> Refusal | None:
    readable = table.quantization_cpu if on_cpu else table.quantization
    # A method that differs only in its case is the same to the engine.
    if facts.quantization is None or facts.quantization.lower() in readable:
        return None
    return _refusal(
        Reason.QUANTIZATION_UNSUPPORTED,
        repository=facts.repository,
        method=facts.quantization,
        engine_version=f"{table.version} on CPU" if on_cpu else table.version,
        supported=", ".join(("no quantisation", *readable)),
    )
