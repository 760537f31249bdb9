"""What a repository holds at one commit: the facts that sizing and rendering stand on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.api.v1alpha1 import Task


class ServedTask(StrEnum):
    """What a model is served as; the resolved form of ``spec.task``."""

    GENERATE = "Generate"
    EMBED = "Embed"
    SCORE = "Score"


@dataclass(frozen=True, slots=True)
class RepoFile:
    """One file of the commit. ``sha256`` is set for LFS files, ``blob_id`` (git) for all."""

    path: str
    size_bytes: int
    blob_id: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the safetensors header names it; ``dtype`` as there (BF16, F8_E4M3, ...)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Everything known of a model at a pinned commit; immutable and serialisable.

    Attributes:
        repository: Hub repository, ``org/name``.
        commit: 40 hex digits.
        architecture: ``architectures[0]`` of ``config.json``.
        model_type: ``model_type`` of ``config.json``.
        task: what it is served as when the user says ``Auto``.
        tasks: everything it can be served as; see ``hub.tasks``.
        config: ``config.json`` as stored.
        files: the files that are fetched and served; weights and what the engine reads beside them.
        tensors: every tensor of the weight files, in file order.
        parameters: number of elements as stored (packed weights count as stored).
        weights_bytes: bytes of all tensors, without headers.
        stored_precision: most common stored format by bytes: BFloat16, Float16, Float32, FP8, INT8, INT4.
        quantization: ``quant_method`` of ``quantization_config``, None where not quantised.
        max_context: the model's own limit in tokens.
        license: as the card names it; ``gated``: whether it must be accepted on the Hub.
        has_chat_template: whether chat requests can be answered.
        remote_code: the file that names Python code of the repository, which the engine has to run; empty: none.
        chat_template: the template that a request with tools is written by, as stored; empty where none was read.
        added_tokens: tokens that the tokenizer's settings add by name, as far as they say.
        provenance: for each field, where it was read.

    """

    repository: str
    commit: str
    architecture: str
    model_type: str
    task: ServedTask
    tasks: tuple[ServedTask, ...]
    config: Mapping[str, Any]
    files: tuple[RepoFile, ...]
    tensors: tuple[Tensor, ...]
    parameters: int
    weights_bytes: int
    stored_precision: str
    quantization: str | None
    max_context: int
    license: str | None = None
    gated: bool = False
    has_chat_template: bool = False
    remote_code: str = ""
    chat_template: str = ""
    added_tokens: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def download_bytes(self) -> int:
        """Bytes that a pod fetches."""
        return sum(file.size_bytes for file in self.files)


class Refused(Exception):
    """The repository cannot be served as it is; a person must choose or change something.

    ``values`` are exactly the fields of the reason's message.
    """

    def __init__(self, reason: Reason, **values: object) -> None:
        """Take the reason and the values of its message pattern."""
        self.reason = reason
        self.values: dict[str, object] = values
        super().__init__(explain(reason, **values))


def choose_task(facts: ModelFacts, wanted: Task) -> ServedTask:
    """Return what the model is served as when ``spec.task`` is ``wanted``.

    Raises ``Refused`` (TaskUnsupported) where the model cannot do it.
    """
    if wanted is Task.AUTO:
        return facts.task
    task = ServedTask(wanted.value)
    if task not in facts.tasks:
        found = f"{_WORK[facts.task]} ({facts.architecture})"
        change = f"set spec.task to {' or '.join(facts.tasks)}, or leave it out; or choose another model"
        raise Refused(
            Reason.TASK_UNSUPPORTED,
            field="spec.task",
            repository=facts.repository,
            found=found,
            wanted=wanted.value,
            change=change,
        )
    return task


def served_as_nothing(repository: str, found: str) -> Refused:
    """Return the refusal of a model that is made for something else than text; ``found`` says for what."""
    return Refused(
        Reason.TASK_UNSUPPORTED,
        field="spec.model",
        repository=repository,
        found=found,
        wanted="Generate, Embed or Score",
        change="choose a text generation, embedding or reranking model",
    )


_WORK = {
    ServedTask.GENERATE: "text generation",
    ServedTask.EMBED: "embeddings",
    ServedTask.SCORE: "scores of pairs of texts",
}
