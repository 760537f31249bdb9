"""What the policy says to a model: nothing, or which rule refuses it, by what value, and the way out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.engines.protocol import Refusal
from genmodel_operator.policy.document import EVERY_NAMESPACE, Policy
from genmodel_operator.policy.licenses import license_class
from genmodel_operator.policy.remote_code import refuse_code


@dataclass(frozen=True, slots=True)
class Repository:
    """What the Hub says of a model.

    Attributes:
        name: as the Hub names it, which may differ from what was asked for: repositories are renamed.
        license: as the model card names it, None where it names none.
        gated: whether its terms must be accepted on the Hub.
        commit: the one that is served.
        code_file: file that names code of the repository, which its pods have to run; empty: none.
    """

    name: str
    license: str | None
    gated: bool
    commit: str = ""
    code_file: str = ""


def refuse_wish(policy: Policy, *, model: str, image: str | None) -> list[Refusal]:
    """Return what is refused of a wish before the Hub is asked; ``image`` is the user's own engine image."""
    return [*_publisher(policy, model), *_image(policy, image)]


def refuse_repository(policy: Policy, found: Repository, *, trusts_code: bool = False) -> list[Refusal]:
    """Return what is refused of a model when the Hub has told about it; ``trusts_code`` is the model's own word."""
    return [
        *_publisher(policy, found.name),
        *_license(policy, found),
        *_gated(policy, found),
        *refuse_code(policy, repository=found.name, commit=found.commit, file=found.code_file, is_trusted=trusts_code),
    ]


def refuse(policy: Policy, found: Repository, *, image: str | None, trusts_code: bool = False) -> list[Refusal]:
    """Return everything that the policy has against a model as it is served."""
    return [*refuse_repository(policy, found, trusts_code=trusts_code), *_image(policy, image)]


def limit_of(policy: Policy, namespace: str) -> int | None:
    """Return how many devices the models of a namespace may have together, None where there is no limit."""
    limits = policy.devices_per_namespace
    return limits.get(namespace, limits.get(EVERY_NAMESPACE))


def too_many_devices(*, namespace: str, limit: int, used: int, count: int, replicas: int) -> Refusal:
    """Return the refusal of so many replicas with so many devices each, beside what other models have."""
    return _refusal(
        Reason.DEVICE_LIMIT_REACHED,
        namespace=namespace,
        limit=str(limit),
        used=str(used),
        wanted=f"{replicas} x {count}",
    )


def words_of(refusal: Refusal) -> str:
    """Return the whole message of a refusal."""
    return explain(Reason(refusal.reason), **dict(refusal.values))


def _publisher(policy: Policy, model: str) -> Iterable[Refusal]:
    publisher = model.partition("/")[0]
    if _is_allowed(policy.allowed_publishers, publisher) or _is_allowed(policy.allowed_publishers, model):
        return
    yield _refusal(
        Reason.PUBLISHER_NOT_ALLOWED,
        repository=model,
        publisher=publisher,
        allowed=", ".join(policy.allowed_publishers),
    )


def _license(policy: Policy, found: Repository) -> Iterable[Refusal]:
    named = license_class(found.license, policy.license_classes)
    if policy.allowed_license_classes and named not in policy.allowed_license_classes:
        yield _refusal(
            Reason.LICENSE_NOT_ALLOWED,
            repository=found.name,
            license=f"the licence {found.license}" if found.license else "no licence on its card",
            license_class=named.value,
            allowed=", ".join(policy.allowed_license_classes),
        )


def _gated(policy: Policy, found: Repository) -> Iterable[Refusal]:
    if found.gated and not policy.allow_gated:
        yield _refusal(Reason.GATED_NOT_ALLOWED, repository=found.name)


def _image(policy: Policy, image: str | None) -> Iterable[Refusal]:
    if image is not None and not _is_allowed(policy.allowed_engine_images, image):
        yield _refusal(Reason.ENGINE_IMAGE_NOT_ALLOWED, image=image, allowed=", ".join(policy.allowed_engine_images))


def _is_allowed(patterns: Sequence[str], name: str) -> bool:
    # In a pattern [ stands for itself, as nothing else would be expected of it.
    return not patterns or any(fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns)


def _refusal(reason: Reason, **values: str) -> Refusal:
    return Refusal(reason.value, tuple(values.items()))
