"""Which modules of a model a quantisation means, and what format each matrix is stored in.

The names are the engine's own or those of the files; the same module has several of them.
"""

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from functools import lru_cache

from genmodel_operator.sizing.shape.model import Quantization, Unsizable
from genmodel_operator.sizing.tensors.names import Division, Role
from genmodel_operator.sizing.tensors.synthesis import Matrix

ONLY_EXPERTS = frozenset({"mxfp4", "experts_int8"})
"""Methods that only routed experts are stored in."""

_BARE = re.compile(r"^(model\.language_model\.model|model\.language_model|language_model\.model|language_model"
                   r"|backbone|transformer|model)\.")  # fmt: skip
"""What classes put before the layers."""
_SAME = (
    (re.compile(r"(?<!\w)(block_sparse_moe|feed_forward|ffn)(?!\w)"), "mlp"),
    (re.compile(r"(?<!\w)(attn|attention|self_attention)(?!\w)"), "self_attn"),
    (re.compile(r"(?<!\w)experts\.\d+(?!\w)"), "experts"),
)
"""Names of one thing, and ours."""
_MIXERS = ("self_attn", "mamba", "mlp")
_FUSED = {
    "q_proj": ("qkv_proj", "Wqkv", "wq"),
    "k_proj": ("qkv_proj", "Wqkv", "wk"),
    "v_proj": ("qkv_proj", "Wqkv", "wv"),
    "o_proj": ("wo",),
    "gate_proj": ("gate_up_proj", "w1"),
    "up_proj": ("gate_up_proj", "w3"),
    "down_proj": ("w2",),
    "gate_up_proj": ("gate_proj", "up_proj", "w1", "w3"),
    "in_proj_qkv": ("in_proj_qkvz",),
    "in_proj_z": ("in_proj_qkvz",),
    "in_proj_ba": ("in_proj_a", "in_proj_b"),
    "q_a_proj": ("fused_qkv_a_proj",),
    "kv_a_proj_with_mqa": ("fused_qkv_a_proj",),
}
"""Our names of matrices, and others for what holds them or what they are made of."""
_PREFIXES = ("", "model.", "model.language_model.", "language_model.model.", "language_model.", "backbone.")


class ModulePatterns:
    """Patterns of modules: an exact name, the name of a part, a wildcard, or a ``re:`` expression.

    Attributes:
        names_layers: single layers may be meant, so that layers that are alike may differ in format.

    """

    def __init__(self, patterns: Iterable[str]) -> None:
        """Take the patterns as the formats write them; the first that fits wins, exact names before others."""
        self._plain: dict[str, str] = {}
        self._starts: dict[str, str] = {}
        self._expressions: list[tuple[re.Pattern[str], bool, str]] = []
        for pattern in patterns:
            self._add(pattern)
        self.names_layers = any(re.search(r"\d", name) for name in (*self._plain, *self._starts)) or any(
            pattern != "*" for _, _, pattern in self._expressions
        )

    def _add(self, pattern: str) -> None:
        if pattern.startswith("re:"):
            self._expressions.append((_compiled(pattern[3:]), True, pattern))
        elif re.fullmatch(r"[^*?\[]+\*", pattern):
            self._starts.setdefault(_ours(pattern[:-1]), pattern)
        elif "*" in pattern:
            self._expressions.append((_globbed(_bare(pattern)), False, pattern))
        else:
            self._plain.setdefault(_ours(pattern), pattern)

    def find(self, module: str) -> str | None:
        """Return the pattern that means a module of the text model, None where none does."""
        names = list(_names(_ours(module)))
        return self._named(names) or self._begun(names) or self._expressed(names)

    def __contains__(self, module: str) -> bool:
        """Whether a module of the text model is meant."""
        return self.find(module) is not None

    def _named(self, names: list[str]) -> str | None:
        if not self._plain:
            return None
        for name in names:
            pieces = name.split(".")
            for end in range(len(pieces), 0, -1):
                if (found := self._plain.get(".".join(pieces[:end]))) is not None:
                    return found
            for piece in pieces:
                if (found := self._plain.get(piece)) is not None:
                    return found
        return None

    def _begun(self, names: list[str]) -> str | None:
        begun = (said for start, said in self._starts.items() if any(name.startswith(start) for name in names))
        return next(begun, None)

    def _expressed(self, names: list[str]) -> str | None:
        for expression, is_of_whole_name, said in self._expressions:
            for name in names:
                for spelled in _spellings(name) if is_of_whole_name else (name, *_other_spellings(name)):
                    if expression.match(spelled):
                        return said
        return None


class MatrixFormats:
    """The format of each matrix of a model under one quantisation."""

    def __init__(self, scheme: Quantization | None) -> None:
        """Take the quantisation, None where nothing is quantised."""
        self._scheme = scheme
        self._wide = ModulePatterns(scheme.wide_modules if scheme is not None else ())
        formats = scheme.modules if scheme is not None else ()
        self._modules = ModulePatterns(found.pattern for found in formats)
        self._formats = {found.pattern: found.scheme for found in reversed(formats)}
        self.names_layers = self._wide.names_layers or self._modules.names_layers

    def of(self, matrix: Matrix, role: Role) -> Quantization | None:
        """Return how a matrix is stored, None where it is wide."""
        scheme = self._scheme
        if scheme is None or not role.is_linear or matrix.inputs == 1 or matrix.module in self._wide:
            return None
        is_of_experts = role.division is Division.EXPERTS
        if is_of_experts and scheme.experts is not None:
            return scheme.experts
        if scheme.method in ONLY_EXPERTS and not is_of_experts:
            return None
        if not scheme.modules:
            return scheme
        found = self._modules.find(matrix.module)
        return scheme if found is None else self._formats[found]


def _bare(name: str) -> str:
    """Return a name without what classes put before the layers."""
    return _BARE.sub("", name)


def _ours(name: str) -> str:
    """Return a name in the words of this package."""
    bare = _bare(name)
    for pattern, word in _SAME:
        bare = pattern.sub(word, bare)
    return bare


def _names(module: str) -> Iterator[str]:
    """Yield the names that a module may be called by, its own first."""
    parent, _, last = module.rpartition(".")
    leaves = [module, *(f"{parent}.{other}" for other in _FUSED.get(last, ()))]
    yield from leaves
    for mixer in _MIXERS:
        if f".{mixer}." in module:
            yield from (leaf.replace(f".{mixer}.", ".mixer.", 1) for leaf in leaves)


def _other_spellings(name: str) -> Iterator[str]:
    """Yield the names that files have for what we call otherwise."""
    if ".experts." in name:
        name = name.replace(".experts.", ".experts.0.", 1)
        yield name
    for ours, theirs in (
        (".self_attn.", (".attn.", ".attention.")),
        (".mlp.", (".block_sparse_moe.", ".feed_forward.", ".ffn.")),
    ):
        if ours in name:
            yield from (name.replace(ours, other, 1) for other in theirs)


def _spellings(name: str) -> Iterator[str]:
    for prefix in _PREFIXES:
        yield f"{prefix}{name}"
        for other in _other_spellings(name):
            yield f"{prefix}{other}"


def _globbed(glob: str) -> re.Pattern[str]:
    """Return a wildcard that also means everything below what it names."""
    return re.compile(f"{translate(glob)}|{translate(f'{glob}.*')}")


@lru_cache(maxsize=256)
def _compiled(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as error:
        raise Unsizable(
            "InvalidRequest", f"quantization_config has the pattern re:{expression}, which cannot be read: {error}"
        ) from error
